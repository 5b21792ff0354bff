"""retry_recordings: failed → queued for all that match what a person asked for, however many runs that takes.

The run is in the table from its beginning, with what is wanted and how far it is. Whoever is at it holds it until the
end of its own time; after that, the next run of queue goes on in its place. What was queued before is not `failed` any
more, and what fails anew does so after the run began, so nothing is queued twice. (What one that was killed had queued
since it last wrote how far it is, is missing in the counts.)
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta

from callscribe.clock import CLOCK_SKEW, Clock
from callscribe.errors import StoreError
from callscribe.observability import add_count, logger
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.run import Run, RunStatus, Task, Trigger
from callscribe.store import recording_search, recordings, runs
from callscribe.store.recording_queries import RecordingFilter

BATCH_SIZE = 250
"""Recordings between two looks at the clock; then it is written how far the run is."""

COUNT_BUDGET = timedelta(seconds=5)
"""How long they are counted beforehand, so that one can judge how far the run is; then there are at least so many."""

SHUTDOWN_MARGIN = timedelta(seconds=20)
"""Kept back from the function's time: so many take a few seconds."""


def start(filters: RecordingFilter, run_id: str | None, clock: Clock, ends_at: datetime) -> Run:
    """Begins a run over what `filters` accept, as far as time allows. It is `failed` where it could not be begun."""
    add_count(
        "RecordingsQueued", 0
    )  # also where it comes to nothing: a handler without any metric is taken for a fault
    now = clock()
    run = Run(
        task=Task.RETRY,
        id=run_id or runs.new_run_id(now),
        trigger=Trigger.API,
        started_at=now,
        deadline=ends_at + CLOCK_SKEW,
        filters=replace(filters, status=Status.FAILED).to_api(),
        counts={"matched": 0, "queued": 0, "conflicts": 0},
    )
    try:
        run.counts["matched"], _ = recording_search.count_recordings(
            RecordingFilter.from_api(run.filters), now + COUNT_BUDGET, clock
        )
        runs.save(run)
    except StoreError as error:
        run.end(RunStatus.FAILED, error.message, error.code)
        return run
    _run(run, clock, ends_at)
    return run


def resume(clock: Clock, ends_at: datetime) -> None:
    """Goes on with the runs that nobody is at any more. What DynamoDB does not take now is left to the next one."""
    try:
        for run in runs.resumable(clock()):
            if _is_time_up(clock, ends_at):
                return
            if runs.extend_lease(run, ends_at + CLOCK_SKEW):
                _run(run, clock, ends_at)
    except StoreError as error:
        logger.warning("retries could not be gone on with; the next run of queue tries again", reason=error.message)


def _run(run: Run, clock: Clock, ends_at: datetime) -> None:
    """Ends the run, or leaves it for the next of queue: when time is up, or DynamoDB takes no more for now."""
    try:
        while _queue_batch(run, clock):
            if _is_time_up(clock, ends_at):
                runs.extend_lease(run, clock())
                return
            if not runs.extend_lease(run, run.deadline):
                return
        _finish(run, clock, RunStatus.SUCCEEDED)
    except StoreError as error:
        run.status, run.finished_at = RunStatus.RUNNING, None  # as it is stored
        logger.warning("a retry broke off; it goes on with a later run of queue", run=run.id, reason=error.message)
    except Exception as error:  # it would stand in the way of all others, with each run of queue
        message = f"A fault in Callscribe ({type(error).__name__}). The log says more."
        _finish(run, clock, RunStatus.FAILED, message, "internal_error")
        raise


def _finish(run: Run, clock: Clock, outcome: RunStatus, error: str | None = None, code: str | None = None) -> None:
    run.end(outcome, error, code)
    run.finished_at = clock()
    runs.extend_lease(run, run.deadline)
    logger.info("run ended", task=run.task, trigger=run.trigger, outcome=run.status, counts=run.counts)


def _queue_batch(run: Run, clock: Clock) -> bool:
    """Queues the next of them, the oldest calls first; whether there may be more."""
    cursor = json.loads(run.resume_cursor) if run.resume_cursor else None
    filters = replace(RecordingFilter.from_api(run.filters), oldest_first=True)
    page = recording_search.page(filters, limit=BATCH_SIZE, cursor=cursor)
    eligible = [recording for recording in page.recordings if recording.status_since <= run.started_at]
    queued = sum(_requeue(recording, clock()) for recording in eligible)
    run.increment("queued", queued)
    run.increment("conflicts", len(eligible) - queued)
    add_count("RecordingsQueued", queued)
    run.resume_cursor = json.dumps(page.next) if page.next else None
    return page.next is not None


def _requeue(recording: Recording, now: datetime) -> bool:
    """False if it is not as it was seen any more: an index may be a moment late."""
    transition = state_machine.user_transition(recording, Status.QUEUED, now)
    return (
        recordings.apply_transition(recording.id, replace(transition, condition={"sort_key": recording.sort_key}))
        is not None
    )


def _is_time_up(clock: Clock, ends_at: datetime) -> bool:
    return ends_at - clock() < SHUTDOWN_MARGIN
