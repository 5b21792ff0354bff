"""When a call started, in UTC: an epoch in the name is exact, whatever local time is next to it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from callscribe.call_metadata.metadata import CallMetadata, Provenance, merge, recorded_at, with_offset_of_zone
from callscribe.phone_systems import extract_metadata

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
CALL = datetime(2025, 11, 4, 11, 0, tzinfo=UTC)  # 1762254000
BANGKOK, SEVEN_HOURS = ZoneInfo("Asia/Bangkok"), timedelta(hours=7)


def start(name, zone=UTC):
    return recorded_at(extract_metadata(name), zone, WRITTEN)


@pytest.mark.parametrize("hour", range(-12, 15))
@pytest.mark.parametrize("minutes", [0, 2, 5, 7.5, 15, 30, 59])
def test_call_that_was_answered_late_started_at_its_epoch(hour, minutes):
    answered_at = f"{CALL + timedelta(hours=hour, minutes=minutes):%Y%m%d%H%M%S}"
    name = f"{answered_at}-1762254000_106001-+66819970136-104-Inbound.wav"
    assert start(name) == start(name, BANGKOK) == CALL


@pytest.mark.parametrize(
    ("local", "offset", "offset_in_bangkok"),
    [("180000", SEVEN_HOURS, SEVEN_HOURS), ("180159", SEVEN_HOURS, SEVEN_HOURS), ("180500", None, SEVEN_HOURS),
     ("180730", None, SEVEN_HOURS), ("181500", None, SEVEN_HOURS), ("183010", None, SEVEN_HOURS),
     ("190000", timedelta(hours=8), timedelta(hours=8)), ("191000", None, None), ("175000", None, None)],
)  # fmt: skip
def test_time_zone_confirms_the_offset_of_a_call_that_was_answered_within_the_hour(local, offset, offset_in_bangkok):
    metadata = extract_metadata(f"20251104{local}-1762254000_106001-+66819970136-104-Inbound.wav")
    assert metadata.utc_offset == with_offset_of_zone(metadata, UTC).utc_offset == offset
    completed = with_offset_of_zone(metadata, BANGKOK)
    assert completed.utc_offset == offset_in_bangkok
    assert set(completed.provenance) == set(completed.non_empty())


@pytest.mark.parametrize(
    ("name", "started_at"),
    [
        ("in-15551230000-5557654321-20230517-143230-1684333530.44.wav", datetime(2023, 5, 17, 14, 25, 30, tzinfo=UTC)),
        ("20230517-1684333530.12.wav", datetime(2023, 5, 17, 14, 25, 30, tzinfo=UTC)),
        ("1684333530.12.wav", datetime(2023, 5, 17, 14, 25, 30, tzinfo=UTC)),
        # what looks like an epoch contradicts the date next to it
        ("in-15551230000-5557654321-20230519-143230-1684333530.44.wav", datetime(2023, 5, 19, 14, 32, 30, tzinfo=UTC)),
        ("20230521-1684333530.12.wav", datetime(2023, 5, 21, tzinfo=UTC)),
    ],
)
def test_epoch_in_a_name_is_the_start_unless_its_date_contradicts_it(name, started_at):
    assert start(name) == started_at


def test_epoch_in_the_name_does_not_replace_a_start_from_elsewhere():
    name = extract_metadata("20251104180000-1762254000_106001-+66819970136-104-Inbound.wav")
    later = datetime(2025, 11, 4, 18, 30)  # noqa: DTZ001
    sidecar = CallMetadata(started_at=later).with_provenance(Provenance.SIDECAR)
    corrected = name.with_corrections({"started_at": later})
    for metadata in (merge(sidecar, name), corrected):
        assert recorded_at(metadata, UTC, WRITTEN) == CALL + timedelta(minutes=30)  # in the zone of the phone system


def test_call_detail_record_has_its_epoch_in_the_id():
    call = CallMetadata(started_at=datetime(2025, 11, 4, 18, 0, 3), call_id="1762254000.17")  # noqa: DTZ001
    assert recorded_at(call.with_provenance(Provenance.SIDECAR), UTC, WRITTEN) == CALL
    assert recorded_at(call.with_provenance(Provenance.USER), UTC, WRITTEN) == CALL + timedelta(hours=7, seconds=3)
