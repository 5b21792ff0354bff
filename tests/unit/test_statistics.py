"""The work of the last 24 hours by hour, and failed recordings by error code."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from callscribe.recordings.recording import Failure
from callscribe.store import statistics
from callscribe.store.statistics import FailureGroups, HourlyActivity

NOW = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)
TWELVE = datetime(2026, 11, 22, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
COUNTS = {"completed": 3, "failed": 2, "requeued": 1, "recovered": 5, "conflicts": 7, "audio_seconds": 200}


def active_hours(*runs):
    """The hours with transcribed recordings, by how many hours before the current one they began."""
    hours = statistics.build_hours(NOW)
    statistics.add_run_counts(runs, hours)
    assert len(hours) == 24
    return {(TWELVE - hour.starts_at) // timedelta(hours=1): hour for hour in hours if hour.transcribed}


@pytest.mark.parametrize(
    "now",
    [NOW, TWELVE, TWELVE - TICK, TWELVE + timedelta(minutes=59), datetime(2027, 1, 1, tzinfo=UTC)],
    ids=str,
)
def test_there_are_24_hours_and_the_last_is_the_current_one(now):
    starts = [hour.starts_at for hour in statistics.build_hours(now)]
    assert len(starts) == 24
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(hours=1)}
    assert starts[-1] <= now < starts[-1] + timedelta(hours=1)
    assert all((start.minute, start.second, start.microsecond) == (0, 0, 0) for start in starts)


def test_hours_without_work_are_included():
    assert statistics.build_hours(NOW)[-1] == HourlyActivity(starts_at=TWELVE)
    assert active_hours() == {}
    assert active_hours((NOW, {}), (NOW, dict.fromkeys(COUNTS, 0))) == {}


def test_run_counts_in_the_hour_in_which_it_started():
    runs = [(TWELVE, COUNTS), (TWELVE - TICK, COUNTS), (NOW, COUNTS), (TWELVE - timedelta(hours=23), COUNTS)]
    hours = active_hours(*runs)
    assert {hours_ago: hour.transcribed for hours_ago, hour in hours.items()} == {0: 6, 1: 3, 23: 3}
    assert hours[0] == HourlyActivity(starts_at=TWELVE, transcribed=6, failed_attempts=4, audio_seconds=400)


def test_run_outside_the_24_hours_is_ignored():
    assert active_hours((TWELVE - timedelta(hours=23) - TICK, COUNTS), (TWELVE + timedelta(hours=1), COUNTS)) == {}


def test_run_without_audio_seconds_counts_its_recordings():
    assert active_hours((NOW, {"completed": 1, "failed": 1}))[0] == HourlyActivity(
        starts_at=TWELVE, transcribed=1, failed_attempts=1
    )


# failures ------------------------------------------------------------------------------------------------------------


def failure(code="service_error", minutes=0, **values):
    return Failure(code=code, at=NOW + timedelta(minutes=minutes), **{"message": code, "retryable": True} | values)


def ranked_groups(*failures):
    groups = FailureGroups()
    for error in failures:
        groups.add(error, is_terminal=not error.retryable)
    return groups.ranked


def test_no_failures_make_no_group():
    assert ranked_groups() == []


def test_groups_are_sorted_by_count_then_by_code():
    codes = ["timeout", "request_rejected", "timeout", "no_audio", "request_rejected", "job_lost"]
    counts = [(group.latest.code, group.count) for group in ranked_groups(*map(failure, codes))]
    assert counts == [("request_rejected", 2), ("timeout", 2), ("job_lost", 1), ("no_audio", 1)]


def test_group_has_its_latest_error_and_earliest_time_in_any_reading_order():
    first, latest = (
        failure(minutes=1, status=500),
        failure(minutes=9, status=504, message="The WhisperX server failed (504)."),
    )
    between = failure(minutes=4)
    for failures in ([first, between, latest], [latest, first, between], [between, latest, first]):
        (group,) = ranked_groups(*failures)
        assert (group.latest, group.first_at, group.count) == (latest, first.at, 3)


def test_group_counts_terminal_failures_separately():
    (group,) = ranked_groups(failure(retryable=False), failure(), failure(retryable=False))
    assert (group.count, group.terminal_count) == (3, 2)
