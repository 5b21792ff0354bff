"""The backoff of the circuit breaker, and the message that describes an outage."""

from datetime import UTC, datetime, timedelta

import pytest

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable
from callscribe.recordings import circuit_breaker
from callscribe.recordings.run import Run, RunStatus, Task, Trigger

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ERROR = ServiceUnavailable("No response.", code="service_down")


def delays(number, initial=60.0):
    """Seconds from each failure to the next try."""
    outage, now, results = None, NOW, []
    for _ in range(number):
        outage = circuit_breaker.opened_by(ERROR, now, initial, outage)
        results.append((outage.next_try_at - now).total_seconds())
        now = outage.next_try_at
    return results


def test_backoff_doubles_from_one_minute_to_a_quarter_of_an_hour_minus_the_schedule_slack():
    assert delays(7) == [50, 110, 230, 470, 890, 890, 890]


def test_short_initial_backoff_stays_short():
    assert delays(3, initial=1.0) == pytest.approx([0.83, 1.67, 3.33], abs=0.01)


def test_message_has_the_start_of_the_outage_and_its_last_error():
    first = circuit_breaker.opened_by(ERROR, NOW, 60, None)
    later = circuit_breaker.opened_by(ServiceUnavailable("Busy.", code="service_busy"), first.next_try_at, 60, first)
    assert (later.since, later.failures, later.code, later.message) == (NOW, 2, "service_busy", "Busy.")
    assert later.describe() == (
        "Transcription has not been possible since 2026-11-22 12:00:00 UTC. "
        "Next try: 2026-11-22 12:02:40 UTC. Last error: Busy."
    )


@pytest.mark.parametrize(("retry_after", "delay"), [(0, 0), (5, 5), (60, 60), (7200, 7200), (1e9, 86_400)])
def test_retry_after_takes_precedence_up_to_one_day(retry_after, delay):
    outage = circuit_breaker.opened_by(ServiceUnavailable("Busy.", retry_after=retry_after), NOW, 60, None)
    assert outage.next_try_at == NOW + timedelta(seconds=delay)
    assert outage.backoff_seconds == 60


def test_refusals_are_identical_by_status_and_code():
    refused = [
        PermanentError("A.", code="request_rejected", status=400),
        RetryableError("B.", code="service_error", status=500),
        RetryableError("C.", code="connection_lost"),
        JobFailed("D."),
    ]
    keys = [circuit_breaker.refusal_key(error) for error in refused]
    assert keys == ["400 request_rejected", "500 service_error", "None connection_lost", "None job_failed"]


@pytest.mark.parametrize(
    "error",
    [
        ERROR,
        RetryableError("Too slow.", code="timeout"),
        RetryableError("Bug.", code="internal_error"),
        PermanentError("Gone.", code="audio_missing"),
        JobFailed("Lost.", code="job_lost", status=404),
    ],
)
def test_error_that_settings_cannot_cause_is_no_refusal(error):
    assert circuit_breaker.refusal_key(error) is None


def test_pause_after_refusals_doubles_up_to_two_minutes():
    error, now = PermanentError("No.", code="not_audio", status=415), NOW
    outage = circuit_breaker.paused_by(error, now, 60)
    assert (outage.code, outage.by_refusals, outage.failures) == ("wrong_settings", True, 5)
    results = []
    for _ in range(3):
        results.append((outage.next_try_at - now).total_seconds())
        now = outage.next_try_at
        outage = circuit_breaker.opened_by(circuit_breaker.same_refusals(error), now, 60, outage)
    assert results == [50, 110, 110]
    assert outage.by_refusals


# runs ----------------------------------------------------------------------------------------------------------------


def make_run(**values):
    return Run(
        task=Task.QUEUE, id="r", trigger=Trigger.API, started_at=NOW, deadline=NOW + timedelta(minutes=6), **values
    )


def test_running_run_is_shown_as_died_after_its_deadline():
    assert make_run().with_died_status(NOW + timedelta(minutes=6)).status is RunStatus.RUNNING
    died = make_run().with_died_status(NOW + timedelta(minutes=6, seconds=1))
    assert (died.status, died.error_code, died.duration) == (RunStatus.DIED, "run_died", None)


def test_run_with_a_result_is_never_shown_as_died():
    ended = make_run(status=RunStatus.FAILED, finished_at=NOW + timedelta(seconds=90))
    assert ended.with_died_status(NOW + timedelta(days=9)) is ended
    assert ended.to_api()["duration"] == 90
