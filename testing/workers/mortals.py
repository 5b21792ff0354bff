"""The three tasks in worker processes that may die or be held up, with one clock for all of them."""

import fcntl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cloud.client import CREDENTIALS
from local.cloud.stack import Stack
from local.lambdas.pool import InvocationResult, Lambdas, lambda_environment
from testing.waiting import wait_until
from testing.workers.forked import run_fork_server

TASKS = ("SyncFunction", "QueueFunction", "ProcessFunction")
MAX_WORKERS = 32
"""Worker processes."""


@contextmanager
def killable_lambdas(stack: Stack, state: Path) -> Iterator[Lambdas]:
    """testing/workers/mortal.py as two functions: one whose workers are killed, and one whose worker lives on."""
    functions = {
        name: replace(
            stack.functions["ProcessFunction"],
            logical_id=name,
            name=name,
            handler="testing.workers.mortal.lambda_handler",
        )
        for name in ("mortal", "survivor")
    }
    stack = replace(stack, functions=functions)
    with (
        run_fork_server(lambda_environment(functions["mortal"], stack), "testing.workers.mortal") as worker,
        Lambdas(stack, state, workers_per_function=MAX_WORKERS, worker_factory=worker) as lambdas,
    ):
        yield lambdas


class KillableTasks:
    """Runs the tasks on a stack, by the clock of the in-process handlers."""

    def __init__(self, lambdas: Lambdas, stack: Stack, handlers: Any, service: str) -> None:
        self._lambdas = lambdas
        self._handlers = handlers
        self.environ: dict[str, str] = {}
        for function in TASKS:
            self.environ |= lambda_environment(stack.functions[function], stack)
        self.environ |= CREDENTIALS  # three tasks share the clients of a worker: what they send is nobody's
        # named in any case: a worker may come from a stack elsewhere
        self.environ = {"AWS_ENDPOINT_URL_DYNAMODB": stack.endpoint} | self.environ | {"WHISPERX_URL": service}

    def kill(self, task: str, trigger: str = "a test", **die: Any) -> None:
        """A run that must die as it is told: of a kill -9, without a word."""
        result = self._run("mortal", task, trigger=trigger, die=die)
        assert result.failed, f"did not die: {result.payload}"
        assert "signal: SIGKILL" in result.payload["errorMessage"], result.payload

    def remote_requests(self, task: str) -> list[str]:
        """The remote calls of a run that lives, in a process like those that are killed."""
        return [each["call"] for each in self.invoke("mortal", task)["calls"]]

    def run(self, task: str) -> Mapping[str, Any]:
        """A run in the worker that lives on."""
        run: Mapping[str, Any] = self.invoke("survivor", task)["run"]
        return run

    def run_concurrently(self, number: int, task: str, request_name: str, folder: Path) -> list[Any]:
        """So many runs, none of which makes this call before all of them are about to; their answers."""
        folder.mkdir()
        hold = {"call": request_name, "folder": str(folder)}
        with (folder / "go").open("w") as go, ThreadPoolExecutor(number) as pool:
            fcntl.flock(go, fcntl.LOCK_EX)
            futures = [pool.submit(self.invoke, "mortal", task, hold=hold) for _ in range(number)]
            try:
                wait_until(lambda: len(list(folder.iterdir())) > number or any(future.done() for future in futures))
            finally:
                fcntl.flock(go, fcntl.LOCK_UN)
            return [future.result() for future in futures]

    def invoke(self, name: str, task: str, **extra: Any) -> Any:
        result = self._run(name, task, **extra)
        assert not result.failed, result.payload
        return result.payload

    def _run(self, name: str, task: str, **extra: Any) -> InvocationResult:
        """In the worker, time passes as it does for the machine; afterwards it is as late for the handlers here."""
        clock_offset = self._handlers.now() - datetime.now(UTC)
        event = {
            "task": task,
            "trigger": "a test",
            "environ": self.environ,
            "ahead": clock_offset.total_seconds(),
            **extra,
        }
        result = self._lambdas.invoke(name, event)
        self._handlers.catch_up(datetime.now(UTC) + clock_offset)
        return result
