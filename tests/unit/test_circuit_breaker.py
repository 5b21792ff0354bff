"""How long nothing is sent, and what a person is told."""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe.errors import ServiceUnavailable
from callscribe.recordings import circuit_breaker
from callscribe.recordings.run import Run, RunStatus, Task

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GONE = ServiceUnavailable("Nobody is there.", code="service_down")


def pauses(number, first=60.0):
    """Seconds from each failure to the next try."""
    outage, now, found = None, NOW, []
    for _ in range(number):
        outage = circuit_breaker.opened_by(GONE, now, first, outage)
        found.append((outage.next_try_at - now).total_seconds())
        now = outage.next_try_at
    return found


def test_the_pause_doubles_from_a_minute_to_a_quarter_of_an_hour_less_what_runs_come_late():
    assert pauses(7) == [50, 110, 230, 470, 890, 890, 890]


def test_a_short_first_pause_stays_short():
    assert pauses(3, first=1.0) == pytest.approx([0.83, 1.67, 3.33], abs=0.01)


def test_an_outage_is_told_from_its_beginning_with_its_last_error():
    first = circuit_breaker.opened_by(GONE, NOW, 60, None)
    later = circuit_breaker.opened_by(ServiceUnavailable("Busy.", code="service_busy"), first.next_try_at, 60, first)
    assert (later.since, later.failures, later.code, later.message) == (NOW, 2, "service_busy", "Busy.")
    assert later.describe() == (
        "The transcription service has been unavailable since 2026-11-22T12:00:00Z, "
        "next try at 2026-11-22T12:02:40Z, last error: Busy."
    )


@pytest.mark.parametrize(("asked", "waits"), [(0, 0), (5, 5), (60, 60), (7200, 7200), (1e9, 86_400)])
def test_the_service_s_own_wish_counts_for_up_to_a_day(asked, waits):
    outage = circuit_breaker.opened_by(ServiceUnavailable("Busy.", retry_after=asked), NOW, 60, None)
    assert outage.next_try_at == NOW + timedelta(seconds=waits)
    assert outage.backoff_seconds == 60


# runs ----------------------------------------------------------------------------------------------------------------


def a_run(**values):
    return Run(task=Task.QUEUE, id="r", trigger="api", started_at=NOW, deadline=NOW + timedelta(minutes=6), **values)


def test_a_run_has_died_when_it_cannot_be_running_any_more():
    assert a_run().with_died_status(NOW + timedelta(minutes=6)).status is RunStatus.RUNNING
    died = a_run().with_died_status(NOW + timedelta(minutes=6, seconds=1))
    assert (died.status, died.error_code, died.duration) == (RunStatus.DIED, "run_died", None)


def test_a_run_that_ended_never_died():
    ended = a_run(status=RunStatus.FAILED, finished_at=NOW + timedelta(seconds=90))
    assert ended.with_died_status(NOW + timedelta(days=9)) is ended
    assert ended.to_api()["duration"] == 90
