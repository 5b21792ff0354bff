"""Runs in DynamoDB, kept 30 days: written when a task starts, as it goes on, and when it has ended."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from callscribe.clock import SKEW, Clock, iso
from callscribe.errors import CallscribeError, Skipped, StoreError
from callscribe.run import Outcome, Run, Task, Waiting
from callscribe.store import calls
from callscribe.store.faults import translated
from callscribe.store.models import RunModel, WaitingMap
from callscribe.telemetry import count, logger

KEPT = timedelta(days=30)

SEARCHED_AT_ONCE = 1000
"""Runs read in one request by who looks for an outcome: some 400 kB."""


@contextmanager
def recorded(task: Task, trigger: str, clock: Clock, ends_at: datetime) -> Iterator[Run]:
    """Records the work done inside as a run; Lambda lets it work until `ends_at`.

    A CallscribeError ends the run in order: it is recorded and logged, and the function answers with it; there is
    nothing for Lambda to repeat at once, the next run is soon. Anything else is a fault of ours: recorded, raised on.
    """
    now = clock()
    name = f"{iso(now)}-{uuid.uuid4().hex[:8]}"
    run = Run(task=task, id=name, trigger=trigger, started_at=now, ends_by=ends_at + SKEW)
    save(run)
    try:
        yield run
    except Skipped as reason:
        run.end(Outcome.SKIPPED, reason.message, reason.code)
    except CallscribeError as error:
        run.end(Outcome.FAILED, error.message, error.code)
        logger.error("run failed", task=task, code=error.code, reason=error.message)
    except BaseException as error:
        run.end(Outcome.FAILED, f"A fault in Callscribe ({type(error).__name__}). The log says more.", "internal_error")
        raise
    else:
        if run.outcome is Outcome.RUNNING:
            run.end(Outcome.SUCCEEDED)
    finally:
        run.finished_at = clock()
        count("RunsFailed", int(run.outcome is Outcome.FAILED))
        logger.info("run ended", task=task, trigger=trigger, outcome=run.outcome, counts=run.counts, reason=run.error)
        try:
            save(run)
        except StoreError as error:  # it must not hide how the run itself ended
            logger.error("the end of the run could not be recorded", reason=error.message)


def latest(
    tasks: Iterable[Task], limit: int, now: datetime, outcome: Outcome | None = None, trigger: str | None = None
) -> list[Run]:
    """The newest runs of these tasks, newest first, as they are to be shown at `now`; one request a task.

    With an `outcome` or a `trigger`, only those that ended or began so: further requests where they are rare.
    """
    page = limit if outcome is None and trigger is None else SEARCHED_AT_ONCE
    found: list[Run] = []
    with translated():
        for task in tasks:
            newest = RunModel.query(task.value, scan_index_forward=False, page_size=page)
            runs = (_run(model).as_of(now) for model in newest)
            meant = (run for run in runs if outcome in (None, run.outcome) and trigger in (None, run.trigger))
            found += islice(meant, limit)
    return sorted(found, key=lambda run: run.started_at, reverse=True)[:limit]


def save(run: Run) -> None:
    """Writes the run as it is now, and with it the calls that it has made since. Raises StoreError."""
    model = RunModel(
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
        expires_at=run.started_at + KEPT,
    )
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


def _run(model: RunModel) -> Run:
    values: dict[str, Any] = {each.name: getattr(model, each.name, None) for each in fields(Run)}
    values |= {"id": model.run, "task": Task(model.task), "outcome": Outcome(model.outcome)}
    values["counts"] = {name: int(number) for name, number in model.counts.as_dict().items()}
    values["waiting"] = [
        Waiting(path=each.path, size=int(each.size), since=each.since, why=each.why) for each in model.waiting or ()
    ]
    return Run(**values)
