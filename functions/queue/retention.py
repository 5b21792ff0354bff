"""Retention: the records of recordings that were completed, or failed for good, so many days ago are deleted.

Transcripts go by a lifecycle rule of their bucket, runs and calls by DynamoDB's time to live. The audio is left alone,
and sync does not take up again what has been deleted.
"""

from datetime import datetime, timedelta

from callscribe.clock import Clock
from callscribe.recording import Status
from callscribe.run import Run
from callscribe.store import recordings
from callscribe.telemetry import count

PATIENCE = timedelta(minutes=1)
"""So long a run deletes; the next run of queue goes on with it."""


def expire(until: datetime, clock: Clock, run: Run) -> None:
    """Deletes what ended before `until`, the oldest first. Raises StoreError."""
    began = clock()
    run.count("expired", 0)
    for status in (Status.COMPLETED, Status.FAILED):
        for place in recordings.ended_before(until, status):
            if clock() - began > PATIENCE:
                break
            run.count("expired", int(recordings.delete(place)))
    count("RecordingsExpired", run.counts["expired"])
