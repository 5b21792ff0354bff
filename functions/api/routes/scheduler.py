"""/api/scheduler: the three scheduled tasks and their runs."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.clock import utc_now
from callscribe.recordings.run import MODULE_BY_TASK, SCHEDULED_TASKS, Run, RunStatus, Task, Trigger
from callscribe.store import runs, settings_overrides
from callscribe.store.settings_overrides import DisabledState
from functions.api import invoke
from functions.api.errors import ApiError
from functions.api.http_request import (
    Limit,
    NextCursor,
    Since,
    Until,
    decode_cursor,
    encode_cursor,
    require_ordered,
)
from functions.api.openapi import documented_responses
from functions.api.routes.recordings import respond_with_run
from functions.api.schemas.base import Absent
from functions.api.schemas.scheduler import RunList, RunResponse, ScheduledTask, TaskList, TaskUpdateRequest
from functions.api.settings import settings

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

RUN_ID = re.compile(r"[0-9TZ:.-]{27}-[0-9a-f]{8}")
"""Format of `runs.new_run_id`."""

MAX_INCOMPLETE_FILES = 3
"""Incomplete files of each run in a list: 500 runs with all of theirs would exceed the maximum response size."""

Command = Annotated[Literal[*SCHEDULED_TASKS], Path(description="Command of the task.")]  # type: ignore[valid-type]  # built at import


@router.get("/api/scheduler/tasks")
def list_tasks() -> TaskList:
    """List the three tasks with their schedule, their last run, and whether they are paused."""
    disabled = settings_overrides.load().disabled_state
    return TaskList(items=[_to_response(task, disabled) for task in SCHEDULED_TASKS])


@router.put("/api/scheduler/tasks/<command>", responses=documented_responses(404))
def update_task(command: Command, change: Annotated[TaskUpdateRequest, Body()]) -> ScheduledTask:
    """Pause or resume a task. Work that is in progress is finished."""
    task = Task(command)
    settings_overrides.set_paused(task, paused=change.paused)
    return _to_response(task, settings_overrides.load().disabled_state)


@router.post("/api/scheduler/tasks/<command>/run", responses=documented_responses(202, 404, 502))
def run_task(command: Command) -> Response[RunResponse]:
    """Run a task now: 200 with the finished run, or 202 if it takes longer than a request may.

    A paused task does nothing even then: its run is `skipped`, with the reason.
    """
    return respond_with_run(invoke.run_task(Task(command)))


@router.get("/api/scheduler/runs")
def list_runs(  # noqa: PLR0917 — one per query parameter
    task: Annotated[Task | Absent, Query(description="Only runs of this task.")] = None,
    status: Annotated[RunStatus | Absent, Query(description="Only runs with this status.")] = None,
    trigger: Annotated[Trigger | Absent, Query(description="Only with this trigger.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: NextCursor = None,
) -> RunList:
    """List the runs of the last 30 days, newest first. Each names up to three incomplete files, `getRun` more."""
    require_ordered(since, until)
    scope = f"runs|{task}|{status}|{trigger}|{since}|{until}"
    page = runs.page(
        [task] if task else list(Task),
        limit=limit,
        now=utc_now(),
        status=status,
        trigger=trigger,
        since=since,
        until=until,
        cursor=decode_cursor(cursor, scope),
    )
    return RunList(
        items=[_to_list_item(run) for run in page.items],
        next_cursor=encode_cursor(page.next_cursor, scope),
    )


@router.get("/api/scheduler/runs/<runId>", responses=documented_responses(404))
def get_run(run_id: Annotated[str, Path(alias="runId", description="ID of the run.")]) -> RunResponse:
    """Get one run: its progress or its result."""
    run = runs.get(run_id, utc_now()) if RUN_ID.fullmatch(run_id) else None
    if run is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "run_not_found", "There is no run with this ID. Runs are kept 30 days.")
    return RunResponse.model_validate(run.to_api())


def _to_list_item(run: Run) -> RunResponse:
    run_response = RunResponse.model_validate(run.to_api())
    return run_response.model_copy(update={"waiting": run_response.waiting[:MAX_INCOMPLETE_FILES]})


def _to_response(task: Task, disabled_state: DisabledState) -> ScheduledTask:
    now = utc_now()
    last_run = next(iter(runs.recent([task], 1, now)), None)
    expression = settings().schedules[task]
    description, next_run_at = _describe_schedule(expression, last_run, now)
    module = MODULE_BY_TASK[task]
    is_paused, is_enabled = task in disabled_state.paused_tasks, module not in disabled_state.disabled_modules
    return ScheduledTask(
        command=task,
        module=module,
        schedule=description,
        schedule_expression=expression,
        paused=is_paused,
        module_enabled=is_enabled,
        next_run_at=next_run_at if is_enabled and not is_paused else None,
        last_run=RunResponse.model_validate(last_run.to_api()) if last_run else None,
    )


def _describe_schedule(expression: str, last_run: Run | None, now: datetime) -> tuple[str, datetime | None]:
    """Describe a schedule and return its next run; of an unsupported expression, the expression and None."""
    from functions.api.schedule import Rate, parse_schedule

    try:
        schedule = parse_schedule(expression)
    except ValueError:
        return expression, None
    if not isinstance(schedule, Rate):
        return schedule.describe(), schedule.next_run_after(now)
    # a rate counts from the creation of the rule, which only the last scheduled run reveals
    if last_run and last_run.trigger is not Trigger.SCHEDULE:
        last_run = next(iter(runs.page([last_run.task], limit=1, now=now, trigger=Trigger.SCHEDULE).items), None)
    return schedule.describe(), max(now, schedule.next_run_after(last_run.started_at)) if last_run else None
