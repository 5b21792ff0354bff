"""Lambda handler of queue_transcriptions: queues pending recordings, oldest first, and runs the retries of users."""

from callscribe import cold_start  # first, and finish_imports() last: the garbage collector is off in between

# isort: split
import os
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.observability import add_count, add_duration, logger, metrics
from callscribe.recordings import transitions
from callscribe.recordings.recording import QueueEntry, Status, queued_at
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.recordings.run import Run, Task, Trigger
from callscribe.settings.environment import StoreSettings
from callscribe.store import recordings, runs, settings_overrides, status_counts, tables
from functions.queue import retention, retry

MAX_PER_RUN = 1000
"""Recordings that one run queues. 1,000 updates take much less than the function's five minutes."""

SHUTDOWN_MARGIN = timedelta(seconds=20)
"""A run stops this long before Lambda would stop it, to save how it ended."""


@cache
def configure_tables() -> StoreSettings:
    """Configure the tables from the environment, once per OS process, and return their settings."""
    return tables.configure(os.environ)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a scheduled event, or a request of the API, and return the run.

    The API sends `{"trigger": "api", "run": ID}`, or `{"retry": FILTERS, "run": ID}` for a retry. It chose the id.
    """
    store = configure_tables()
    lambda_deadline = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if "retry" in event:
        filters = RecordingFilter.from_api(event["retry"])
        return retry.start(filters, event.get("run"), utc_now, lambda_deadline).to_api()
    trigger = Trigger.from_event(event)
    with runs.record_run(Task.QUEUE, trigger, utc_now, lambda_deadline, event.get("run")) as run:
        retention_cutoff = utc_now() - timedelta(days=store.retention_days) if store.retention_days else None
        expire_before = status_counts.advance_checkpoint(utc_now(), retention_cutoff)
        add_duration("OldestQueuedAgeSeconds", seconds=_oldest_age_seconds(recordings.oldest_queued()))
        try:
            settings_overrides.load_if_enabled(Task.QUEUE)
            _enqueue_pending(run, lambda_deadline)
        finally:  # last, and also when the task is paused
            if expire_before:
                retention.delete_expired(expire_before, lambda_deadline - SHUTDOWN_MARGIN, utc_now, run)
    retry.resume(utc_now, lambda_deadline)
    return run.to_api()


def _enqueue_pending(run: Run, lambda_deadline: datetime) -> None:
    """Queue pending recordings, up to the limit of one run. Raises: StoreError."""
    run.counts.update(queued=0, conflicts=0)
    for entry in recordings.next_entries(Status.PENDING, MAX_PER_RUN):
        if lambda_deadline - utc_now() < SHUTDOWN_MARGIN:
            break  # the next run continues
        recording = recordings.apply_transition(entry.id, transitions.enqueue(entry, utc_now()))
        run.increment("queued" if recording else "conflicts")
    add_count("RecordingsQueued", run.counts["queued"])


def _oldest_age_seconds(oldest: QueueEntry | None) -> float:
    """Return how long the oldest queued recording has been queued, 0 if there is none."""
    return (utc_now() - queued_at(oldest.sort_key)).total_seconds() if oldest else 0.0


cold_start.finish_imports()
