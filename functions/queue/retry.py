"""retry_recordings: queues all failed recordings that match a filter, in as many runs of the queue task as that takes.

The retry is stored as a run from its start, with its filters and a cursor. The invocation that works on it holds a
lease until Lambda would stop it; after that, the next run of the queue task resumes the retry. No recording is queued
twice: a queued one is no longer `failed`, and one that fails again does so after the run started. The counts of a run
that was killed lack what it had queued since it last saved its cursor.
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta

from callscribe.clock import CLOCK_SKEW, Clock
from callscribe.errors import StoreError
from callscribe.observability import add_count, logger
from callscribe.recordings import transitions
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.recordings.run import Run, RunStatus, Task, Trigger
from callscribe.store import recording_search, recordings, runs

BATCH_SIZE = 250
"""Recordings between two checks of the clock, each of which saves the cursor."""

COUNT_BUDGET = timedelta(seconds=5)
"""How long the matching recordings are counted first, to show progress. If it is too short, `matched` is a minimum."""

SHUTDOWN_MARGIN = timedelta(seconds=20)
"""A retry stops this long before Lambda would stop it: a batch takes a few seconds."""


def start(filters: RecordingFilter, run_id: str | None, clock: Clock, lambda_deadline: datetime) -> Run:
    """Start a run that queues the failed recordings matching `filters`, and continue it as long as time allows.

    The status is `failed` if the run could not be started.
    """
    now = clock()
    run = Run(
        task=Task.RETRY,
        id=run_id or runs.new_run_id(now),
        trigger=Trigger.API,
        started_at=now,
        deadline=lambda_deadline + CLOCK_SKEW,
        filters=replace(filters, status=Status.FAILED).to_api(),
        counts={"matched": 0, "queued": 0, "conflicts": 0},
    )
    try:
        run.counts["matched"], _ = recording_search.count_recordings(
            RecordingFilter.from_api(run.filters), now + COUNT_BUDGET, clock
        )
        runs.save(run)
    except StoreError as error:
        runs.end(run, clock(), error)
        return run
    _run(run, clock, lambda_deadline)
    return run


def resume(clock: Clock, lambda_deadline: datetime) -> None:
    """Continue the retries whose lease has expired. If DynamoDB fails, the next run of the queue task tries again."""
    try:
        for run in runs.resumable(clock()):
            if _is_time_up(clock, lambda_deadline):
                return
            if runs.extend_lease(run, lambda_deadline + CLOCK_SKEW):
                _run(run, clock, lambda_deadline)
    except StoreError as error:
        logger.warning("could not resume retry", reason=error.message)


def _run(run: Run, clock: Clock, lambda_deadline: datetime) -> None:
    """Finish the run, or leave it to the next run of the queue task when time is up or DynamoDB fails."""
    try:
        while _queue_batch(run, clock):
            if _is_time_up(clock, lambda_deadline):
                runs.extend_lease(run, clock())
                return
            if not runs.extend_lease(run, run.deadline):
                return
        _finish(run, clock)
    except StoreError as error:
        run.status, run.finished_at = RunStatus.RUNNING, None  # as it is stored
        logger.warning("retry interrupted, will resume", run=run.id, reason=error.message)
    except Exception as error:  # left as it is, the run would fail every run of the queue task from now on
        _finish(run, clock, error)
        raise


def _finish(run: Run, clock: Clock, error: Exception | None = None) -> None:
    runs.end(run, clock(), error)
    runs.extend_lease(run, run.deadline)


def _queue_batch(run: Run, clock: Clock) -> bool:
    """Queue the next matching recordings, oldest calls first. Return whether there may be more."""
    cursor = json.loads(run.resume_cursor) if run.resume_cursor else None
    filters = replace(RecordingFilter.from_api(run.filters), oldest_first=True)
    page = recording_search.page(filters, limit=BATCH_SIZE, cursor=cursor)
    eligible = [recording for recording in page.items if recording.status_since <= run.started_at]
    queued = sum(_requeue(recording, clock()) for recording in eligible)
    run.increment("queued", queued)
    run.increment("conflicts", len(eligible) - queued)
    add_count("RecordingsQueued", queued)
    run.resume_cursor = json.dumps(page.next_cursor) if page.next_cursor else None
    return page.next_cursor is not None


def _requeue(recording: Recording, now: datetime) -> bool:
    """Return False if the recording has changed since it was read: an index may lag behind."""
    transition = transitions.user_transition(recording, Status.QUEUED, now)
    transition = replace(transition, condition={"sort_key": recording.sort_key})
    return recordings.apply_transition(recording.id, transition) is not None


def _is_time_up(clock: Clock, lambda_deadline: datetime) -> bool:
    return lambda_deadline - clock() < SHUTDOWN_MARGIN
