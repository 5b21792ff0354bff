"""Filters of recordings survive being stored and sent to another function."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Direction
from callscribe.recordings.recording import Status
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.store.recording_queries import filter_expression

timestamps = st.datetimes(timezones=st.just(UTC))
recording_filters = st.builds(
    RecordingFilter,
    status=st.none() | st.sampled_from(Status),
    direction=st.none() | st.sampled_from(Direction),
    since=st.none() | timestamps,
    until=st.none() | timestamps,
    number=st.text("0123456789", max_size=12),
    error_code=st.sampled_from(["", "service_error", "timeout"]),
    text=st.text(max_size=20),
)


@given(recording_filters)
def test_filters_are_unchanged_after_a_round_trip_through_json(filters):
    assert RecordingFilter.from_api(json.loads(json.dumps(filters.to_api()))) == filters
    assert all(filters.to_api().values())  # unset filters are left out


def test_filters_are_written_under_the_names_of_the_api():
    filters = RecordingFilter(
        status=Status.FAILED,
        direction=Direction.INBOUND,
        since=datetime(2026, 11, 22, 12, tzinfo=UTC),
        until=datetime(2026, 11, 23, 12, tzinfo=UTC),
        number="2025550143",
        error_code="timeout",
        text="in-",
    )
    assert filters.to_api() == {
        "transcriptionStatus": "failed",
        "direction": "inbound",
        "from": "2026-11-22T12:00:00.000000Z",
        "to": "2026-11-23T12:00:00.000000Z",
        "phoneNumber": "2025550143",
        "errorCode": "timeout",
        "search": "in-",
    }
    assert RecordingFilter().to_api() == {}


@pytest.mark.parametrize(
    ("filters", "is_filtered"),
    [
        (RecordingFilter(status=Status.FAILED, text="in-"), False),
        (RecordingFilter(direction=Direction.INBOUND), True),
        (RecordingFilter(error_code="timeout", number="0143"), True),
    ],
)
def test_only_filters_without_an_index_become_a_condition(filters, is_filtered):
    assert (filter_expression(filters) is not None) is is_filtered
