"""Runs in DynamoDB, kept at most 30 days: saved when a task starts, while it runs, and when it ends.

Every function here that reads or writes raises StoreError.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from heapq import merge
from operator import itemgetter
from typing import Any

from callscribe.aws import ConditionFailed, map_dynamodb_errors
from callscribe.clock import CLOCK_SKEW, Clock, to_iso
from callscribe.errors import CallscribeError, RunSkipped, StoreError
from callscribe.observability import add_count, logger, safe_exception_info
from callscribe.recordings.run import IncompleteFile, Run, RunStatus, Task, Trigger
from callscribe.recordings.service_request import ServiceRequest
from callscribe.store.paging import MAX_REQUESTS, PAGE_SIZE, Cursor, Page
from callscribe.store.tables import IncompleteFileMap, RunModel, ServiceRequestModel

MIN_DATETIME = datetime.min.replace(tzinfo=UTC)


def new_run_id(now: datetime) -> str:
    """An id that sorts by time."""
    return f"{to_iso(now)}-{uuid.uuid4().hex[:8]}"


@contextmanager
def record_run(
    task: Task, trigger: Trigger, clock: Clock, lambda_deadline: datetime, run_id: str | None = None
) -> Iterator[Run]:
    """Record the enclosed work as a run. Lambda stops it at `lambda_deadline`; the API chooses the `run_id` in advance.

    A CallscribeError ends the run and is not raised again: Lambda should not retry, the next scheduled run will. Any
    other exception is recorded and re-raised.

    Raises: StoreError, when the start of the run cannot be saved; nothing has been done then.
    """
    now = clock()
    run = Run(
        task=task, id=run_id or new_run_id(now), trigger=trigger, started_at=now, deadline=lambda_deadline + CLOCK_SKEW
    )
    save(run)
    error: BaseException | None = None
    try:
        yield run
    except BaseException as raised:
        error = raised
        if not isinstance(raised, CallscribeError):
            raise
    finally:
        end(run, clock(), error)
        try:
            save(run)
        except StoreError as store_error:  # must not hide how the run itself ended
            logger.error("could not save the end of a run", reason=store_error.message)


def end(run: Run, now: datetime, error: BaseException | None = None) -> None:
    """Set how a run ended, log it and count it. The caller saves it.

    Metrics: `ScheduledRunsSucceeded` counts scheduled runs that succeeded or were skipped; an alarm fires when there
    are none. `RunsFailed` counts failed runs, except those that a user waits for. Neither counts unexpected exceptions,
    which Lambda counts itself. A run that met an outage of the transcription service counts as succeeded: outages have
    a metric and an alarm of their own.
    """
    run.finished_at = now
    match error:
        case None:
            if run.status is RunStatus.RUNNING:  # process sets the status itself during an outage
                run.end(RunStatus.SUCCEEDED)
        case RunSkipped():
            run.end(RunStatus.SKIPPED, error.message, error.code)
        case CallscribeError():
            run.end(RunStatus.FAILED, error.message, error.code)
            logger.error("run failed", task=run.task, code=error.code, reason=error.message)
        case _:
            message = f"Unexpected error in Callscribe ({type(error).__name__}). See the function's log."
            run.end(RunStatus.FAILED, message, "internal_error")
            logger.error("run failed", task=run.task, code=run.error_code, **safe_exception_info(error))
    has_succeeded = error is None or isinstance(error, RunSkipped)
    has_failed = not has_succeeded and isinstance(error, CallscribeError)
    add_count("RunsFailed", int(has_failed and run.trigger is not Trigger.API))
    add_count("ScheduledRunsSucceeded", int(has_succeeded and run.trigger is Trigger.SCHEDULE))
    logger.info("run ended", task=run.task, trigger=run.trigger, result=run.status, counts=run.counts, reason=run.error)


def get(run_id: str, now: datetime) -> Run | None:
    """The run with this id as shown at `now`; None if there is none. One request, whatever its task."""
    with map_dynamodb_errors():
        models = list(RunModel.batch_get([(task.value, run_id) for task in Task], consistent_read=True))
    return _to_run(models[0]).with_died_status(now) if models else None


def page(
    tasks: Iterable[Task],
    *,
    limit: int,
    now: datetime,
    status: RunStatus | None = None,
    trigger: Trigger | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: Cursor | None = None,
) -> Page[Run]:
    """A page of the runs of these tasks as shown at `now`, the newest first; one request per task.

    `since` and `until` are inclusive and compared with the start. (An id has the time when the run was requested,
    slightly earlier.) With a `status` or `trigger` that is rare, more requests.
    """
    before = cursor["run"]["S"] if cursor else None
    max_id = before or (f"{to_iso(until)}~" if until else "~")
    page_size = limit + 1 if status is None and trigger is None else PAGE_SIZE
    results: list[Run] = []
    min_id = to_iso(since - min(CLOCK_SKEW, since - MIN_DATETIME)) if since else "0"
    streams = [_iter_task_runs(task, min_id, max_id, page_size) for task in tasks]
    for run_id, model in merge(*streams, key=itemgetter(0), reverse=True):
        if model is None:
            return Page(results, {"run": {"S": run_id}})
        run = _to_run(model).with_died_status(now)
        is_match = (since is None or run.started_at >= since) and (until is None or run.started_at <= until)
        is_match = is_match and status in (None, run.status) and trigger in (None, run.trigger)
        if is_match and run_id != before:
            if len(results) == limit:
                return Page(results, {"run": {"S": results[-1].id}})
            results.append(run)
    return Page(results, None)


def recent(tasks: Iterable[Task], limit: int, now: datetime) -> list[Run]:
    """The newest runs of these tasks."""
    return page(tasks, limit=limit, now=now).items


def _iter_task_runs(task: Task, min_id: str, max_id: str, page_size: int) -> Iterator[tuple[str, RunModel | None]]:
    """The ids and runs of a task, newest first; a last id without a run marks that there are more before it."""
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
    """Save the run, together with the service requests that it has made since it was last saved."""
    model = _to_model(run)
    new_requests = list(run.service_requests)  # the threads of the run keep adding to it
    with map_dynamodb_errors():
        if not new_requests:
            model.save()
            return
        # both are in one table, so it is one request
        with RunModel.batch_write() as batch:
            for record in (model, *map(_to_service_request_model, new_requests)):
                batch.save(record)
    del run.service_requests[: len(new_requests)]


def resumable(now: datetime) -> list[Run]:
    """The running retries with an expired lease, the oldest first."""
    condition: Any = (RunModel.status == RunStatus.RUNNING.value) & (RunModel.deadline < now)
    with map_dynamodb_errors():
        return [_to_run(model) for model in RunModel.query(Task.RETRY.value, filter_condition=condition)]


def extend_lease(run: Run, deadline: datetime) -> bool:
    """Save the run and lease it until `deadline`. Return False and save nothing if another has the lease.

    While the run is running, its stored `deadline` identifies the holder of the lease: no two write the same time.
    """
    is_unchanged: Any = RunModel.deadline == run.deadline
    leased = replace(run, deadline=deadline)
    try:
        with map_dynamodb_errors():
            _to_model(leased).save(condition=is_unchanged & (RunModel.status == RunStatus.RUNNING.value))
    except ConditionFailed as error:
        if not (error.was_retried and _is_stored(leased)):
            return False
    run.deadline = deadline
    return True


def _is_stored(run: Run) -> bool:
    with map_dynamodb_errors():
        return RunModel.get(run.task.value, run.id, consistent_read=True).deadline == run.deadline


def _to_model(run: Run) -> RunModel:
    return RunModel(
        task=run.task.value,
        run=run.id,
        trigger=run.trigger.value,
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
    stored = (attribute.name for attribute in fields(Run) if attribute.name not in ("id", "service_requests"))
    values: dict[str, Any] = {name: getattr(model, name) for name in stored}
    values |= {"id": model.run, "task": Task(model.task)}
    values |= {"trigger": Trigger(model.trigger), "status": RunStatus(model.status)}
    values["counts"] = {name: int(number) for name, number in model.counts.as_dict().items()}
    values["filters"] = json.loads(model.filters) if model.filters else {}
    values["incomplete_files"] = [
        IncompleteFile(path=file.path, size=int(file.size), since=file.since, reason=file.reason)
        for file in model.incomplete_files or ()
    ]
    return Run(**values)


def _to_service_request_model(service_request: ServiceRequest) -> ServiceRequestModel:
    expires_at = service_request.started_at + ServiceRequestModel.retention
    return ServiceRequestModel(expires_at=expires_at, **asdict(service_request))
