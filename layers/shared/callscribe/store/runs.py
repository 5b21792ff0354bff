"""Runs in DynamoDB, kept 30 days or less: written when a task starts, as it goes on, and when it has ended."""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from heapq import merge
from operator import itemgetter
from typing import Any

from callscribe.clock import SKEW, Clock, iso
from callscribe.errors import CallscribeError, Skipped, StoreError
from callscribe.run import Outcome, Run, Task, Waiting
from callscribe.store import calls
from callscribe.store.faults import LostRace, translated
from callscribe.store.models import RunModel, WaitingMap
from callscribe.telemetry import count, logger

SCHEDULE = "schedule"
"""What triggers a run whose event says nothing else."""

EARLIEST = datetime.min.replace(tzinfo=UTC)

SEARCHED_AT_ONCE = 1000
"""Runs read in one request by who looks for some of them: some 400 kB."""

SEARCHES = 10
"""Requests of one page and task: API Gateway does not wait for ever."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `next` is what `before` is to be for the next one, None on the last."""

    runs: list[Run]
    next: str | None


def new_id(now: datetime) -> str:
    """Sorts by the time."""
    return f"{iso(now)}-{uuid.uuid4().hex[:8]}"


@contextmanager
def recorded(task: Task, trigger: str, clock: Clock, ends_at: datetime, run_id: str | None = None) -> Iterator[Run]:
    """Records the work done inside as a run; Lambda lets it work until `ends_at`. Who asked for it may give its id.

    A CallscribeError ends the run in order: it is recorded and logged, and the function answers with it; there is
    nothing for Lambda to repeat at once, the next run is soon. Anything else is a fault of ours: recorded, raised on.

    Metrics: `RunsFailed`, of which an outage of the transcription service is none (it has one of its own), and
    `ScheduledRuns`, those by the schedule that did not fail: an alarm waits for them to stop coming.
    """
    now = clock()
    run = Run(task=task, id=run_id or new_id(now), trigger=trigger, started_at=now, ends_by=ends_at + SKEW)
    save(run)
    try:
        yield run
    except Skipped as reason:
        run.end(Outcome.SKIPPED, reason.message, reason.code)
    except CallscribeError as error:
        run.end(Outcome.FAILED, error.message, error.code)
        count("RunsFailed")
        logger.error("run failed", task=task, code=error.code, reason=error.message)
    except BaseException as error:
        run.end(Outcome.FAILED, f"A fault in Callscribe ({type(error).__name__}). The log says more.", "internal_error")
        count("RunsFailed")
        raise
    else:
        if run.outcome is Outcome.RUNNING:
            run.end(Outcome.SUCCEEDED)
    finally:
        run.finished_at = clock()
        count("ScheduledRuns", int(trigger == SCHEDULE and run.outcome is not Outcome.FAILED))
        logger.info("run ended", task=task, trigger=trigger, outcome=run.outcome, counts=run.counts, reason=run.error)
        try:
            save(run)
        except StoreError as error:  # it must not hide how the run itself ended
            logger.error("the end of the run could not be recorded", reason=error.message)


def get(run_id: str, now: datetime) -> Run | None:
    """The run of this id, as it is to be shown at `now`; None if there is none. One request, whatever its task is."""
    with translated():
        found = list(RunModel.batch_get([(task.value, run_id) for task in Task], consistent_read=True))
    return _run(found[0]).as_of(now) if found else None


def page(
    tasks: Iterable[Task],
    *,
    limit: int,
    now: datetime,
    outcome: Outcome | None = None,
    trigger: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: str | None = None,
) -> Page:
    """The newest runs of these tasks, newest first, as they are to be shown at `now`; one request a task.

    `since` and `until` are inclusive. An id tells when a run was asked for: a moment before it started.

    With an `outcome` or a `trigger`, only those that ended or began so: further requests where they are rare, and pages
    that hold fewer than `limit`, or none, before the last. Raises StoreError.
    """
    last = before or (f"{iso(until)}~" if until else "~")
    size = limit + 1 if outcome is None and trigger is None else SEARCHED_AT_ONCE
    found: list[Run] = []
    first = iso(since - min(SKEW, since - EARLIEST)) if since else "0"
    streams = [_stream(task, first, last, size) for task in tasks]
    for name, model in merge(*streams, key=itemgetter(0), reverse=True):
        if model is None:
            return Page(found, name)
        run = _run(model).as_of(now)
        meant = (since is None or run.started_at >= since) and (until is None or run.started_at <= until)
        meant = meant and outcome in (None, run.outcome) and trigger in (None, run.trigger)
        if meant and name != before:
            if len(found) == limit:
                return Page(found, found[-1].id)
            found.append(run)
    return Page(found, None)


