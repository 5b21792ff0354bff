"""queue_transcriptions: pending → queued, the oldest first; and the retries that a person asked for."""

from callscribe import cold_start

# isort: split
import os
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.observability import add_count, add_duration, logger, metrics
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status
from callscribe.recordings.run import Run, Task, Trigger
from callscribe.recordings.state_machine import QueueEntry, queued_at
from callscribe.store import disabled_state, recordings, runs, status_counts, tables
from callscribe.store.recording_queries import RecordingFilter
from functions.queue import retention, retry

MAX_PER_RUN = 1000
"""Recordings that one run puts in line: what 1,000 updates take stays well within the function's five minutes."""

SHUTDOWN_MARGIN = timedelta(seconds=20)
"""Kept back from the function's time to end in order."""


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event, or `{"retry": FILTERS, "run": ID}`; answers with the run."""
    store = tables.configure(os.environ)
    ends_at = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if "retry" in event:
        return retry.start(RecordingFilter.from_api(event["retry"]), event.get("run"), utc_now, ends_at).to_api()
    with runs.record_run(Task.QUEUE, event.get("trigger", Trigger.SCHEDULE), utc_now, ends_at, event.get("run")) as run:
        retention_cutoff = utc_now() - timedelta(days=store.retention_days) if store.retention_days else None
        expire_before = status_counts.advance_checkpoint(utc_now(), retention_cutoff)
        add_duration("OldestQueuedAgeSeconds", seconds=_oldest_age_seconds(recordings.oldest_queued()))
        try:
            disabled_state.require_task_enabled(Task.QUEUE)
            _enqueue_pending(run, ends_at)
        finally:  # also where the task is paused; and behind what waits, which is not to wait for it
            if expire_before:
                retention.delete_expired(expire_before, utc_now, run)
    retry.resume(utc_now, ends_at)
    return run.to_api()


def _enqueue_pending(run: Run, ends_at: datetime) -> None:
    """Puts what is pending in line, as far as a run does. Raises StoreError."""
    run.counts.update(queued=0, conflicts=0)
    for entry in recordings.next_entries(Status.PENDING, MAX_PER_RUN):
        if ends_at - utc_now() < SHUTDOWN_MARGIN:
            break  # the next run goes on
        recording = recordings.apply_transition(entry.id, state_machine.enqueue(entry, utc_now()))
        run.increment("queued" if recording else "conflicts")
    add_count("RecordingsQueued", run.counts["queued"])


def _oldest_age_seconds(oldest: QueueEntry | None) -> float:
    """Seconds that the recording in line has waited; none where none is in line."""
    return (utc_now() - queued_at(oldest.sort_key)).total_seconds() if oldest else 0.0


cold_start.finish_imports()
