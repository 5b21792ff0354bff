"""Retention: the records of recordings that were completed, or failed for good, so many days ago are deleted.

Transcripts go by a lifecycle rule of their bucket, runs and calls by DynamoDB's time to live. The audio is left alone,
and sync does not take up what is older than the retention: else it would be transcribed once more.
"""

from datetime import timedelta

from callscribe.clock import Clock
from callscribe.recording import Status
from callscribe.run import Run
from callscribe.store import counts, recordings
from callscribe.telemetry import count

PATIENCE = timedelta(minutes=1)
"""So long a run deletes before it goes on to what waits to be queued; the next run of queue goes on with it."""


def expire(days: int, clock: Clock, run: Run) -> None:
    """Deletes what ended more than `days` ago; 0 keeps all for ever. Raises StoreError."""
    if not days:
        return
    now = clock()
    until = now - timedelta(days=days)
    run.count("expired", 0)
    for status in (Status.COMPLETED, Status.FAILED):
        if status is Status.COMPLETED and not counts.raise_floor(until):
            continue  # their checkpoint was moved at this moment: the next run
        for place in recordings.ended_before(until, status):
            if clock() - now > PATIENCE:
                break
            run.count("expired", int(recordings.expire(place)))
    count("RecordingsExpired", run.counts["expired"])
