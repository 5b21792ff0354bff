"""The simulated world: a clock that the test moves, and the real handlers as actors."""

import os
import random
import uuid
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callscribe.observability import logger, metrics
from callscribe.recordings.recording import Status
from callscribe.recordings.service_request import HttpExchange
from callscribe.store import tables
from callscribe.whisperx import RequestLogger
from functions.api import settings as api_settings
from functions.api.routes import recording
from functions.api.schemas.recordings import RecordingUpdateRequest, TranscribeRequest
from functions.process import app as process
from functions.process import transcription, worker
from functions.queue import app as queue
from functions.sync import app as sync
from local.cloud.client import CREDENTIALS, aws_client
from local.cloud.stack import Stack
from local.lambdas.pool import lambda_environment
from tests.integration.simulation.actors import Actor, Fault, PausePoint, current_actor
from tests.integration.simulation.in_process_aws import InProcessAws
from tests.integration.simulation.service import Mode, SimulatedService, Upload

START_TIME = datetime(2026, 11, 22, 12, tzinfo=UTC)

REQUEST_DURATION = timedelta(milliseconds=5)
"""Of a request to AWS or to the service."""

JOB_TIMEOUT = timedelta(minutes=20)

NO_TIME = timedelta(0)

MAX_ACTIVE = 4
"""How many runs and requests can be active at the same time."""

BUCKET = "simulated-recordings"
"""A fixed name: the ids of recordings are derived from it, and determine their order."""

HANDLERS = {"sync": sync.lambda_handler, "queue": queue.lambda_handler, "process": process.lambda_handler}


@dataclass(frozen=True, slots=True)
class Setup:
    """The stack's parameters in one example.

    `clock_lag`: seconds that a process run may outlive its deadline, at most four minutes: see
    `status_counts.MAX_WRITE_LAG`. Claim tokens guard against such runs.
    """

    slots: int = 1
    per_run: int = 1
    max_attempts: int = 2
    interval: int = 60
    clock_lag: int = 0
    has_jobs: bool = False
    """Whether the service responds with jobs."""


