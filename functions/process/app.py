"""process_transcription: recordings from the head of the queue through the customer's WhisperX server."""

from callscribe import cold_start

# isort: split
import os
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError
from callscribe.observability import add_count, logger, metrics
from callscribe.recordings.run import Task
from callscribe.settings.environment import from_env
from callscribe.settings.process import ProcessSettings
from callscribe.settings.whisperx import HEADER_SAFE, server_origin
from callscribe.store import runs, settings_overrides, tables
from callscribe.store.settings_overrides import SettingsOverrides
from callscribe.transcripts.stereo import channel_layout
from callscribe.whisperx import connect
from functions.process.deadline import Deadline
from functions.process.finalizer import Limits
from functions.process.transcription import Transcriber
from functions.process.worker import Worker

TEST = "test"
"""What triggers no run: it is a person who wants to know whether the server answers."""

KEY_CACHE_SECONDS = 300
"""How long a changed WhisperX key may go unnoticed: a run then costs no request for it."""

MAX_PARALLEL = 8
"""Transcriptions that one invocation works on at once, for the sake of its memory; with more slots than that, the next
one joins in."""


@cache
def load_settings() -> ProcessSettings:
    """Read once a process, when the first event comes."""
    return from_env(ProcessSettings, os.environ)


def effective_settings(overrides: SettingsOverrides) -> ProcessSettings:
    """Effective settings: template defaults with user overrides applied."""
    return load_settings().with_overrides(overrides.whisperx).with_channel_overrides(overrides.call_recordings)


_key_cached_for: set[str] = set()
"""The server that the key in the cache was read for."""


def load_api_key(settings: ProcessSettings, *, refresh_key: bool) -> str:
    """The key of the WhisperX server out of Secrets Manager; `fresh`: as it is there at this moment.

    It is read anew for another server too: that was set together with its key. It is sent to the server that it was set
    for, which is the template's where the secret does not say; whoever may set another address over the API is not to
    have it sent there. Raises ConfigurationError.
    """
    # here, for they bring all of boto3, and a run that has nothing to send does without
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

    refresh_key = refresh_key or settings.whisperx_url not in _key_cached_for
    try:
        secret: Any = parameters.get_secret(
            settings.whisperx_secret, transform="json", max_age=KEY_CACHE_SECONDS, force_fetch=refresh_key
        )
        key: str = secret["apiKey"].strip()
        server: str = secret.get("server") or server_origin(load_settings().whisperx_url)
    except (GetParameterError, TransformParameterError, TypeError, KeyError, AttributeError) as error:
        # the cause may quote the secret: it goes into no message and no log
        raise ConfigurationError(
            f"The WhisperX secret cannot be read ({type(error).__name__}). "
            'It must exist and hold {"apiKey": "…"}, with an empty string if the server wants no key.'
        ) from None
    if key and server != server_origin(settings.whisperx_url):
        raise ConfigurationError(
            "The key in the WhisperX secret was set for another server, and is not sent to this one. Set the key of "
            "this one in the settings of the module whisperx, or take it away if it wants none."
        )
    _key_cached_for.clear()
    _key_cached_for.add(settings.whisperx_url)
    if not HEADER_SAFE.fullmatch(key):
        raise ConfigurationError(
            "The key in the WhisperX secret cannot be sent: only printable ASCII without spaces can be. Set it again."
        )
    return key


def request_options(settings: ProcessSettings) -> dict[str, Any]:
    """What a transcript is made with. Options win where they name the same; of the others, the names alone are told."""
    options = dict(parse_qsl(settings.whisperx_options))
    return {
        "language": options.get("language", settings.whisperx_language) or None,
        "model": options.get("model", settings.whisperx_model) or None,
        "diarize": options.get("diarize", str(settings.whisperx_diarize)).lower() == "true",
        "channels": settings.channels,
        "options": sorted(options),
    }


def build_transcriber(settings: ProcessSettings, *, refresh_key: bool) -> Transcriber:
    """How this run's recordings are transcribed. Raises ConfigurationError."""
    key = load_api_key(settings, refresh_key=refresh_key)
    connect(settings, key)  # a setting that is wrong is found before a recording is claimed
    options = request_options(settings)
    return Transcriber(
        connect=lambda request_logger: connect(settings, key, request_logger),
        bucket=settings.transcripts_bucket,
        layout_for=lambda recording: channel_layout(
            settings.channels, settings.phone_system or recording.metadata.phone_system or ""
        ),
        language=options["language"],
        produced_by={"dialect": settings.whisperx_dialect, "settings": options},
        retry_policy=settings.retry_policy,
        job_timeout=timedelta(minutes=settings.job_timeout_minutes),
        clock=utc_now,
    )


def round_times(trigger: str, started_at: datetime, interval: int) -> list[datetime]:
    """When this run begins recordings: the schedule fires no faster than once a minute, so it has a minute's rounds."""
    round_count = 60 // interval if trigger == runs.TRIGGER_SCHEDULE else 1
    return [started_at + timedelta(seconds=each * interval) for each in range(round_count)]


def test_connection(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the server can be reached as it is configured, and what a person has to change if not.

    `wish` may hold settings that are tried in the place of those that a person has set, and a key.
    """
    from callscribe.whisperx.connection_test import ConnectionTestResult, run_connection_test

    try:
        overrides = payload["settings"] if "settings" in payload else settings_overrides.load().whisperx
        settings = load_settings().with_overrides(overrides)
        result = run_connection_test(
            settings, payload["apiKey"] if "apiKey" in payload else load_api_key(settings, refresh_key=True)
        )
    except ConfigurationError as error:
        result = ConnectionTestResult(ok=False, code=error.code, message=error.message)
    add_count("ConnectionTestsFailed", int(not result.ok))
    return asdict(result)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event; answers with the run. With `{"trigger": "test"}` it only tries the connection."""
    tables.configure(os.environ)
    if event.get("trigger") == TEST:
        return test_connection(event)
    trigger, started_at = event.get("trigger", runs.TRIGGER_SCHEDULE), utc_now()
    ends_at = started_at + timedelta(milliseconds=context.get_remaining_time_in_millis())
    with runs.record_run(Task.PROCESS, trigger, utc_now, ends_at, event.get("run")) as run:
        settings = effective_settings(settings_overrides.require_enabled(Task.PROCESS))
        max_parallel = min(settings.max_concurrent_transcriptions, MAX_PARALLEL)
        executor = ThreadPoolExecutor(max_parallel)
        limits = Limits(
            retry_policy=settings.retry_policy,
            slots=settings.max_concurrent_transcriptions,
            max_parallel=max_parallel,
            initial_backoff_seconds=settings.outage_pause_seconds,
        )
        worker = Worker(
            build_transcriber=lambda refresh_key: build_transcriber(settings, refresh_key=refresh_key),
            limits=limits,
            deadline=Deadline(started_at, ends_at),
            executor=executor,
            clock=utc_now,
            jitter=random.Random(),  # noqa: S311 — spreads retries, protects nothing
            run=run,
        )
        try:
            worker.run(settings.recordings_per_run, round_times(trigger, started_at, settings.process_interval_seconds))
        finally:
            executor.shutdown(wait=False)  # a transcription that was given up may hang; nothing waits for it
    return run.to_api()


cold_start.finish_imports()
