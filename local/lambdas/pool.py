"""Runs the deployed functions as Lambda does: in worker processes that each handle one event at a time.

Workers are started on demand, reused for later events, killed on a timeout, and replaced when they crash. A failed
event is not retried, which is what the template configures for its scheduled functions.
"""

import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Self

from callscribe.clock import utc_now
from callscribe.store.runs import new_run_id
from local.cloud.client import CREDENTIALS
from local.cloud.stack import Function, Stack
from local.lambdas.worker_process import ROOT, WorkerLostError, WorkerProcess

WORKERS_PER_FUNCTION = 10
"""Enough for a page that sends many requests in parallel; with its imports alone, a worker has 35 to 50 MB."""
_KILL_TIMEOUT_SECONDS = 10.0
"""How long `stop` waits for workers that it has killed."""

PROCESS_HANDLER = "functions.process.app.lambda_handler"
RELEASE_HANDLER = "local.lambdas.stopped_runs.lambda_handler"
RELEASE_SECONDS = 20.0
"""How long `release_claims` may take."""

type WorkerFactory = Callable[[Mapping[str, str], Path], WorkerProcess]
"""Starts a worker with this environment, which writes to this log."""


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The result of an invocation. `payload` is decoded; if `failed`, it has `errorMessage` and `errorType`."""

    request_id: str
    payload: Any = None
    failed: bool = False


class Lambdas:
    """The functions of a stack, ready to be invoked. A context manager that ends all workers on exit.

    `environment` is added to each function's own and takes precedence. Workers write to `state/logs/<logical id>.log`.
    """

    def __init__(
        self,
        stack: Stack,
        state: Path,
        environment: Mapping[str, str] | None = None,
        *,
        workers_per_function: int = WORKERS_PER_FUNCTION,
        worker_factory: WorkerFactory = WorkerProcess,
    ) -> None:
        self.stack = stack
        self._process = next((each for each in stack.functions.values() if each.handler == PROCESS_HANDLER), None)
        logs = state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._pools = {
            function.name: _FunctionPool(
                function,
                lambda_environment(function, stack) | dict(environment or {}),
                logs / f"{function.logical_id}.log",
                workers_per_function,
                worker_factory,
            )
            for function in stack.functions.values()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def invoke(self, name: str, event: Any, *, wait: bool = True) -> InvocationResult:
        """Invoke a function, named as for `Stack.function`.

        Without `wait`, the result has no payload: see the function's log.

        Raises: KeyError, for an unknown function; TypeError, when the event is not JSON; RuntimeError, after `stop`.
        """
        function = self.stack.function(name)
        pool = self._pools[function.name]
        request_id = str(uuid.uuid4())
        # so that `release_claims` knows which runs it has stopped
        if function == self._process and isinstance(event, dict):
            event = {"run": new_run_id(utc_now()), **event}
        json.dumps(event)
        pool.register_event()
        if wait:
            return pool.run(request_id, event)
        Thread(target=pool.run, args=(request_id, event), name=f"{name} {request_id}", daemon=True).start()
        return InvocationResult(request_id)

    def monitor_activity(self, *, exclude: str) -> Callable[[], bool]:
        """Return a function that returns whether any function except this one has run since its last call."""
        ignored = self.stack.function(exclude).name
        pools = [pool for name, pool in self._pools.items() if name != ignored]
        previous = (0, 0)

        def has_run() -> bool:
            nonlocal previous
            current = sum(pool.started_count for pool in pools), sum(pool.in_progress for pool in pools)
            changed, previous = current != previous, current
            return changed or previous[1] > 0

        return has_run

    def release_claims(self) -> int:
        """Give back what runs of process held that `stop` or Ctrl-C has killed. Return how many recordings that were.

        Only after `stop`. Raises: RuntimeError, when AWS cannot be reached; the leases expire then.
        """
        pool = self._pools[self._process.name] if self._process else None
        if not pool or not pool.killed_runs:
            return 0
        overrides = {**CREDENTIALS, "_HANDLER": RELEASE_HANDLER, "AWS_LAMBDA_LOG_STREAM_NAME": "stop"}
        worker = WorkerProcess({**pool.environment, **overrides}, pool.log)
        try:
            request = {"request_id": "stop", "arn": pool.function.arn, "timeout_seconds": RELEASE_SECONDS}
            response = worker.exchange({**request, "event": {"runs": pool.killed_runs}}, RELEASE_SECONDS)
        except (TimeoutError, WorkerLostError) as error:
            raise RuntimeError(f"the claims of stopped runs were not released: {error}") from error
        finally:
            worker.kill()
            worker.close()
        if response["failed"]:
            raise RuntimeError(f"the claims of stopped runs were not released. See {pool.log}.")
        pool.killed_runs.clear()
        return int(response["payload"])

    def is_running(self, name: str) -> bool:
        """Return whether this function is handling an event, or has one waiting."""
        return self._pools[self.stack.function(name).name].in_progress > 0

    def stop(self, grace_seconds: float = 0.0) -> None:
        """Accept no more events, give those in progress `grace_seconds` to finish, and end all workers."""
        for pool in self._pools.values():
            pool.reject_events()
        for pool in self._pools.values():
            pool.stop(grace_seconds)


@dataclass(slots=True, eq=False)
class _FunctionPool:
    """The workers of one function."""

    function: Function
    environment: Mapping[str, str]
    log: Path
    max_workers: int
    worker_factory: WorkerFactory
    in_progress: int = 0
    """The number of events that are waiting or running."""
    started_count: int = 0
    """The number of events so far."""
    killed_runs: list[str] = field(default_factory=list)
    """The ids of runs that were in progress when their workers were killed by `stop` or Ctrl-C."""
    _idle: list[WorkerProcess] = field(default_factory=list)
    _busy: set[WorkerProcess] = field(default_factory=set)
    _stopped: bool = False
    _changed: Condition = field(default_factory=Condition)

    def register_event(self) -> None:
        """Count an event as in progress, so that `stop` waits for it. Raises: RuntimeError, after `stop`."""
        with self._changed:
            if self._stopped:
                raise RuntimeError("the functions have been stopped")
            self.in_progress += 1
            self.started_count += 1

    def run(self, request_id: str, event: Any) -> InvocationResult:
        """Run the event in an idle worker, in a new one, or as soon as a worker is free."""
        try:
            worker = self._acquire_worker()
            if worker is None:
                return self._failure(request_id, "Runtime.ExitError", "the local stack is stopping")
            return self._run_in(worker, request_id, event)
        finally:
            with self._changed:
                self.in_progress -= 1
                self._changed.notify_all()

    def _acquire_worker(self) -> WorkerProcess | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._busy) < self.max_workers)
            if self._stopped:
                return None
            # most recently used first: the memory of the others may be swapped out
            while self._idle and not self._idle[-1].is_alive:
                self._idle.pop().close()
            stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
            worker = (
                self._idle.pop()
                if self._idle
                else self.worker_factory({**self.environment, "AWS_LAMBDA_LOG_STREAM_NAME": stream}, self.log)
            )
            self._busy.add(worker)
            return worker

    def _run_in(self, worker: WorkerProcess, request_id: str, event: Any) -> InvocationResult:
        seconds = self.function.timeout_seconds
        request = {"request_id": request_id, "arn": self.function.arn, "timeout_seconds": seconds, "event": event}
        is_reusable = False
        try:
            response = worker.exchange(request, seconds)
            is_reusable = not response["last"]
            return InvocationResult(request_id, json.loads(response["payload"]), response["failed"])
        except KeyboardInterrupt:
            self._note_killed(event)
            raise
        except TimeoutError as error:
            return self._failure(request_id, "Sandbox.Timedout", str(error))
        except WorkerLostError:
            if self._stopped:
                self._note_killed(event)
            return self._failure(request_id, "Runtime.ExitError", f"Runtime exited with error: {worker.close()}")
        finally:
            # also after Ctrl-C, while the worker still handles an event with no one waiting for the result
            if not is_reusable:
                worker.kill()
                worker.close()
            with self._changed:
                self._busy.discard(worker)
                if is_reusable:
                    self._idle.append(worker)
                self._changed.notify_all()

    def _note_killed(self, event: Any) -> None:
        if isinstance(event, dict) and "run" in event:
            self.killed_runs.append(event["run"])

    def _failure(self, request_id: str, error_type: str, message: str) -> InvocationResult:
        payload = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
        try:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(payload) + "\n")
        except OSError as error:  # a full disk, for example; it also makes workers exit
            payload["errorMessage"] += f", and the log cannot be written: {error.strerror}"
        return InvocationResult(request_id, payload, failed=True)

    def reject_events(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def stop(self, grace_seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self.in_progress, grace_seconds)
            for worker in self._busy:
                worker.kill()
            # with a timeout: Ctrl-C at the wrong moment leaves an event counted that is not running
            self._changed.wait_for(lambda: not self.in_progress, _KILL_TIMEOUT_SECONDS)
            while self._idle:
                self._idle.pop().close()


def lambda_environment(function: Function, stack: Stack) -> dict[str, str]:
    """Return the environment of a function: the template's variables, Lambda's own, and the AWS endpoint."""
    return {
        **function.environment,
        **CREDENTIALS,
        # so that a server can see which function sent a request
        "AWS_ACCESS_KEY_ID": function.logical_id,
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_REGION": stack.region,
        "AWS_DEFAULT_REGION": stack.region,
        # none of the user's own AWS configuration, and no slow search for credentials
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "LAMBDA_TASK_ROOT": str(ROOT),
        "_HANDLER": function.handler,
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
    }