class World:
    """Runs the handlers for one example after the other. `totals` counts events over all examples."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        aws_client("s3", stack.endpoint).create_bucket(Bucket=BUCKET)
        stack = replace(stack, buckets={**stack.buckets, "RecordingsBucket": BUCKET})
        self.stack, self._patch = stack, monkeypatch
        self.totals: Counter[str] = Counter()
        for name in ("api", "sync", "queue", "process"):
            # signed by no function: later tests in this process may use the clients that are created here
            for variable, value in (lambda_environment(stack.function(name), stack) | CREDENTIALS).items():
                monkeypatch.setenv(variable, value)
        monkeypatch.setenv("RECORDINGS_PATH", f"s3://{BUCKET}/")
        monkeypatch.setattr(logger._logger, "disabled", True)
        for method in ("add_metric", "flush_metrics"):  # runs in one process would mix their metrics
            monkeypatch.setattr(metrics.provider, method, lambda **_: None)
        tables.configure(os.environ)
        self.aws = InProcessAws(stack, monkeypatch)
        for module in (sync, queue, process, recording):
            monkeypatch.setattr(module, "utc_now", self.now)
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=self._random.getrandbits(128), version=4))
        monkeypatch.setattr(process, "random", SimpleNamespace(Random=lambda: random.Random(1)))
        monkeypatch.setattr(process, "ThreadPoolExecutor", lambda _: _ActorExecutor(self))
        monkeypatch.setattr(
            transcription, "connect", lambda _settings, _key, observe=None: _LoggedConnection(self, observe)
        )
        monkeypatch.setattr(worker, "wait", self._wait)
        monkeypatch.setitem(cast("Any", worker.Worker.__init__.__kwdefaults__), "sleep", self._sleep)

    def reset(self, setup: Setup) -> None:
        """Empty the world for the next example."""
        self.setup, self.current_time = setup, START_TIME
        self.actors: list[Actor] = []
        self.uploads: list[Upload] = []
        self.files: set[str] = set()
        self.on_upload: Callable[[Upload], None] = lambda _: None
        self.service = SimulatedService(setup.has_jobs, lambda: self.current_time, self._record_upload, self._count)
        self._random = random.Random(1)
        self.aws.on_invoke = lambda: self.start("process", trigger="api") and None
        self.aws.empty()
        transcription._secret_cache.clear()
        for name, value in (
            ("MAX_CONCURRENT_TRANSCRIPTIONS", setup.slots),
            ("RECORDINGS_PER_RUN", setup.per_run),
            ("MAX_ATTEMPTS", setup.max_attempts),
            ("PROCESS_INTERVAL_SECONDS", setup.interval),
            ("RETRY_BASE_SECONDS", 60),
            ("JOB_TIMEOUT_MINUTES", int(JOB_TIMEOUT.total_seconds() / 60)),
        ):
            self._patch.setenv(name, str(value))
        for settings in (sync.load_env, process.load_settings, api_settings.settings):
            settings.cache_clear()

    def add_file(self, key: str) -> None:
        """Add a recording, as the phone system does."""
        self.aws.put("RecordingsBucket", key, 100)
        self.aws.bucket("RecordingsBucket")[key].last_modified = self.current_time.replace(microsecond=0)
        self.files.add(key)

    # time -------------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The handlers' clock. It advances by a microsecond each time, so that no two timestamps are equal."""
        self.current_time += timedelta(microseconds=1)
        return self.current_time

    def advance(self, seconds: float) -> list[Actor]:
        """Let time pass, and kill the runs and requests that reach their timeout; returns them."""
        self.current_time += timedelta(seconds=seconds)
        lag = timedelta(seconds=self.setup.clock_lag)
        overdue = [
            actor
            for actor in self.active_actors()
            if actor.deadline + (lag if actor.kind == "process" else NO_TIME) <= self.current_time
        ]
        for actor in overdue:
            actor.kill()
        return overdue

    # actors -----------------------------------------------------------------------------------------------------------

    def active_actors(self) -> list[Actor]:
        """Return the runs and requests that have not ended."""
        return [actor for actor in self.actors if actor.parent is None and not actor.has_ended]

    def ready_actors(self) -> list[Actor]:
        """Return the actors that can continue."""
        return [actor for actor in self.actors if actor.is_ready]

    def start(self, name: str, **event: Any) -> Actor | None:
        """Start a task, and return its run; None when MAX_ACTIVE are active already, as if Lambda throttled it."""
        return self._add_actor(name, lambda context: HANDLERS[name](event, context))

    def send_user_request(self, recording_id: str, request_type: str) -> Actor | None:
        """Send a request to the API: `transcribe`, `force` (transcribe again), or a status to set."""

        def request(_: Any) -> Any:
            if request_type in Status:
                change = RecordingUpdateRequest.model_validate({"transcriptionStatus": request_type})
                return recording.update_recording(recording_id, change)
            return recording.transcribe_recording(recording_id, TranscribeRequest(force=request_type == "force"))

        return self._add_actor("force" if request_type == "force" else "api", request)

    def _add_actor(self, kind: str, work: Callable[[Any], Any]) -> Actor | None:
        if len(self.active_actors()) >= MAX_ACTIVE:
            return None
        function = self.stack.function("api" if kind == "force" else kind)
        deadline = self.current_time + timedelta(seconds=function.timeout_seconds)

        def remaining() -> int:
            return int((deadline - self.current_time).total_seconds() * 1000)

        context = SimpleNamespace(
            get_remaining_time_in_millis=remaining,
            function_name=function.name,
            memory_limit_in_mb=512,
            invoked_function_arn=function.arn,
            aws_request_id="1",
        )
        actor = Actor(kind, lambda: work(context), deadline)
        actor.files_at_start = frozenset(self.files)
        self.actors.append(actor)
        return actor

    def step(self, actor: Actor, fault: Fault = Fault.NONE) -> None:
        """Let one actor run until its next pause point."""
        self.totals["steps"] += 1
        if actor.pause_point is not None and actor.pause_point.is_remote:
            self.totals["remote requests"] += 1
            self.current_time += REQUEST_DURATION
        if fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            self.totals["crashes"] += 1
        elif fault is not Fault.NONE:
            self.totals["responses lost" if fault is Fault.RESPONSE_LOST else "requests lost"] += 1
        actor.resume(fault)

    # replacements for what handlers wait for --------------------------------------------------------------------------

    def _sleep(self, seconds: float) -> None:
        until = self.current_time + timedelta(seconds=seconds)
        _pause(PausePoint("sleep", lambda: self.current_time >= until, is_remote=False))

    def _wait(self, futures: Collection[Future[Any]], seconds: float, _: str) -> tuple[list[Any], list[Any]]:
        """Like `concurrent.futures.wait` with FIRST_COMPLETED, but in a deterministic order."""
        until = self.current_time + timedelta(seconds=seconds)
        _pause(
            PausePoint(
                "wait", lambda: self.current_time >= until or any(future.done() for future in futures), is_remote=False
            )
        )
        return [future for future in futures if future.done()], [future for future in futures if not future.done()]

    def _count(self, event: str) -> None:
        self.totals[event] += 1

    def _record_upload(self, upload: Upload) -> None:
        self.totals["uploads"] += 1
        self.totals["uploaded again"] += any(earlier.claimed.id == upload.claimed.id for earlier in self.uploads)
        self.totals["without a response"] += self.service.mode is Mode.NEVER_RESPONDS
        self.uploads.append(upload)
        self.on_upload(upload)


@dataclass(frozen=True, slots=True)
class _LoggedConnection:
    """A connection to the service that reports each exchange to `observe`, as real connections do."""

    world: World
    observe: RequestLogger | None

    def send(self, *args: Any, **options: Any) -> Any:
        return self._exchange(self.world.service.send, *args, **options)

    def poll(self, *args: Any) -> Any:
        return self._exchange(self.world.service.poll, *args)

    def _exchange(self, exchange: Callable[..., Any], *args: Any, **options: Any) -> Any:
        began = self.world.now()
        try:
            return exchange(*args, **options)
        finally:
            if self.observe:
                self.observe(
                    HttpExchange(
                        method="POST",
                        url="http://service",
                        started_at=began,
                        duration=0.0,
                        status=None,
                        bytes_sent=0,
                        bytes_received=0,
                        error=None,
                    )
                )


class _ActorExecutor(Executor):
    """Runs each transcription as an actor in the process of the run that submits it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def submit(self, work: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        run = current_actor()
        assert run is not None
        # the first argument is the recording
        transcription = Actor(
            "transcription", lambda: future.set_result(work(*args)), run.deadline, parent=run, claimed=args[0]
        )
        self._world.actors.append(transcription)
        return future


def _pause(pause_point: PausePoint) -> None:
    actor = current_actor()
    assert actor is not None
    actor.pause(pause_point)