def latest(tasks: Iterable[Task], limit: int, now: datetime) -> list[Run]:
    """The first page of all of them."""
    return page(tasks, limit=limit, now=now).runs


def _stream(task: Task, first: str, last: str, size: int) -> Iterator[tuple[str, RunModel | None]]:
    """The ids and runs of a task, newest first; without a run, the id up to which it was read where there is more."""
    between: Any = RunModel.run.between(first, last)
    found = RunModel.query(task.value, between, scan_index_forward=False, page_size=size)
    pages = iter(found.page_iter)
    for _ in range(SEARCHES):
        with translated():
            answer = next(pages, None)
        if answer is None:
            return
        for item in answer["Items"]:
            yield item["run"]["S"], RunModel.from_raw_data(dict(item))
    following = found.page_iter.last_evaluated_key
    if following:
        yield following["run"]["S"], None


def save(run: Run) -> None:
    """Writes the run as it is now, and with it the calls that it has made since. Raises StoreError."""
    model = _model(run)
    made = list(run.calls)  # threads of the run go on adding to it
    with translated():
        if not made:
            model.save()
            return
        # one table, so one request
        with RunModel.batch_write() as batch:
            for each in (model, *map(calls.item, made)):
                batch.save(each)
    del run.calls[: len(made)]


def unfinished(now: datetime) -> list[Run]:
    """The retries that nobody is at any more, the oldest first. Raises StoreError."""
    waits: Any = (RunModel.outcome == Outcome.RUNNING.value) & (RunModel.ends_by < now)
    with translated():
        return [_run(model) for model in RunModel.query(Task.RETRY.value, filter_condition=waits)]


def hold(run: Run, ends_by: datetime) -> bool:
    """Writes the run as it is now, to be at it until then. False, and nothing is written, if somebody else is by now.

    As long as it is running, `ends_by` is whose it is: no two write the same.
    """
    held: Any = RunModel.ends_by == run.ends_by
    run.ends_by = ends_by
    try:
        with translated():
            _model(run).save(condition=held & (RunModel.outcome == Outcome.RUNNING.value))
    except LostRace as lost:
        return lost.repeated and _is_stored(run)
    return True


def _is_stored(run: Run) -> bool:
    with translated():
        return RunModel.get(run.task.value, run.id, consistent_read=True).ends_by == run.ends_by


def _model(run: Run) -> RunModel:
    return RunModel(
        task=run.task.value,
        run=run.id,
        trigger=run.trigger,
        started_at=run.started_at,
        ends_by=run.ends_by,
        outcome=run.outcome.value,
        finished_at=run.finished_at,
        counts=run.counts,
        waiting=[WaitingMap(**asdict(each)) for each in run.waiting] or None,
        error=run.error,
        error_code=run.error_code,
        wish=json.dumps(run.wish) if run.wish else None,
        after=run.after,
        expires_at=run.started_at + RunModel.kept,
    )


def _run(model: RunModel) -> Run:
    values: dict[str, Any] = {each.name: getattr(model, each.name, None) for each in fields(Run)}
    values |= {"id": model.run, "task": Task(model.task), "outcome": Outcome(model.outcome)}
    values["counts"] = {name: int(number) for name, number in model.counts.as_dict().items()}
    values["wish"] = json.loads(model.wish) if model.wish else {}
    values["waiting"] = [
        Waiting(path=each.path, size=int(each.size), since=each.since, why=each.why) for each in model.waiting or ()
    ]
    return Run(**values)
