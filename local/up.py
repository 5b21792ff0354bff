"""`up`: the whole stack on this machine, from the same template that is deployed."""

import threading
from collections.abc import Iterator, Mapping
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
from local.cloud.event_sources import EventSourcePoller
from local.cloud.scheduler import Scheduler, scheduled_event
from local.cloud.secrets import read_api_key, set_headers
from local.cloud.stack import Stack, deploy
from local.console import Console
from local.http_server import HttpServer
from local.invoke import announce_stack, find_other_stack
from local.lambdas.gateway import LocalGateway
from local.lambdas.pool import Lambdas
from local.recogniser.process import run_recogniser
from local.report import collect_records, summary_lines, write_json
from local.run_until_done import TaskError, run_until_done
from local.sample_calls import put_samples
from local.watch import Watcher

STATE = ROOT / ".callscribe"
CONSOLE = Console()

KEPT = "The recordings stay queued at the AWS endpoint. Run the command again to continue."
NOT_KEPT = "Your files are unchanged. The simulated AWS ends with this run: run the command again to start over."
RETRIED = "The recordings stay queued, and the scheduled runs try again."
"""What becomes of the recordings that are left: with --aws-endpoint, with --once, and while the stack keeps running."""

MAX_REFRESH_SECONDS = 2.0
"""How long a task may wait until the lines of the task before it are printed. With many recordings it does not wait."""

INTERRUPTED = 130
"""The exit status after Ctrl-C, as in a shell."""

DEMO_OVERRIDES = {"RetryBaseSeconds": "1", "OutagePauseSeconds": "1"}
"""Shorter delays than in the cloud, for interactive use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line. `recordings`: a folder or an s3:// path, None for the samples.

    `parameters`: parameters of the template, by name. `remarks`: lines to print about them at the start.
    `headers`: those of each request to the server. `ca_certificates`: those that it trusts, in PEM format.
    `recogniser`: the engine of the built-in recogniser.
    """

    recordings: str | None
    broken: bool
    parameters: dict[str, str]
    headers: dict[str, str]
    recogniser: str
    model_dir: Path | None
    remarks: list[str]
    ca_certificates: str
    port: int
    once: bool
    json: Path | None
    aws_endpoint: str | None


def up(options: Options) -> int:
    """Start the stack and run the tasks; with --once, stop when done. Returns the exit status."""
    for remark in options.remarks:
        CONSOLE.print_line(remark)
    with ExitStack() as exit_stack:
        running = exit_stack.enter_context(_start_stack(options))
        if not options.once:
            _print_welcome(running)
            invoke_async = partial(running.lambdas.invoke, wait=False)
            exit_stack.enter_context(Scheduler(running.stack, invoke_async))
            exit_stack.enter_context(EventSourcePoller(running.stack, running.lambdas.invoke))
        exit_stack.callback(CONSOLE.show_counts, {})
        has_stopped = False
        with Watcher(
            running.api, CONSOLE.print_line, CONSOLE.show_counts, running.lambdas.monitor_activity(exclude="api")
        ) as watcher:
            try:
                problem = _run_tasks(running, watcher, options)
            except KeyboardInterrupt:
                problem, has_stopped = "Stopped before all recordings were processed.", True
        CONSOLE.show_counts({})
        exit_status = _report(running, problem, options.json)
        return INTERRUPTED if has_stopped and options.once else exit_status


