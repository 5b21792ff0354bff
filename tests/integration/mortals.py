"""The three tasks, each in workers that may die and in one that lives on, with one clock for all of them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cloud.stack import Stack
from local.lambdas.pool import Lambdas

TASKS = {"sync": "SyncFunction", "queue": "QueueFunction", "process": "ProcessFunction"}


def mortal(stack: Stack) -> Stack:
    """The stack with the handlers of tests/handlers/mortal.py, each task twice: as `process` and `process-survivor`."""
    functions = {}
    for task, logical_id in TASKS.items():
        for name in (task, f"{task}-survivor"):
            functions[name] = replace(
                stack.functions[logical_id], logical_id=name, name=name, handler=f"tests.handlers.mortal.{task}"
            )
    return replace(stack, functions=functions)


class Mortals:
    """Runs the tasks by the clock of the in-process handlers."""

    def __init__(self, lambdas: Lambdas, handlers: Any, task: str) -> None:
        self._lambdas = lambdas
        self._handlers = handlers
        self._task = task
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[Any] | None = None

    def close(self) -> None:
        self._thread.shutdown()

    def kill(self, trigger: str = "test", **die: Any) -> None:
        """A run of the task, which must die as it is told: of a kill -9, without a word."""
        if self._next:
            self._next.result()
        result = self._lambdas.invoke(self._task, self._event(trigger, die=die))
        # the next worker starts while this one's death is looked at
        self._next = self._thread.submit(self._lambdas.invoke, self._task, {"rest": True})
        assert result.failed, f"did not die: {result.payload}"
        assert "signal: SIGKILL" in result.payload["errorMessage"], result.payload

    def calls(self) -> list[str]:
        """The remote calls of a run that lives, in the process that is killed next."""
        answer = self._answer(self._task)
        return [each["call"] for each in answer["calls"]]

    def run(self, task: str | None = None) -> Mapping[str, Any]:
        """A run of the task in a worker that lives."""
        return self._answer(f"{task or self._task}-survivor")["run"]

    def _answer(self, name: str) -> Any:
        result = self._lambdas.invoke(name, self._event("test"))
        assert not result.failed, result.payload
        return result.payload

    def _event(self, trigger: str, **more: Any) -> dict[str, Any]:
        ahead = (self._handlers.now() - datetime.now(UTC)).total_seconds()
        return {"trigger": trigger, "ahead": ahead, **more}


@contextmanager
def mortals(stack: Stack, handlers: Any, state: Path, task: str, **environment: str) -> Iterator[Mortals]:
    """`task` is the one that is killed."""
    with Lambdas(mortal(stack), state, environment) as lambdas:
        running = Mortals(lambdas, handlers, task)
        try:
            yield running
        finally:
            running.close()
