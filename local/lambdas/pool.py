"""Runs the deployed functions as Lambda would: each event in a process that serves one event at a time.

Workers are started as events come, kept for the next one, killed when their time is up, and replaced when
they die. An event that failed is not tried again: the template says the same of its scheduled functions.
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

from local.cloud.client import CREDENTIALS
from local.cloud.stack import Function, Stack
from local.lambdas.worker_process import ROOT, WorkerLostError, WorkerProcess

# Enough for a page that loads many things at once; the import alone makes a worker 35 to 50 MB large.
WORKERS_PER_FUNCTION = 10
# So long `stop` waits for workers that it has killed.
_KILL_TIMEOUT_SECONDS = 10.0

# A worker of this environment that writes to this log.
type WorkerFactory = Callable[[Mapping[str, str], Path], WorkerProcess]


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """What came of an event: the payload, decoded; if it failed, with `errorMessage` and `errorType`."""

    request_id: str
    payload: Any = None
    failed: bool = False


class Lambdas:
    """The functions of a stack, ready to be invoked. A context manager: at its end all workers are gone.

    `environment` is added to that of each function, over its own. The workers' output goes to
    `state/logs/<logical id>.log`. `worker` starts one.
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
        """Run one event through a function, named as `Stack.function` takes it.

        Without `wait` the result has no payload: what comes of the event is in the function's log. Raises
        `KeyError` for an unknown function, `TypeError` for an event that is no JSON, `RuntimeError` once
        stopped.
        """
        pool = self._pools[self.stack.function(name).name]
        request_id = str(uuid.uuid4())
        json.dumps(event)
        pool.register_event()
        if wait:
            return pool.run(request_id, event)
        Thread(target=pool.run, args=(request_id, event), name=f"{name} {request_id}", daemon=True).start()
        return InvocationResult(request_id)

    def monitor_activity(self, *, exclude: str) -> Callable[[], bool]:
        """Return a function that says whether any function but this one has run since the last call."""
        ignored = self.stack.function(exclude).name
        pools = [pool for name, pool in self._pools.items() if name != ignored]
        previous = (0, 0)

        def has_run() -> bool:
            nonlocal previous
            current = sum(pool.started_count for pool in pools), sum(pool.in_progress for pool in pools)
            changed, previous = current != previous, current
            return changed or previous[1] > 0

        return has_run

    def stop(self, grace_seconds: float = 0.0) -> None:
        """Take no more events, give those under way `grace_seconds` to end, and end all workers."""
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
    """How many events are waiting or running."""
    started_count: int = 0
    """How many there have been so far."""
    _idle: list[WorkerProcess] = field(default_factory=list)
    _busy: set[WorkerProcess] = field(default_factory=set)
    _stopped: bool = False
    _changed: Condition = field(default_factory=Condition)

    def register_event(self) -> None:
        """Announce an event, so that `stop` knows of it from here on."""
        with self._changed:
            if self._stopped:
                raise RuntimeError("the functions have been stopped")
            self.in_progress += 1
            self.started_count += 1

    def run(self, request_id: str, event: Any) -> InvocationResult:
        """Run the event in a worker that is free, in a new one, or as soon as one gets free."""
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
            # The last one used first: the others' memory may be swapped out.
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
        except TimeoutError as error:
            return self._failure(request_id, "Sandbox.Timedout", str(error))
        except WorkerLostError:
            return self._failure(request_id, "Runtime.ExitError", f"Runtime exited with error: {worker.close()}")
        finally:
            # Also after a Ctrl-C, when the worker is in the middle of an event that nobody waits for any
            # more.
            if not is_reusable:
                worker.kill()
                worker.close()
            with self._changed:
                self._busy.discard(worker)
                if is_reusable:
                    self._idle.append(worker)
                self._changed.notify_all()

    def _failure(self, request_id: str, error_type: str, message: str) -> InvocationResult:
        payload = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(payload) + "\n")
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
            # Not for ever: a Ctrl-C in the wrong instant leaves an event counted that nobody runs.
            self._changed.wait_for(lambda: not self.in_progress, _KILL_TIMEOUT_SECONDS)
            while self._idle:
                self._idle.pop().close()


def lambda_environment(function: Function, stack: Stack) -> dict[str, str]:
    """Give what a function finds in `os.environ`: the template's variables, Lambda's, and where AWS is."""
    return {
        **function.environment,
        **CREDENTIALS,
        # Whose request it is can be told where it arrives.
        "AWS_ACCESS_KEY_ID": function.logical_id,
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_REGION": stack.region,
        "AWS_DEFAULT_REGION": stack.region,
        # Nothing of the user's own AWS set-up, and no search for credentials that takes seconds to find none.
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
