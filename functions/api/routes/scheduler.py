"""/api/scheduler: the three tasks, and their runs."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.clock import utc_now
from callscribe.run import MODULE_OF, Outcome, Task
from callscribe.store import runs, switches
from functions.api.views import RunList, RunView, TaskChange, TaskList, TaskView

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/scheduler/tasks")
def list_tasks() -> TaskList:
    """The three tasks, with their last run."""
    off = switches.read()
    return TaskList(items=[_view(task, paused=task in off.paused) for task in Task])


@router.put("/api/scheduler/tasks/<command>")
def put_task(command: Annotated[Task, Path()], change: Annotated[TaskChange, Body()]) -> TaskView:
    """Pauses a task, or resumes it. What is under way comes to its end."""
    switches.pause(command, paused=change.paused)
    return _view(command, paused=change.paused)


@router.get("/api/scheduler/runs")
def list_runs(
    task: Annotated[Task | None, Query()] = None,
    status: Annotated[Outcome | None, Query()] = None,
    trigger: Annotated[Literal["schedule", "api", "upload"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> RunList:
    """The newest runs first; they are kept 30 days."""
    found = runs.latest([task] if task else list(Task), limit, utc_now(), status, trigger)
    return RunList(items=[RunView(**run.document()) for run in found])


def _view(task: Task, *, paused: bool) -> TaskView:
    last = runs.latest([task], 1, utc_now())
    return TaskView(
        command=task,
        module=MODULE_OF[task],
        paused=paused,
        last_run=RunView(**last[0].document()) if last else None,
    )
