"""The last 24 hours of UTC, and which run counts in which of them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from callscribe.store import statistics
from callscribe.store.statistics import Hour

NOW = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)
TWELVE = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
DONE = {"completed": 3, "failed": 2, "requeued": 1, "recovered": 5, "conflicts": 7, "audio_seconds": 200}


def added(*runs):
    """The hours in which something was done, by how many hours before the present one they began."""
    hours = statistics.build_hours(NOW)
    statistics.add_run_counts(runs, hours)
    assert len(hours) == 24
    return {(TWELVE - hour.starts_at) // timedelta(hours=1): hour for hour in hours if hour.transcribed}


@pytest.mark.parametrize(
    "now",
    [NOW, TWELVE, TWELVE - MOMENT, TWELVE + timedelta(minutes=59), datetime(2027, 1, 1, tzinfo=UTC)],
    ids=str,
)
def test_there_are_24_hours_and_the_last_one_is_the_present_one(now):
    starts = [hour.starts_at for hour in statistics.build_hours(now)]
    assert len(starts) == 24
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(hours=1)}
    assert starts[-1] <= now < starts[-1] + timedelta(hours=1)
    assert all((each.minute, each.second, each.microsecond) == (0, 0, 0) for each in starts)


def test_where_nothing_was_done_the_hours_are_there_all_the_same():
    assert statistics.build_hours(NOW)[-1] == Hour(starts_at=TWELVE, transcribed=0, failed_attempts=0, audio_seconds=0)
    assert added() == {}
    assert added((NOW, {}), (NOW, dict.fromkeys(DONE, 0))) == {}


def test_a_run_counts_in_the_hour_in_which_it_started():
    runs = [(TWELVE, DONE), (TWELVE - MOMENT, DONE), (NOW, DONE), (TWELVE - timedelta(hours=23), DONE)]
    found = added(*runs)
    assert {ago: hour.transcribed for ago, hour in found.items()} == {0: 6, 1: 3, 23: 3}
    assert found[0] == Hour(starts_at=TWELVE, transcribed=6, failed_attempts=4, audio_seconds=400)


def test_what_lies_before_the_first_hour_or_is_still_to_come_counts_in_none():
    assert added((TWELVE - timedelta(hours=23) - MOMENT, DONE), (TWELVE + timedelta(hours=1), DONE)) == {}


def test_runs_of_before_seconds_were_counted_count_with_what_they_have():
    assert added((NOW, {"completed": 1, "failed": 1}))[0] == Hour(starts_at=TWELVE, transcribed=1, failed_attempts=1)
