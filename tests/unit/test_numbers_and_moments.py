"""What is a phone number, an extension or a time in what lies beside recordings, and what only looks like one."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.metadata import Direction
from callscribe.sidecars.moments import joined, moment_in
from callscribe.sidecars.numbers import extension_of, number_in


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("+49 30 901820", "+49 30 901820"),
        (" (202) 555-0143 ", "(202) 555-0143"),
        ("*97", "*97"),
        ("+(49) 30.90-18", "+(49) 30.90-18"),
        (101, "101"),
        ("tel:+12025550143;ext=7", "+12025550143"),
        ("sip:101@pbx.example", "101"),
        ('"Ann" <101>', "101"),
        *(
            (word, None)
            for word in (
                "s",
                "unknown",
                "null",
                "anonymous",
                "Restricted",
                "private",
                "",
                "-2",
                "n/a",
                "+",
                "2026-04-01",
            )
        ),
        *((value, None) for value in (None, True, 1.5, 0, -1, 10**30, [], {}, "9" * 41, "9" * 10_000, "+266696687")),
        ("sip:ann@pbx.example", None),
        ("Ann", None),
        ("client:support", None),
    ],
    ids=str,
)
def test_a_number_is_one_or_nothing(value, number):
    assert number_in(value) == number


@pytest.mark.parametrize(
    ("caller", "callee", "direction", "extension"),
    [
        ("1000", "0488930190", None, "1000"),
        ("0488930190", "1000", None, "1000"),
        ("1000", "1004", None, "1000"),
        ("112", "1004", Direction.INBOUND, "1004"),
        ("1000", "112", Direction.OUTBOUND, "1000"),
        ("0488930190", "0301234567", None, None),
        (None, None, None, None),
    ],
)
def test_what_is_short_is_an_extension(caller, callee, direction, extension):
    assert extension_of(caller, callee, direction) == extension


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1714132800, datetime(2024, 4, 26, 12, tzinfo=UTC)),
        ("1714132800", datetime(2024, 4, 26, 12, tzinfo=UTC)),
        (1714132800.5, datetime(2024, 4, 26, 12, 0, 0, 500000, UTC)),
        (1714132800123, datetime(2024, 4, 26, 12, 0, 0, 123000, UTC)),
        ("1714132800123456", datetime(2024, 4, 26, 12, 0, 0, 123456, UTC)),
        ("2024-04-26T12:00:00Z", datetime(2024, 4, 26, 12, tzinfo=UTC)),
        ("2024-04-26 12:00:00 +0000", datetime(2024, 4, 26, 12, tzinfo=UTC)),
        ("2024-04-26 12:00:00 UTC", datetime(2024, 4, 26, 12, tzinfo=UTC)),
        ("Fri, 26 Apr 2024 12:00:00 GMT", datetime(2024, 4, 26, 12, tzinfo=UTC)),
        ("2024-04-26 12:00:00", datetime(2024, 4, 26, 12)),  # noqa: DTZ001
        ("2024/04/26 12:00", datetime(2024, 4, 26, 12)),  # noqa: DTZ001
        ("20240426120000", datetime(2024, 4, 26, 12)),  # noqa: DTZ001
        ("2024-04-26", date(2024, 4, 26)),
        ("20240426", date(2024, 4, 26)),
        *(
            (value, None)
            for value in ("04/05/2024", "", "now", 0, -1, 12.5, True, None, float("nan"), float("inf"), 10**30)
        ),
        *((value, None) for value in ("0001-01-01", "9999-12-31", "2024-13-01", "9" * 5000, [], "Fri, 99 Apr 2024")),
    ],
    ids=str,
)
def test_a_time_is_read_as_it_is_written(value, moment):
    found = moment_in(value)
    assert (found, type(found)) == (moment, type(moment))
    if isinstance(moment, datetime):
        assert found.tzinfo is moment.tzinfo is None or found.utcoffset() == moment.utcoffset()


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text):
    moment_in(text)
    joined(date(2026, 1, 1), text)
