"""`up`: the whole stack on this machine, from the very template that is deployed."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from callscribe.clock import utc_now
from local import LocalError
from local.api_client import ApiClient
from local.build import ROOT
from local.cloud.aws import serve_aws
from local.cloud.scheduler import Scheduler, scheduled_event
from local.cloud.secrets import api_key
from local.cloud.stack import Stack, deploy
from local.cloud.uploads import uploads
from local.drive import TaskError, drive
from local.http_server import HttpServer
from local.invoke import announced
from local.lambdas.front import Front
from local.lambdas.pool import Lambdas
from local.recogniser.started import recogniser
from local.report import records, summary, write_json
from local.sample_calls import put_samples
from local.terminal import Terminal
from local.watch import Watcher

STATE = ROOT / ".callscribe"
TERMINAL = Terminal()

IMPATIENCE = {"RetryBaseSeconds": "1", "OutagePauseSeconds": "1"}
"""A minute in the cloud; here somebody is watching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for. `recordings` is None for the samples, else a folder or an s3:// path.

    `parameters` are those of the template, by their names there.
    """

    recordings: str | None
    broken: bool
    parameters: dict[str, str]
    port: int
    once: bool
    json: Path | None
    aws_endpoint: str | None


def up(options: Options) -> int:
    """Brings the stack up, runs the tasks, and with `once` takes it down again; the exit status."""
    with ExitStack() as parts:
        running = parts.enter_context(_running(options))
        if not options.once:
            _say_hello(running)
            fire = partial(running.lambdas.invoke, wait=False)
            parts.enter_context(Scheduler(running.stack, fire))
            parts.enter_context(uploads(fire))
        parts.callback(TERMINAL.show, {})
        with Watcher(running.api, TERMINAL.say, TERMINAL.show, running.lambdas.activity(except_for="api")) as watcher:
            trouble = _work(running, watcher, stays=not options.once)
            watcher.look()
        TERMINAL.show({})
        return _report(running, trouble, options.json)


def _work(running: "Local", watcher: Watcher, *, stays: bool) -> str | None:
    """Runs the tasks until nothing is left to do; where the stack stays up, until Ctrl-C. Returns what went wrong."""
    try:
        trouble = drive(running.invoke, running.api, watcher.look, TERMINAL.say)
    except TaskError as error:
        trouble = str(error)
    except KeyboardInterrupt:
        return "Stopped before all was done."
    if stays:
        if trouble:
            TERMINAL.say(trouble)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return trouble


@dataclass(frozen=True, slots=True)
class Local:
    """A stack that is up."""

    stack: Stack
    lambdas: Lambdas
    api: ApiClient

    def invoke(self, task: str) -> dict[str, Any]:
        """Runs a task as its schedule would, and returns its run. Raises TaskError."""
        name = self.stack.function(task).name
        rule = next(rule for rule in self.stack.rules if rule.function == name)
        result = self.lambdas.invoke(name, scheduled_event(rule, utc_now(), self.stack))
        if result.failed:
            raise TaskError(f"{task} failed: {result.payload['errorMessage']}. Look into {STATE / 'logs'}.")
        run: dict[str, Any] = result.payload
        return run


@contextmanager
def _running(options: Options) -> Iterator[Local]:
    with ExitStack() as parts:
        endpoint = options.aws_endpoint or parts.enter_context(serve_aws())
        parameters = options.parameters | IMPATIENCE
        if "WhisperXUrl" not in parameters:
            log = STATE / "logs" / "recogniser.log"
            parameters["WhisperXUrl"] = parts.enter_context(recogniser(parameters["WhisperXDialect"], log))
        stack = deploy(ROOT / "template.yaml", endpoint, parameters)
        if options.recordings is None:
            put_samples(stack, broken=options.broken)
        try:
            server = HttpServer(options.port)
        except OSError as error:
            raise LocalError(f"Port {options.port}: {error.strerror}. Choose another one with --port.") from error
        parts.callback(server.close)
        overrides = {"AWS_ENDPOINT_URL_LAMBDA": server.url}
        if options.recordings is not None:
            # over the template's parameter, which takes folders only where EFS mounts them
            overrides["RECORDINGS_PATH"] = options.recordings
        lambdas = parts.enter_context(Lambdas(stack, STATE, overrides))
        server.start(Front(lambdas, "api"))
        parts.enter_context(announced(stack, server.url))
        key = api_key(stack.endpoint, stack.secrets["ApiKeySecret"])
        yield Local(stack, lambdas, ApiClient(server.url, key))


def _say_hello(running: Local) -> None:
    TERMINAL.say(
        f"The API answers at {running.api.url} with this key:\n"
        f'  curl -H "Authorization: Bearer {running.api.key}" {running.api.url}/api/call-recordings\n'
        f"The admin page is at {running.api.url}/admin: sign in with the same key.\n"
        f"AWS answers at {running.stack.endpoint}, with the bucket {running.stack.buckets['RecordingsBucket']}.\n"
        "The tasks run now, and then by their schedules. Stop with Ctrl-C.\n"
    )


def _report(running: Local, trouble: str | None, path: Path | None) -> int:
    recordings = records(running.api)
    if path:
        write_json(path, recordings)
    for text in ("", *summary(recordings), *([trouble] if trouble else [])):
        TERMINAL.say(text)
    completed = all(recording["status"] == "completed" for recording in recordings)
    return 0 if completed and trouble is None else 1
