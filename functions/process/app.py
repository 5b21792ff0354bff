"""Handler of process_transcription: sends queued recordings to the customer's WhisperX server."""

from callscribe import cold_start  # first, and finish_imports() last: the garbage collector is off in between

# isort: split
import os
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError
from callscribe.observability import add_count, logger, metrics
from callscribe.recordings.run import TEST_TRIGGER, Task, Trigger
from callscribe.settings.environment import from_env
from callscribe.settings.process import ProcessSettings
from callscribe.store import runs, settings_overrides, tables
from functions.process.run_claims import Deadline
from functions.process.transcription import Transcriber, WhisperXConnection
from functions.process.worker import Worker

MAX_PARALLEL = 8
"""Maximum number of concurrent transcriptions in one invocation: its memory allows no more. If there are more slots,
the next invocation uses the rest."""


@cache
def load_settings() -> ProcessSettings:
    """Read the environment, once per OS process and not before the first event."""
    return from_env(ProcessSettings, os.environ)


@cache
def configure_tables() -> None:
    """Configure the tables from the environment, once per OS process."""
    tables.configure(os.environ)


def round_times(trigger: Trigger, started_at: datetime, interval_seconds: int) -> list[datetime]:
    """When this run starts recordings, `interval_seconds` apart.

    A schedule fires at most once a minute, so a scheduled run has all rounds of its minute; any other run has one.
    """
    round_count = 60 // interval_seconds if trigger is Trigger.SCHEDULE else 1
    return [started_at + timedelta(seconds=number * interval_seconds) for number in range(round_count)]


def check_connection(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Report whether the configured server can be reached, and what to change if it cannot.

    `payload` may hold `settings` to test instead of the stored overrides, and `credentials` instead of the stored ones.
    """
    from callscribe.whisperx.connection_failures import ConnectionTestResult
    from callscribe.whisperx.connection_test import run_connection_test

    try:
        overrides = payload["settings"] if "settings" in payload else settings_overrides.load().whisperx
        settings = load_settings().effective_settings(overrides)
        connection = WhisperXConnection(settings, default_url=load_settings().whisperx_url)
        credentials = connection.load_credentials(refresh_key=True, changes=payload.get("credentials", {}))
        result = run_connection_test(settings, credentials)
    except ConfigurationError as error:
        result = ConnectionTestResult(ok=False, code=error.code, message=error.message)
    add_count("ConnectionTestsFailed", int(not result.ok))
    return asdict(result)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a scheduled event, or the API's `{"trigger": "api", "run": ID}` with the id that it chose. Return the run.

    `{"trigger": "test"}` only tests the connection.
    """
    configure_tables()
    if event.get("trigger") == TEST_TRIGGER:
        return check_connection(event)
    trigger, started_at = Trigger.from_event(event), utc_now()
    ends_at = started_at + timedelta(milliseconds=context.get_remaining_time_in_millis())
    with runs.record_run(Task.PROCESS, trigger, utc_now, ends_at, event.get("run")) as run:
        overrides = settings_overrides.load_if_enabled(Task.PROCESS)
        settings = load_settings().effective_settings({**overrides.call_recordings, **overrides.whisperx})
        connection = WhisperXConnection(settings, default_url=load_settings().whisperx_url)
        max_parallel = min(settings.max_concurrent_transcriptions, MAX_PARALLEL)
        executor = ThreadPoolExecutor(max_parallel)
        worker = Worker(
            settings=settings,
            transcriber=Transcriber(settings, connection, utc_now),
            max_parallel=max_parallel,
            deadline=Deadline(started_at, ends_at),
            executor=executor,
            clock=utc_now,
            jitter=random.Random(),  # noqa: S311 — spreads retries, not used for security
            run=run,
        )
        try:
            worker.run(round_times(trigger, started_at, settings.process_interval_seconds))
        finally:
            executor.shutdown(wait=False)  # an aborted transcription may still hang; do not wait for it
    return run.to_api()


cold_start.finish_imports()
