"""The world of the simulation: a clock that the test moves, and the real handlers as actors in it."""

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
from aws_lambda_powertools.utilities.parameters.constants import DEFAULT_PROVIDERS

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
from local.cloud.client import aws_client
from local.cloud.stack import Stack
from local.lambdas.pool import lambda_environment
from tests.integration.simulation.actors import Actor, Call, Go, current
from tests.integration.simulation.remote import Remote
from tests.integration.simulation.service import Mode, Sent, SimulatedService

BEGINNING = datetime(2026, 11, 22, 12, tzinfo=UTC)

CALL = timedelta(milliseconds=5)
"""What a remote call takes."""

JOB_TIMEOUT = timedelta(minutes=20)

NOT = timedelta(0)

LIVING = 4
"""So many runs and requests live at once."""

BUCKET = "recordings-of-the-stories"
"""Of a name that is always the same: the ids of recordings are made of it, and stand in an order by them."""

HANDLERS = {"sync": sync.lambda_handler, "queue": queue.lambda_handler, "process": process.lambda_handler}


@dataclass(frozen=True, slots=True)
class Setup:
    """The stack's parameters in one example, and by how many seconds Lambda's clock is behind that of a process run.

    A run that outlives its lease is what tokens are for. More than four minutes late is none: see `counts.SETTLED`.
    """

    slots: int = 1
    per_run: int = 1
    max_attempts: int = 2
    interval: int = 60
    late: int = 0
    jobs: bool = False
    """Whether the service answers with jobs."""


