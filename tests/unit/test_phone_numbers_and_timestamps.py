"""Phone numbers, extensions, names and timestamps, in file names and in sidecars."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata import timestamps
from callscribe.call_metadata.metadata import CallMetadata, Direction, parse_direction
from callscribe.call_metadata.phone_numbers import (
    find_local_extension,
    parse_extension,
    parse_name,
    parse_phone_number,
)
from callscribe.sidecars.field_parsers import (
    add_time_of_day,
    parse_name_value,
    parse_number_value,
    parse_timestamp_value,
)


def as_iso(parsed):
    """A date, a time or both in ISO 8601, with Z for UTC."""
    return parsed and parsed.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" (202) 555-0143 ", "(202) 555-0143"),
        ("+(49) 30.90-18", "+(49) 30.90-18"),
        (101, "101"),
        ("tel:+12025550143;ext=7", "+12025550143"),
        ("sip:101@pbx.example", "101"),
        ('"Ann" <101>', "101"),
        *(
            (value, None)
            for value in ("Restricted", "n/a", "sip:ann@pbx.example", "Ann", "client:support", "9" * 10_000)
        ),
        *((value, None) for value in (None, True, 1.5, 0, -1, 10**30)),
        *[([], None), ({}, None)],
    ],
    ids=str,
)
def test_sidecar_value_is_a_phone_number_or_none(value, expected):
    assert parse_number_value(value) == expected


@pytest.mark.parametrize(
    ("caller", "callee", "direction", "extension"),
    [("1000", "0488930190", None, "1000"), ("0488930190", "1000", None, "1000"), ("1000", "1004", None, "1000"),
     ("112", "1004", Direction.INBOUND, "1004"), ("1000", "112", Direction.OUTBOUND, "1000"),
     ("0488930190", "0301234567", None, None), (None, None, None, None)],
)  # fmt: skip
def test_short_number_on_the_local_side_is_the_extension(caller, callee, direction, extension):
    assert find_local_extension(CallMetadata(caller=caller, callee=callee, direction=direction)) == extension


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1714132800, "2024-04-26T12:00:00Z"), (1714132800.5, "2024-04-26T12:00:00.500000Z"),
     (1714132800123, "2024-04-26T12:00:00.123000Z"), ([], None),
     *((value, None) for value in (0, -1, 12.5, True, None, float("nan"), float("inf"), 10**30, "9" * 5000))],
    ids=str,
)  # fmt: skip
def test_sidecar_timestamp_may_be_a_numeric_epoch(value, expected):
    assert as_iso(parse_timestamp_value(value)) == expected


@given(st.text(max_size=40))
def test_any_text_is_a_timestamp_or_none(text):
    parse_timestamp_value(text)
    add_time_of_day(date(2026, 1, 1), text)
    timestamps.parse_timestamp(text)


def test_extension_has_one_to_six_digits():
    texts = ("7", "101", "117209", "+101", "1234567", "*97", "", "١٠١", None)
    assert [text for text in texts if parse_extension(text)] == ["7", "101", "117209"]


def test_epoch_is_ten_digits_of_this_century():
    texts = ("1684333530", "5551234567", "2025550143", "168433353", "1684333530.1")
    assert [text for text in texts if timestamps.is_epoch(text)] == ["1684333530"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20230517", "2023-05-17"), ("2023-05-17", "2023-05-17"), ("17.05.2023", "2023-05-17"), ("2023-5-7", "2023-05-07"),
     ("2023-May-17", "2023-05-17"), ("230517", "2023-05-17"),
     *((text, None) for text in ("20230230", "20231345", "00010101", "2023-05", "+2023-5-7", "2023-x-1", ""))],
)  # fmt: skip
def test_date_formats(text, expected):
    assert as_iso(timestamps.parse_date(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("142530", "14:25:30"), ("142530.088", "14:25:30.088000"), ("14:25", "14:25:00"), ("14.25", "14:25:00"),
     ("14.25.30", "14:25:30"), ("1425", "14:25:00"), ("14-25-30", "14:25:30"),
     *((text, None) for text in ("246060", "996199", "14", ""))],
)  # fmt: skip
def test_time_formats(text, expected):
    assert as_iso(timestamps.parse_time(text)) == expected


VALID = {
    "20230517-142530": "2023-05-17T14:25:30",
    "20230517142530": "2023-05-17T14:25:30",
    "2023-05-17T14:25:30Z": "2023-05-17T14:25:30Z",
    "2023-05-17 14.25.30": "2023-05-17T14:25:30",
    "2023-05-17T14:25:30.088+02:00": "2023-05-17T14:25:30.088000+02:00",
    "20230517T1425": "2023-05-17T14:25:00",
    "20230517": "2023-05-17",
    "2023-05-17": "2023-05-17",
    "1684333530": "2023-05-17T14:25:30Z",
    "1684333530123": "2023-05-17T14:25:30.123000Z",
    "2024-04-26 12:00:00 GMT": "2024-04-26T12:00:00Z",
    "2024-04-26 12:00:00 UTC": "2024-04-26T12:00:00Z",
    "2024-04-26 12:00:00 +0000": "2024-04-26T12:00:00Z",
    "2024-04-26 12:00:00.1234567+02": "2024-04-26T12:00:00.123456+02:00",
    "2024/04/26 12:00:00.1234567": "2024-04-26T12:00:00.123456",
    "2024/04/26 12:00": "2024-04-26T12:00:00",
    "20240426120030+02:00": "2024-04-26T12:00:30+02:00",
}
VALID_IN_NAMES = {
    "17-05-2023_14:25:30": "2023-05-17T14:25:30",
    "05-04-2026": "2026-04-05",
    "04/05/2024": "2024-05-04",
    "260405": "2026-04-05",
    "240426 12:00:30": "2024-04-26T12:00:30",
}
"""Ambiguous in a sidecar."""
VALID_IN_SIDECARS = {
    "1714132800123456": "2024-04-26T12:00:00.123456Z",
    "1714132800.5": "2024-04-26T12:00:00.500000Z",
    "Fri, 26 Apr 2024 12:00:00 GMT": "2024-04-26T12:00:00Z",
    "Fri Apr 26 2024 12:00:00 GMT+0530 (India Standard Time)": "2024-04-26T12:00:00+05:30",
    "Apr 26, 2024, 2:30:05 PM GMT+5:30": "2024-04-26T14:30:05+05:30",
    "26 Apr 2024 12:00:00 UTC-3": "2024-04-26T12:00:00-03:00",
    "2024-04-26 12:00:00 GMT+02:00": "2024-04-26T12:00:00+02:00",
    "26/04/2024 12:00 +1": "2024-04-26T12:00:00+01:00",
}
INVALID = [
    "20231345-996199", "20230517-246060", "soon", "now", "", "5551234567890", "2023-05-17T14:25+99:00x", "171413280",
    "2024-04-26 12-0400", "2024-04-26+02:00", "2024-04-26-12-00-30+99:00", "Fri, 99 Apr 2024", "0001-01-01",
    "9999-12-31", "2024-13-01",
]  # fmt: skip


@pytest.mark.parametrize("text", [*VALID, *VALID_IN_NAMES, *VALID_IN_SIDECARS, *INVALID])
def test_unambiguous_timestamp_is_the_same_in_a_name_and_in_a_sidecar(text):
    assert as_iso(timestamps.parse_timestamp(text)) == (VALID | VALID_IN_NAMES).get(text)
    assert as_iso(parse_timestamp_value(text)) == (VALID | VALID_IN_SIDECARS).get(text)


CALL = datetime(2025, 11, 4, 11, 0, tzinfo=UTC)


def local(offset, delay=timedelta()):
    """The local time of a phone system with this UTC offset, so long after CALL."""
    return (CALL + offset + delay).replace(tzinfo=None)


@given(st.sampled_from(sorted(timestamps.UTC_OFFSETS)), st.integers(-10, 119))
def test_server_utc_offset_is_derived_from_a_local_time_and_an_epoch(offset, delay):
    assert timestamps.utc_offset(local(offset, timedelta(seconds=delay)), CALL) == offset


@pytest.mark.parametrize("hours", [-12.5, 0.25, 4.75, 5.25, 7.25, 7.5, 8.5, 14.25, 15])
def test_difference_that_is_no_offset_in_use_gives_no_offset(hours):
    assert timestamps.utc_offset(local(timedelta(hours=hours)), CALL) is None


@pytest.mark.parametrize("seconds", [-60, -11, 120, 5 * 60, 7.5 * 60, 28 * 60])
def test_inconsistent_local_time_and_epoch_give_no_offset(seconds):
    assert timestamps.utc_offset(local(timedelta(hours=7), timedelta(seconds=seconds)), CALL) is None


def test_utc_offsets_are_those_of_the_time_zone_database():
    days = [datetime(year, month, 15, tzinfo=UTC) for year in (2024, 2026) for month in (1, 7)]
    in_use = {day.astimezone(ZoneInfo(name)).utcoffset() for name in available_timezones() for day in days}
    assert in_use <= timestamps.UTC_OFFSETS
    assert {offset for offset in timestamps.UTC_OFFSETS if offset % timedelta(hours=1)} <= in_use


NOT_NUMBERS = (
    "+266696687", "1684333530.12", "-2", "2026-04-05", "2026.04.05", "1" * 21, "1-" + "-" * 39, "1\n2", "٣٣٣", "+",
    "()", "-", "", "a1",
)  # fmt: skip
WORDS = ("s", "unknown", "anonymous", "Anonymous", "null", "always", "restricted")


@pytest.mark.parametrize("text", [*NOT_NUMBERS, *WORDS])
def test_text_that_is_not_a_phone_number_is_none_in_a_name_and_in_a_sidecar(text):
    assert parse_phone_number(text) is parse_number_value(text) is None


NUMBERS = ("7", "101", "+49 30 901820", "(252)792-0186", "*97", "***97", "#31#015112345678", "00442071234567")


@pytest.mark.parametrize("text", [*NUMBERS, "0800-12-34567", "(+49) 30 901820", "1" * 20, "030 / 90-1820"])
def test_phone_number_is_kept_as_written_in_a_name_and_in_a_sidecar(text):
    assert parse_phone_number(text) == parse_number_value(text) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((text, text) for text in ("Jane Doe", "엄마", "❤", "Call 7", "S")),
        *((text, None) for text in ("Anonymous", "UNKNOWN", "private", "+49 30 901820", "-2", "+266696687", "-", "")),
    ],
)
def test_phone_number_or_placeholder_is_not_a_name(text, name):
    assert parse_name(text) == parse_name_value(text) == name


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (Direction.INBOUND, ("in", "I", "Received")),
        (Direction.OUTBOUND, ("o", "outbound-api", "Outgoing Call")),
        (Direction.INTERNAL, ("int", "intercom")),
        (None, ("voice", "")),
    ],
)
def test_direction_is_recognised_in_many_words(direction, words):
    assert {parse_direction(word) for word in words} == {direction}
