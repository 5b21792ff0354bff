"""Runs in DynamoDB, kept 30 days or less: written when a task starts, as it goes on, and when it has ended."""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from heapq import merge
from operator import itemgetter
from typing import Any

from callscribe.clock import CLOCK_SKEW, Clock, to_iso
from callscribe.errors import CallscribeError, RunSkipped, StoreError
from callscribe.observability import add_count, logger, safe_exception_info
from callscribe.recordings.run import IncompleteFile, Run, RunStatus, Task, Trigger
from callscribe.store import service_requests
from callscribe.store.errors import ConditionFailed, map_dynamodb_errors
from callscribe.store.paging import MAX_REQUESTS, PAGE_SIZE, Cursor, Page
from callscribe.store.tables import IncompleteFileMap, RunModel

MIN_DATETIME = datetime.min.replace(tzinfo=UTC)


def new_run_id(now: datetime) -> str:
    """Sorts by the time."""
    return f"{to_iso(now)}-{uuid.uuid4().hex[:8]}"


@contextmanager
def record_run(
    task: Task, trigger: str, clock: Clock, lambda_deadline: datetime, run_id: str | None = None
) -> Iterator[Run]:
    """Records the work done inside as a run; Lambda lets it work until `ends_at`. Who asked for it may give its id.

    A CallscribeError ends the run in order: it is recorded and logged, and the function answers with it; there is
    nothing for Lambda to repeat at once, the next run is soon. Anything else is a fault of ours: recorded, raised on.

    Metrics: `ScheduledRunsSucceeded` counts scheduled runs that succeeded or were skipped.
    An alarm fires when it stops.
    `RunsFailed`, those that could not, unless a person waits for the answer. Not faults of ours, which Lambda counts by
    itself; nor outages of the transcription service, which have a metric of their own.
    """
    now = clock()
    run = Run(
        task=task, id=run_id or new_run_id(now), trigger=trigger, started_at=now, deadline=lambda_deadline + CLOCK_SKEW
    )
    save(run)
    has_failed = has_crashed = False
    try:
        yield run
    except RunSkipped as skipped:
        run.end(RunStatus.SKIPPED, skipped.message, skipped.code)
    except CallscribeError as error:
        run.end(RunStatus.FAILED, error.message, error.code)
        has_failed = True
        logger.error("run failed", task=task, code=error.code, reason=error.message)
    except BaseException as error:
        run.end(
            RunStatus.FAILED, f"A fault in Callscribe ({type(error).__name__}). The log says more.", "internal_error"
        )
        logger.error("run failed", task=task, code=run.error_code, **safe_exception_info(error))
        has_crashed = True
        raise
    else:
        if run.status is RunStatus.RUNNING:
            run.end(RunStatus.SUCCEEDED)
    finally:
        run.finished_at = clock()
        add_count("RunsFailed", int(has_failed and trigger != Trigger.API))
        add_count("ScheduledRunsSucceeded", int(trigger == Trigger.SCHEDULE and not (has_failed or has_crashed)))
        logger.info("run ended", task=task, trigger=trigger, outcome=run.status, counts=run.counts, reason=run.error)
        try:
            save(run)
        except StoreError as error:  # it must not hide how the run itself ended
            logger.error("the end of the run could not be recorded", reason=error.message)


def get(run_id: str, now: datetime) -> Run | None:
    """The run of this id, as it is to be shown at `now`; None if there is none. One request, whatever its task is."""
    with map_dynamodb_errors():
        models = list(RunModel.batch_get([(task.value, run_id) for task in Task], consistent_read=True))
    return _to_run(models[0]).with_died_status(now) if models else None


def page(
    tasks: Iterable[Task],
    *,
    limit: int,
    now: datetime,
    outcome: RunStatus | None = None,
    trigger: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: Cursor | None = None,
) -> Page[Run]:
    """The newest runs of these tasks, newest first, as they are to be shown at `now`; one request a task.

    `since` and `until` are inclusive. An id tells when a run was asked for: a moment before it started.

    With an `outcome` or a `trigger`, only those that ended or began so: further requests where they are rare, and pages
    that hold fewer than `limit`, or none, before the last. Raises StoreError.
    """
    before = cursor["run"]["S"] if cursor else None
    max_id = before or (f"{to_iso(until)}~" if until else "~")
    page_size = limit + 1 if outcome is None and trigger is None else PAGE_SIZE
    results: list[Run] = []
    min_id = to_iso(since - min(CLOCK_SKEW, since - MIN_DATETIME)) if since else "0"
    streams = [_iter_task_runs(task, min_id, max_id, page_size) for task in tasks]
    for run_id, model in merge(*streams, key=itemgetter(0), reverse=True):
        if model is None:
            return Page(results, {"run": {"S": run_id}})
        run = _to_run(model).with_died_status(now)
        is_match = (since is None or run.started_at >= since) and (until is None or run.started_at <= until)
        is_match = is_match and outcome in (None, run.status) and trigger in (None, run.trigger)
        if is_match and run_id != before:
            if len(results) == limit:
                return Page(results, {"run": {"S": results[-1].id}})
            results.append(run)
    return Page(results, None)


