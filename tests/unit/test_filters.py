"""Filters of recordings: stored or sent to another function, they are the same filters when they are read."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Direction
from callscribe.recordings.recording import Status
from callscribe.store.recording_queries import RecordingFilter

moments = st.datetimes(timezones=st.just(UTC))
filters = st.builds(
    RecordingFilter,
    status=st.none() | st.sampled_from(Status),
    direction=st.none() | st.sampled_from(Direction),
    since=st.none() | moments,
    until=st.none() | moments,
    number=st.text("0123456789", max_size=12),
    error_code=st.sampled_from(["", "service_error", "timeout"]),
    text=st.text(max_size=20),
)


@given(filters)
def test_filters_are_the_same_when_they_are_read_again(filters):
    assert RecordingFilter.from_api(json.loads(json.dumps(filters.to_api()))) == filters
    assert all(filters.to_api().values())  # what does not matter is not written


def test_they_are_written_under_the_names_that_the_api_has():
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
    ("filters", "left_out"),
    [
        (RecordingFilter(status=Status.FAILED, text="in-"), False),
        (RecordingFilter(direction=Direction.INBOUND), True),
        (RecordingFilter(error_code="timeout", number="0143"), True),
    ],
)
def test_only_what_no_index_is_sorted_by_is_a_condition(filters, left_out):
    assert (filters.filter_expression is not None) is left_out
