"""Runs in DynamoDB, kept 30 days: written when a task starts, and again when it has ended."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from callscribe.clock import Clock, iso
from callscribe.errors import CallscribeError
from callscribe.run import Outcome, Run, Task
from callscribe.store.faults import translated
from callscribe.store.models import RunModel
from callscribe.telemetry import count, logger

KEPT = timedelta(days=30)


@contextmanager
def recorded(task: Task, trigger: str, clock: Clock) -> Iterator[Run]:
    """Records the work done inside as a run.

    A CallscribeError ends the run in order: it is recorded and logged, and the function answers with it; there is
    nothing for Lambda to repeat at once, the next run is soon. Anything else is a fault of ours: recorded, raised on.
    """
    now = clock()
    run = Run(task=task, id=f"{iso(now)}-{uuid.uuid4().hex[:8]}", trigger=trigger, started_at=now)
    _save(run)
    try:
        yield run
    except CallscribeError as error:
        run.outcome, run.error = Outcome.FAILED, error.message
        logger.error("run failed", task=task, code=error.code, reason=error.message)
    except BaseException as error:
        run.outcome, run.error = Outcome.FAILED, f"internal error: {type(error).__name__}"
        raise
    else:
        if run.outcome is Outcome.RUNNING:
            run.outcome = Outcome.SUCCEEDED
    finally:
        run.finished_at = clock()
        _save(run)
        count("RunsFailed", int(run.outcome is Outcome.FAILED))
        logger.info("run ended", task=task, trigger=trigger, outcome=run.outcome, counts=run.counts)


def _save(run: Run) -> None:
    with translated():
        RunModel(
            task=run.task.value,
            run=run.id,
            trigger=run.trigger,
            started_at=run.started_at,
            outcome=run.outcome.value,
            finished_at=run.finished_at,
            counts=run.counts,
            error=run.error,
            expires_at=run.started_at + KEPT,
        ).save()