def recent(tasks: Iterable[Task], limit: int, now: datetime) -> list[Run]:
    """The first page of all of them."""
    return page(tasks, limit=limit, now=now).items


def _iter_task_runs(task: Task, min_id: str, max_id: str, page_size: int) -> Iterator[tuple[str, RunModel | None]]:
    """The ids and runs of a task, newest first; without a run, the id up to which it was read where there is more."""
    id_range: Any = RunModel.run.between(min_id, max_id)
    results = RunModel.query(task.value, id_range, scan_index_forward=False, page_size=page_size)
    pages = iter(results.page_iter)
    for _ in range(MAX_REQUESTS):
        with map_dynamodb_errors():
            response = next(pages, None)
        if response is None:
            return
        for item in response["Items"]:
            yield item["run"]["S"], RunModel.from_raw_data(dict(item))
    next_key = results.page_iter.last_evaluated_key
    if next_key:
        yield next_key["run"]["S"], None


def save(run: Run) -> None:
    """Writes the run as it is now, and with it the calls that it has made since. Raises StoreError."""
    model = _to_model(run)
    new_requests = list(run.service_requests)  # threads of the run go on adding to it
    with map_dynamodb_errors():
        if not new_requests:
            model.save()
            return
        # one table, so one request
        with RunModel.batch_write() as batch:
            for record in (model, *map(service_requests.to_model, new_requests)):
                batch.save(record)
    del run.service_requests[: len(new_requests)]


def resumable(now: datetime) -> list[Run]:
    """The retries that nobody is at any more, the oldest first. Raises StoreError."""
    condition: Any = (RunModel.status == RunStatus.RUNNING.value) & (RunModel.deadline < now)
    with map_dynamodb_errors():
        return [_to_run(model) for model in RunModel.query(Task.RETRY.value, filter_condition=condition)]


def extend_lease(run: Run, deadline: datetime) -> bool:
    """Writes the run as it is now, to be at it until then. False, and nothing is written, if somebody else is by now.

    As long as it is running, `ends_by` is whose it is: no two write the same.
    """
    is_unchanged: Any = RunModel.deadline == run.deadline
    run.deadline = deadline
    try:
        with map_dynamodb_errors():
            _to_model(run).save(condition=is_unchanged & (RunModel.status == RunStatus.RUNNING.value))
    except ConditionFailed as error:
        return error.repeated and _is_stored(run)
    return True


def _is_stored(run: Run) -> bool:
    with map_dynamodb_errors():
        return RunModel.get(run.task.value, run.id, consistent_read=True).deadline == run.deadline


def _to_model(run: Run) -> RunModel:
    return RunModel(
        task=run.task.value,
        run=run.id,
        trigger=str(run.trigger),
        started_at=run.started_at,
        deadline=run.deadline,
        status=run.status.value,
        finished_at=run.finished_at,
        counts=run.counts,
        incomplete_files=[IncompleteFileMap(**asdict(file)) for file in run.incomplete_files] or None,
        error=run.error,
        error_code=run.error_code,
        filters=json.dumps(run.filters) if run.filters else None,
        resume_cursor=run.resume_cursor,
        expires_at=run.started_at + RunModel.retention,
    )


def _to_run(model: RunModel) -> Run:
    values: dict[str, Any] = {attribute.name: getattr(model, attribute.name, None) for attribute in fields(Run)}
    values |= {"id": model.run, "task": Task(model.task), "status": RunStatus(model.status)}
    values["counts"] = {name: int(number) for name, number in model.counts.as_dict().items()}
    values["filters"] = json.loads(model.filters) if model.filters else {}
    values["incomplete_files"] = [
        IncompleteFile(path=file.path, size=int(file.size), since=file.since, reason=file.reason)
        for file in model.incomplete_files or ()
    ]
    return Run(**values)