class World:
    """`totals` counts what happened, over all examples."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        aws_client("s3", stack.endpoint).create_bucket(Bucket=BUCKET)
        stack = replace(stack, buckets={**stack.buckets, "RecordingsBucket": BUCKET})
        self.stack, self._patch = stack, monkeypatch
        self.totals: Counter[str] = Counter()
        for name in ("api", "sync", "queue", "process"):
            for variable, value in lambda_environment(stack.function(name), stack).items():
                monkeypatch.setenv(variable, value)
        monkeypatch.setenv("RECORDINGS_PATH", f"s3://{BUCKET}/")
        monkeypatch.setattr(logger._logger, "disabled", True)
        for method in ("add_metric", "flush_metrics"):  # runs in one process would mix theirs
            monkeypatch.setattr(metrics.provider, method, lambda **_: None)
        tables.configure(os.environ)
        self.remote = Remote(stack, monkeypatch)
        for module in (sync, queue, process, recording):
            monkeypatch.setattr(module, "utc_now", self.now)
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=self._chance.getrandbits(128), version=4))
        monkeypatch.setattr(process, "random", SimpleNamespace(Random=lambda: random.Random(1)))
        monkeypatch.setattr(process, "ThreadPoolExecutor", lambda _: _Transcriptions(self))
        monkeypatch.setattr(transcription, "connect", lambda _settings, _key, observe=None: _Observed(self, observe))
        monkeypatch.setattr(worker, "wait", self._wait)
        monkeypatch.setitem(cast("Any", worker.Worker.__init__.__kwdefaults__), "sleep", self._sleep)

    def begin(self, setup: Setup) -> None:
        """An empty world for the next example."""
        self.setup, self.moment = setup, BEGINNING
        self.actors: list[Actor] = []
        self.sent: list[Sent] = []
        self.files: set[str] = set()
        self.witness: Callable[[Sent], None] = lambda _: None
        self.service = SimulatedService(setup.jobs, lambda: self.moment, self._begun, self._met)
        self._chance = random.Random(1)
        self.remote.invoked = lambda: self.start("process", trigger="api") and None
        self.remote.empty()
        for provider in DEFAULT_PROVIDERS.values():
            provider.clear_cache()
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
        """The phone system leaves a recording."""
        self.remote.put("RecordingsBucket", key, 100)
        self.remote.bucket("RecordingsBucket")[key].last_modified = self.moment.replace(microsecond=0)
        self.files.add(key)

    # time -------------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """As the handlers read it: each time a little later, so that no two moments are the same."""
        self.moment += timedelta(microseconds=1)
        return self.moment

    def jump(self, seconds: float) -> list[Actor]:
        """Lets time pass; gives the runs and requests that Lambda has ended since, for it was over for them."""
        self.moment += timedelta(seconds=seconds)
        late = timedelta(seconds=self.setup.late)
        overdue = [
            each for each in self.living() if each.deadline + (late if each.kind == "process" else NOT) <= self.moment
        ]
        for each in overdue:
            each.kill()
        return overdue

    # who acts ---------------------------------------------------------------------------------------------------------

    def living(self) -> list[Actor]:
        """Runs and requests that have not ended."""
        return [each for each in self.actors if each.parent is None and not each.ended]

    def standing(self) -> list[Actor]:
        """Who stands at a call that it can go on from."""
        return [each for each in self.actors if each.ready]

    def start(self, name: str, **event: Any) -> Actor | None:
        """A run of a task; None when enough live already, as Lambda throttles too."""
        return self._appear(name, lambda context: HANDLERS[name](event, context))

    def ask(self, recording_id: str, wish: str) -> Actor | None:
        """A request to the API: to `transcribe`, also by `force`, or for a status."""

        def request(_: Any) -> Any:
            if wish in Status:
                change = RecordingUpdateRequest.model_validate({"transcriptionStatus": wish})
                return recording.update_recording(recording_id, change)
            return recording.transcribe_recording(recording_id, TranscribeRequest(force=wish == "force"))

        return self._appear("force" if wish == "force" else "api", request)

    def _appear(self, kind: str, work: Callable[[Any], Any]) -> Actor | None:
        if len(self.living()) >= LIVING:
            return None
        function = self.stack.function("api" if kind == "force" else kind)
        deadline = self.moment + timedelta(seconds=function.timeout_seconds)

        def remaining() -> int:
            return int((deadline - self.moment).total_seconds() * 1000)

        context = SimpleNamespace(
            get_remaining_time_in_millis=remaining,
            function_name=function.name,
            memory_limit_in_mb=512,
            invoked_function_arn=function.arn,
            aws_request_id="1",
        )
        actor = Actor(kind, lambda: work(context), deadline)
        actor.files = frozenset(self.files)
        self.actors.append(actor)
        return actor

    def go(self, actor: Actor, how: Go = Go.ON) -> None:
        """One step of one actor."""
        self.totals["steps"] += 1
        if actor.at is not None and actor.at.remote:
            self.totals["remote calls"] += 1
            self.moment += CALL
        if how in (Go.DIE_BEFORE, Go.DIE_AFTER):
            self.totals["crashes"] += 1
        elif how is not Go.ON:
            self.totals["answers lost" if how is Go.ANSWER_LOST else "requests lost"] += 1
        actor.go(how)

    # what the handlers wait for ---------------------------------------------------------------------------------------

    def _sleep(self, seconds: float) -> None:
        until = self.moment + timedelta(seconds=seconds)
        _stand(Call("sleep", lambda: self.moment >= until, remote=False))

    def _wait(self, futures: Collection[Future[Any]], seconds: float, _: str) -> tuple[list[Any], list[Any]]:
        """As `concurrent.futures.wait` for the first to end, but in an order that is always the same."""
        until = self.moment + timedelta(seconds=seconds)
        _stand(Call("wait", lambda: self.moment >= until or any(each.done() for each in futures), remote=False))
        return [each for each in futures if each.done()], [each for each in futures if not each.done()]

    def _met(self, what: str) -> None:
        self.totals[what] += 1

    def _begun(self, sent: Sent) -> None:
        self.totals["sent"] += 1
        self.totals["sent again"] += any(each.claimed.id == sent.claimed.id for each in self.sent)
        self.totals["without an answer"] += self.service.mode is Mode.NEVER_ANSWERS
        self.sent.append(sent)
        self.witness(sent)


@dataclass(frozen=True, slots=True)
class _Observed:
    """A connection to the service of which each exchange is told, as by the real ones."""

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


class _Transcriptions(Executor):
    """Each as an actor, in the process of the run that asks for it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def submit(self, work: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        run = current()
        assert run is not None
        # what is sent is the first argument
        transcription = Actor(
            "transcription", lambda: future.set_result(work(*args)), run.deadline, parent=run, claimed=args[0]
        )
        self._world.actors.append(transcription)
        return future


def _stand(call: Call) -> None:
    actor = current()
    assert actor is not None
    actor.stand(call)
