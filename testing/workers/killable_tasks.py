"""Runs the three tasks in worker processes that can be killed or held, with one clock for all of them."""

import fcntl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callscribe.store.runs import new_run_id
from local.cloud.client import CREDENTIALS
from local.cloud.stack import Stack
from local.lambdas.pool import InvocationResult, Lambdas, lambda_environment
from testing.waiting import wait_until
from testing.workers.forked_workers import run_fork_server

TASKS = ("SyncFunction", "QueueFunction", "ProcessFunction")
MAX_WORKERS = 32


@contextmanager
def killable_lambdas(stack: Stack, state: Path) -> Iterator[Lambdas]:
    """Serve testing/workers/killable_worker.py as two functions: only the workers of `killable` are killed."""
    functions = {
        name: replace(
            stack.functions["ProcessFunction"],
            logical_id=name,
            name=name,
            handler="testing.workers.killable_worker.lambda_handler",
        )
        for name in ("killable", "survivor")
    }
    stack = replace(stack, functions=functions)
    with (
        run_fork_server(lambda_environment(functions["killable"], stack), "testing.workers.killable_worker") as worker,
        Lambdas(stack, state, workers_per_function=MAX_WORKERS, worker_factory=worker) as lambdas,
    ):
        yield lambdas


class KillableTasks:
    """Runs the tasks on a stack, with the clock of the in-process handlers."""

    def __init__(self, lambdas: Lambdas, stack: Stack, handlers: Any, service: str) -> None:
        self._lambdas = lambdas
        self._handlers = handlers
        self.environ: dict[str, str] = {}
        for function in TASKS:
            self.environ |= lambda_environment(stack.functions[function], stack)
        self.environ |= CREDENTIALS  # three tasks share a worker's clients, so requests are signed by no function
        # always set, because a worker may have served a stack with another endpoint before
        self.environ = {"AWS_ENDPOINT_URL_DYNAMODB": stack.endpoint} | self.environ | {"WHISPERX_URL": service}

    def kill(self, task: str, event: Mapping[str, Any] | None = None, **die: Any) -> str:
        """Run a task that must be killed by SIGKILL at the request that `die` selects. Return the id of the run."""
        run_id = new_run_id(self._handlers.now())
        result = self._run("killable", task, run=run_id, die=die, **(event or {}))
        assert result.failed, f"did not die: {result.payload}"
        assert "signal: SIGKILL" in result.payload["errorMessage"], result.payload
        return run_id

    def remote_requests(self, task: str, **event: Any) -> list[str]:
        """Run a task undisturbed in a worker like those that are killed, and return its remote requests."""
        return [request["name"] for request in self.invoke("killable", task, **event)["requests"]]

    def run(self, task: str, **event: Any) -> Mapping[str, Any]:
        """Run a task in the worker that is never killed."""
        run: Mapping[str, Any] = self.invoke("survivor", task, **event)["run"]
        return run

    def run_concurrently(self, number: int, task: str, request_name: str, folder: Path, **event: Any) -> list[Any]:
        """Start this many runs, hold each before the request until all have reached it, and return their responses."""
        folder.mkdir()
        hold = {"name": request_name, "folder": str(folder)}
        with (folder / "go").open("w") as go, ThreadPoolExecutor(number) as pool:
            fcntl.flock(go, fcntl.LOCK_EX)
            futures = [pool.submit(self.invoke, "killable", task, hold=hold, **event) for _ in range(number)]
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
        """Start the worker at the handlers' time, and move their clock on by as much as passed in the worker."""
        clock_offset = self._handlers.now() - datetime.now(UTC)
        event = {
            "task": task,
            "environ": self.environ,
            "clock_offset": clock_offset.total_seconds(),
            **extra,
        }
        result = self._lambdas.invoke(name, event)
        self._handlers.catch_up(datetime.now(UTC) + clock_offset)
        return result