def _run_tasks(running: "RunningStack", watcher: Watcher, options: Options) -> str | None:
    """Run the tasks until nothing is left to do or, without --once, until Ctrl-C. Returns the problem, if any.

    Raises: KeyboardInterrupt, when it is stopped before that.
    """
    try:
        problem = run_until_done(
            running.invoke,
            running.api,
            partial(watcher.refresh, MAX_REFRESH_SECONDS),
            CONSOLE.print_line,
            what_remains=KEPT if options.aws_endpoint else NOT_KEPT if options.once else RETRIED,
            is_processing=lambda: running.lambdas.is_running("process"),
        )
    except TaskError as error:
        problem = str(error)
    if options.once:
        watcher.refresh()
        return problem
    if problem:
        CONSOLE.print_line(problem)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    return problem


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A running stack."""

    stack: Stack
    lambdas: Lambdas
    api: ApiClient

    def invoke(self, task: str) -> dict[str, Any]:
        """Run a task as its schedule would, and return its run. Raises: TaskError, when it crashes."""
        name = self.stack.function(task).name
        rule = next(rule for rule in self.stack.rules if rule.function == name)
        result = self.lambdas.invoke(name, scheduled_event(rule, utc_now(), self.stack))
        if result.failed:
            raise TaskError(f"{task} failed: {result.payload['errorMessage']}. See the logs in {STATE / 'logs'}.")
        run: dict[str, Any] = result.payload
        return run


@contextmanager
def _start_stack(options: Options) -> Iterator[RunningStack]:
    with ExitStack() as exit_stack:
        endpoint = options.aws_endpoint or exit_stack.enter_context(serve_aws())
        if other_url := find_other_stack(endpoint):
            CONSOLE.print_line(
                f"Another stack is running on {endpoint}: {other_url}. Both work on the same recordings. If the "
                "endpoint is a plain moto server, both may send the same one at once, because its conditional writes "
                "are not atomic. To run them separately, use another endpoint."
            )
        parameters = DEMO_OVERRIDES | options.parameters
        if "WhisperXUrl" not in parameters:
            log = STATE / "logs" / "recogniser.log"
            recogniser = run_recogniser(
                parameters.get("WhisperXDialect", "asr"),
                log,
                engine=options.recogniser,
                model_dir=options.model_dir,
                print_line=CONSOLE.print_line,
            )
            parameters["WhisperXUrl"] = exit_stack.enter_context(recogniser)
        stack = deploy(ROOT / "template.yaml", endpoint, parameters)
        if options.headers:
            set_headers(endpoint, stack.secrets["WhisperXSecret"], options.headers)
        if options.recordings is None:
            put_samples(stack, broken=options.broken)
        try:
            server = HttpServer(options.port)
        except OSError as error:
            raise LocalError(f"Port {options.port}: {error.strerror}. Choose another one with --port.") from error
        exit_stack.callback(server.close)
        environment = {"AWS_ENDPOINT_URL_LAMBDA": server.url, "WHISPERX_CA_CERTIFICATE": options.ca_certificates}
        if options.recordings is not None:
            # replaces the template's parameter, which accepts folders only below the EFS mount
            environment["RECORDINGS_PATH"] = options.recordings
        lambdas = exit_stack.enter_context(_run_lambdas(stack, environment, keeps_state=bool(options.aws_endpoint)))
        server.start(LocalGateway(lambdas, "api"))
        exit_stack.enter_context(announce_stack(stack, server.url))
        key = read_api_key(stack.endpoint, stack.secrets["ApiKeySecret"])
        yield RunningStack(stack, lambdas, ApiClient(server.url, key))


@contextmanager
def _run_lambdas(stack: Stack, environment: Mapping[str, str], *, keeps_state: bool) -> Iterator[Lambdas]:
    """Run the functions. With `keeps_state`, give back at the end what stopped runs of process held."""
    with Lambdas(stack, STATE, environment) as lambdas:
        try:
            yield lambdas
        finally:
            lambdas.stop()
            if keeps_state:
                try:
                    count = lambdas.release_claims()
                except RuntimeError as error:
                    CONSOLE.print_line(f"{error} They expire within 16 minutes.")
                else:
                    if count:
                        CONSOLE.print_line(f"{count} recording(s) were being transcribed, and are queued again.")


def _print_welcome(running: RunningStack) -> None:
    CONSOLE.print_line(
        f"HTTP API:   {running.api.url}\n"
        f'  curl -H "Authorization: Bearer {running.api.key}" {running.api.url}/api/call-recordings\n'
        f"Admin page: {running.api.url}/admin (sign in with the same key)\n"
        f"Local AWS:  {running.stack.endpoint} (recordings bucket {running.stack.buckets['RecordingsBucket']})\n"
        "The tasks run now, and then on their schedules. Press Ctrl-C to stop.\n"
    )


def _report(running: RunningStack, problem: str | None, path: Path | None) -> int:
    summary = summary_lines(running.api)
    for text in ("", *summary, *([problem] if problem else [])):
        CONSOLE.print_line(text)
    if path:
        CONSOLE.print_line(f"Writing all recordings to {path}. Press Ctrl-C to skip this.")
        try:
            write_json(path, collect_records(running.api))
        except OSError as error:
            raise LocalError(f"--json {path}: cannot write it: {error.strerror}.") from error
    return 0 if len(summary) == 1 and problem is None else 1
