"""queue_transcriptions: pending → queued, the oldest first; and the retries that a person asked for."""

from callscribe import start

# isort: split
import os
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe import transitions
from callscribe.clock import utc_now
from callscribe.recording import Status
from callscribe.run import Run, Task
from callscribe.store import counts, models, recordings, runs, switches
from callscribe.store.lists import Filters
from callscribe.telemetry import count, logger, measure, metrics
from callscribe.transitions import Place, queued_since
from functions.queue import retention, retry

BATCH = 1000
"""Recordings that one run puts in line: what 1,000 updates take stays well within the function's five minutes."""

RESERVE = timedelta(seconds=20)
"""Kept back from the function's time to end in order."""


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event, or `{"retry": FILTERS, "run": ID}`; answers with the run."""
    store = models.bind(os.environ)
    ends_at = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if "retry" in event:
        return retry.begin(Filters.parse(event["retry"]), event.get("run"), utc_now, ends_at).document()
    with runs.recorded(Task.QUEUE, event.get("trigger", runs.SCHEDULE), utc_now, ends_at, event.get("run")) as run:
        kept_since = utc_now() - timedelta(days=store.retention_days) if store.retention_days else None
        expired = counts.advance_checkpoint(utc_now(), kept_since)
        measure("OldestQueuedAge", seconds=_age(recordings.longest_in_line()))
        try:
            switches.require(Task.QUEUE)
            _queue(run, ends_at)
        finally:  # also where the task is paused; and behind what waits, which is not to wait for it
            if expired:
                retention.expire(expired, utc_now, run)
    retry.go_on(utc_now, ends_at)
    return run.document()


def _queue(run: Run, ends_at: datetime) -> None:
    """Puts what is pending in line, as far as a run does. Raises StoreError."""
    run.counts.update(queued=0, lost_races=0)
    for place in recordings.first(Status.PENDING, BATCH):
        if ends_at - utc_now() < RESERVE:
            break  # the next run goes on
        queued = recordings.apply(place.id, transitions.queue(place, utc_now()))
        run.count("queued" if queued else "lost_races")
    count("RecordingsQueued", run.counts["queued"])


def _age(oldest: Place | None) -> float:
    """Seconds that the recording in line has waited; none where none is in line."""
    return (utc_now() - queued_since(oldest.position)).total_seconds() if oldest else 0.0


start.ended()
