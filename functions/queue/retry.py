"""retry_recordings: failed → queued for all that match what a person asked for, however many runs that takes.

The run is in the table from its beginning, with what is wanted and how far it is. Whoever is at it holds it until the
end of its own time; after that, the next run of queue goes on in its place. What was queued before is not `failed` any
more, and what fails anew does so after the run began, so nothing is queued twice. (What one that was killed had queued
since it last wrote how far it is, is missing in the counts.)
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta

from callscribe import transitions
from callscribe.clock import SKEW, Clock
from callscribe.errors import StoreError
from callscribe.recording import Recording, Status
from callscribe.run import Outcome, Run, Task
from callscribe.store import recordings, runs, search
from callscribe.store.lists import Filters
from callscribe.telemetry import count, logger

AT_ONCE = 250
"""Recordings between two looks at the clock; then it is written how far the run is."""

COUNTING = timedelta(seconds=5)
"""How long they are counted beforehand, so that one can judge how far the run is; then there are at least so many."""

RESERVE = timedelta(seconds=20)
"""Kept back from the function's time: so many take a few seconds."""


def begin(filters: Filters, run_id: str | None, clock: Clock, ends_at: datetime) -> Run:
    """Begins a run over what `filters` accept, as far as time allows. It is `failed` where it could not be begun."""
    count("RecordingsQueued", 0)  # also where it comes to nothing: a handler without any metric is taken for a fault
    now = clock()
    run = Run(
        task=Task.RETRY,
        id=run_id or runs.new_id(now),
        trigger="api",
        started_at=now,
        ends_by=ends_at + SKEW,
        wish=replace(filters, status=Status.FAILED).document(),
        counts={"matched": 0, "queued": 0, "lost_races": 0},
    )
    try:
        run.counts["matched"], _ = search.count(Filters.parse(run.wish), now + COUNTING, clock)
        runs.save(run)
    except StoreError as error:
        run.end(Outcome.FAILED, error.message, error.code)
        return run
    _work(run, clock, ends_at)
    return run


def go_on(clock: Clock, ends_at: datetime) -> None:
    """Goes on with the runs that nobody is at any more. What DynamoDB does not take now is left to the next one."""
    try:
        for run in runs.unfinished(clock()):
            if _time_is_up(clock, ends_at):
                return
            if runs.hold(run, ends_at + SKEW):
                _work(run, clock, ends_at)
    except StoreError as error:
        logger.warning("retries could not be gone on with; the next run of queue tries again", reason=error.message)


def _work(run: Run, clock: Clock, ends_at: datetime) -> None:
    """Ends the run, or leaves it for the next of queue: when time is up, or DynamoDB takes no more for now."""
    try:
        while _queue_some(run, clock):
            if _time_is_up(clock, ends_at):
                runs.hold(run, clock())
                return
            if not runs.hold(run, run.ends_by):
                return
        _end(run, clock, Outcome.SUCCEEDED)
    except StoreError as error:
        run.outcome, run.finished_at = Outcome.RUNNING, None  # as it is stored
        logger.warning("a retry broke off; it goes on with a later run of queue", run=run.id, reason=error.message)
    except Exception as error:  # it would stand in the way of all others, with each run of queue
        fault = f"A fault in Callscribe ({type(error).__name__}). The log says more."
        _end(run, clock, Outcome.FAILED, fault, "internal_error")
        raise


def _end(run: Run, clock: Clock, outcome: Outcome, error: str | None = None, code: str | None = None) -> None:
    run.end(outcome, error, code)
    run.finished_at = clock()
    runs.hold(run, run.ends_by)
    logger.info("run ended", task=run.task, trigger=run.trigger, outcome=run.outcome, counts=run.counts)


def _queue_some(run: Run, clock: Clock) -> bool:
    """Queues the next of them, the oldest calls first; whether there may be more."""
    place = json.loads(run.after) if run.after else None
    filters = replace(Filters.parse(run.wish), oldest_first=True)
    page = search.page(filters, limit=AT_ONCE, cursor=place)
    meant = [seen for seen in page.recordings if seen.status_since <= run.started_at]
    queued = sum(_retry(seen, clock()) for seen in meant)
    run.count("queued", queued)
    run.count("lost_races", len(meant) - queued)
    count("RecordingsQueued", queued)
    run.after = json.dumps(page.next) if page.next else None
    return page.next is not None


def _retry(seen: Recording, now: datetime) -> bool:
    """False if it is not as it was seen any more: an index may be a moment late."""
    change = transitions.request(seen, Status.QUEUED, now)
    return recordings.apply(seen.id, replace(change, expected={"position": seen.position})) is not None


def _time_is_up(clock: Clock, ends_at: datetime) -> bool:
    return ends_at - clock() < RESERVE
