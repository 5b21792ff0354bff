"""Retention: deletes the records of recordings that reached a terminal status more than `RetentionDays` ago.

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
"""How long one run deletes records. The next run of queue continues."""


def delete_expired(cutoff: datetime, clock: Clock, run: Run) -> None:
    """Delete the records that reached a terminal status before `cutoff`, oldest first. Raises StoreError."""
    started_at = clock()
    run.increment("expired", 0)
    for status in (Status.COMPLETED, Status.FAILED):
        for entry in recordings.finished_before(cutoff, status):
            if clock() - started_at > TIME_BUDGET:
                break
            run.increment("expired", int(recordings.delete_entry(entry)))
    add_count("RecordingsExpired", run.counts["expired"])
