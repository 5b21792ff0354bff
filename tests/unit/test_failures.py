"""Failed recordings by their error."""

from datetime import UTC, datetime, timedelta

from callscribe.recordings.recording import Failure
from callscribe.store.failure_groups import FailureGroups

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def failure(code="service_error", minutes=0, **values):
    return Failure(code=code, at=NOW + timedelta(minutes=minutes), **{"message": code, "retryable": True} | values)


def grouped(*failures):
    groups = FailureGroups()
    for each in failures:
        groups.add(each, is_terminal=not each.retryable)
    return groups.ranked


def test_where_nothing_failed_there_is_no_group():
    assert grouped() == []


def test_the_most_frequent_come_first_and_of_those_alike_the_first_by_name():
    codes = ["timeout", "request_rejected", "timeout", "no_audio", "request_rejected", "job_lost"]
    found = [(group.latest.code, group.count) for group in grouped(*map(failure, codes))]
    assert found == [("request_rejected", 2), ("timeout", 2), ("job_lost", 1), ("no_audio", 1)]


def test_a_group_tells_of_its_latest_error_and_since_when_in_whichever_order_they_are_read():
    first, latest = failure(minutes=1, status=500), failure(minutes=9, status=504, message="The service failed (504).")
    between = failure(minutes=4)
    for read in ([first, between, latest], [latest, first, between], [between, latest, first]):
        (group,) = grouped(*read)
        assert (group.latest, group.first_at, group.count) == (latest, first.at, 3)


def test_those_that_nobody_retries_are_counted_among_them():
    (group,) = grouped(failure(retryable=False), failure(), failure(retryable=False))
    assert (group.count, group.terminal_count) == (3, 2)
