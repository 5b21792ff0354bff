"""Retention: the records of recordings that were completed, or failed for good, so many days ago are deleted.

Transcripts go by a lifecycle rule of their bucket, runs and calls by DynamoDB's time to live. The audio is left alone,
and sync does not take up again what has been deleted.
"""

from datetime import datetime, timedelta

from callscribe.clock import Clock
from callscribe.observability import add_count
from callscribe.recordings.recording import Status
from callscribe.recordings.run import Run
from callscribe.store import recordings

TIME_BUDGET = timedelta(minutes=1)
"""So long a run deletes; the next run of queue goes on with it."""


def delete_expired(cutoff: datetime, clock: Clock, run: Run) -> None:
    """Deletes what ended before `until`, the oldest first. Raises StoreError."""
    started_at = clock()
    run.increment("expired", 0)
    for status in (Status.COMPLETED, Status.FAILED):
        for entry in recordings.finished_before(cutoff, status):
            if clock() - started_at > TIME_BUDGET:
                break
            run.increment("expired", int(recordings.delete_entry(entry)))
    add_count("RecordingsExpired", run.counts["expired"])
