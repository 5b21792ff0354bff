"""/api/scheduler: the three tasks, and their runs."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.clock import utc_now
from callscribe.run import MODULE_OF, SCHEDULED, Outcome, Run, Task
from callscribe.store import runs, switches
from callscribe.store.switches import Switches
from functions.api import cursor as cursors
from functions.api import invoke
from functions.api.errors import ApiError
from functions.api.parameters import Limit, NextCursor, Since, Until, in_order
from functions.api.routes.collection import answer_with
from functions.api.settings import settings
from functions.api.specification import answers
from functions.api.views.scheduler import RunList, RunView, TaskChange, TaskList, TaskView
from functions.api.views.wire import Absent

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

SCHEDULE = "schedule"
"""What triggers the runs that a rule of EventBridge fires."""

RUN_ID = re.compile(r"[0-9TZ:.-]{27}-[0-9a-f]{8}")
"""What `runs.new_id` makes."""

WAITING = 3
"""Files that a run in a list names: 500 runs with all that they know of are more than an answer may hold."""

Command = Annotated[Literal[*SCHEDULED], Path(description="The task's command.")]  # type: ignore[valid-type]  # those that there are


@router.get("/api/scheduler/tasks")
def list_tasks() -> TaskList:
    """The three tasks: when they run, whether they are paused, and their last run."""
    off = switches.read()
    return TaskList(items=[_view(task, off) for task in SCHEDULED])


@router.put("/api/scheduler/tasks/<command>", responses=answers(404))
def update_task(command: Command, change: Annotated[TaskChange, Body()]) -> TaskView:
    """Pauses a task, or resumes it. What is under way comes to its end."""
    task = Task(command)
    switches.pause(task, paused=change.paused)
    return _view(task, switches.read())


@router.post("/api/scheduler/tasks/<command>/run", responses=answers(202, 404, 502))
def run_task(command: Command) -> Response[RunView]:
    """Runs a task now: 200 with its run if it ends within the request, else 202, and it goes on.

    A paused task does nothing, whoever asks: its run is `skipped`, and says why.
    """
    return answer_with(invoke.run(Task(command)))


@router.get("/api/scheduler/runs")
def list_runs(  # noqa: PLR0917 — the query's names
    task: Annotated[Task | Absent, Query(description="Of this task alone.")] = None,
    status: Annotated[Outcome | Absent, Query(description="How they ended, or that they have not.")] = None,
    trigger: Annotated[Literal["schedule", "api", "upload"] | Absent, Query(description="What began them.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: NextCursor = None,
) -> RunList:
    """The newest runs first; they are kept 30 days. Of the files that wait, each names three; the run itself more."""
    in_order(since, until)
    of = f"runs|{task}|{status}|{trigger}|{since}|{until}"
    place = cursors.decode(cursor, of)
    page = runs.page(
        [task] if task else list(Task),
        limit=limit,
        now=utc_now(),
        outcome=status,
        trigger=trigger,
        since=since,
        until=until,
        before=place["run"]["S"] if place else None,
    )
    following = {"run": {"S": page.next}} if page.next else None
    return RunList(
        items=[_short(run) for run in page.runs],
        next_cursor=cursors.encode(following, of),
    )


@router.get("/api/scheduler/runs/<runId>", responses=answers(404))
def get_run(run_id: Annotated[str, Path(alias="runId", description="The run's id.")]) -> RunView:
    """One run: how far it is, or how it ended."""
    found = runs.get(run_id, utc_now()) if RUN_ID.fullmatch(run_id) else None
    if found is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "no_such_run", "There is no run of this id. They are kept 30 days.")
    return RunView.model_validate(found.document())


def _short(run: Run) -> RunView:
    shown = RunView.model_validate(run.document())
    return shown.model_copy(update={"waiting": shown.waiting[:WAITING]})


def _view(task: Task, off: Switches) -> TaskView:
    now = utc_now()
    last = next(iter(runs.latest([task], 1, now)), None)
    expression = settings().schedules[task]
    words, next_run_at = _scheduled(expression, last, now)
    paused = task in off.paused
    return TaskView(
        command=task,
        module=MODULE_OF[task],
        schedule=words,
        schedule_expression=expression,
        paused=paused,
        next_run_at=None if paused or MODULE_OF[task] in off.disabled else next_run_at,
        last_run=RunView.model_validate(last.document()) if last else None,
    )


def _scheduled(expression: str, last: Run | None, now: datetime) -> tuple[str, datetime | None]:
    """The schedule in words, and when it fires next; the expression itself where it is one that we cannot read."""
    from callscribe.schedule import Rate, parse

    try:
        schedule = parse(expression)
    except ValueError:
        return expression, None
    if not isinstance(schedule, Rate):
        return schedule.words(), schedule.next_after(now)
    # it counts from when the rule was made, which only the last run that it fired tells
    if last and last.trigger != SCHEDULE:
        last = next(iter(runs.page([last.task], limit=1, now=now, trigger=SCHEDULE).runs), None)
    return schedule.words(), max(now, schedule.next_after(last.started_at)) if last else None
