"""Retention: deletes the records of recordings that were completed or failed for good more than `RetentionDays` ago.

A lifecycle rule of the bucket deletes transcripts, and DynamoDB's time to live deletes runs and server requests. The
audio is never deleted, and sync does not ingest a file again after its record was deleted.
"""

from datetime import datetime, timedelta

from callscribe.clock import Clock
from callscribe.observability import add_count
from callscribe.recordings.recording import Status
from callscribe.recordings.run import Run
from callscribe.store import recordings

TIME_BUDGET = timedelta(minutes=1)
"""How long one run deletes records. The next run of the queue task continues."""


def delete_expired(cutoff: datetime, stop_at: datetime, clock: Clock, run: Run) -> None:
    """Delete the records that were completed or failed for good before `cutoff`, oldest first.

    Stops at `stop_at` or after TIME_BUDGET, whichever is earlier. Raises: StoreError.
    """
    stop_at = min(stop_at, clock() + TIME_BUDGET)
    run.increment("expired", 0)
    for status in (Status.COMPLETED, Status.FAILED):
        for entry in recordings.finished_before(cutoff, status):
            if clock() > stop_at:
                break
            run.increment("expired", int(recordings.delete_entry(entry)))
    add_count("RecordingsExpired", run.counts["expired"])
