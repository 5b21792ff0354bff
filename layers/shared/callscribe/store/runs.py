"""Runs in DynamoDB, kept 30 days: written when a task starts, and again when it has ended."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from callscribe.clock import Clock, iso
from callscribe.errors import CallscribeError, StoreError
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
        run.outcome, run.error, run.error_code = Outcome.FAILED, error.message, error.code
        logger.error("run failed", task=task, code=error.code, reason=error.message)
    except BaseException as error:
        run.outcome, run.error, run.error_code = Outcome.FAILED, type(error).__name__, "internal_error"
        raise
    else:
        if run.outcome is Outcome.RUNNING:
            run.outcome = Outcome.SUCCEEDED
    finally:
        run.finished_at = clock()
        count("RunsFailed", int(run.outcome is Outcome.FAILED))
        logger.info("run ended", task=task, trigger=trigger, outcome=run.outcome, counts=run.counts)
        try:
            _save(run)
        except StoreError as error:  # it must not hide how the run itself ended
            logger.error("the end of the run could not be recorded", reason=error.message)


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
            error_code=run.error_code,
            expires_at=run.started_at + KEPT,
        ).save()
