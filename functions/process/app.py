"""process_transcription: recordings from the head of the queue through the customer's WhisperX server."""

from callscribe import start

# isort: split
import os
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.conversation import AUTO, CHANNELS, sides_of
from callscribe.errors import ConfigurationError
from callscribe.run import Task
from callscribe.settings import WhisperXSettings, at_least, checked, load, one_of
from callscribe.store import models, module_settings, runs
from callscribe.store.module_settings import Kept
from callscribe.telemetry import count, logger, metrics
from callscribe.transitions import RetryPolicy
from callscribe.whisperx import connect
from callscribe.whisperx_settings import SENDABLE, server_of, with_kept
from functions.process.dispatcher import Dispatcher
from functions.process.endings import Limits
from functions.process.time_left import TimeLeft
from functions.process.transcription import Transcriber

TEST = "test"
"""What triggers no run: it is a person who wants to know whether the server answers."""

KEY_CACHE_SECONDS = 300
"""How long a changed WhisperX key may go unnoticed: a run then costs no request for it."""

AT_ONCE = 8
"""Transcriptions that one invocation works on at once, for the sake of its memory; with more slots than that, the next
one joins in."""


@dataclass(frozen=True, kw_only=True)
class Settings(WhisperXSettings):
    """`retry_base_seconds`: the wait after a first failed attempt, doubled by each further one.

    `outage_pause_seconds`: the wait after the service was found unavailable, doubled by each try that fails.
    `channels` and `phone_system` say which channel of a stereo recording is whose (`conversation.sides_of`).
    `job_timeout_minutes`: how long a job of a `tasks` server may be under way before it counts as a failed attempt.
    `process_interval_seconds`: how often a run begins recordings, `recordings_per_run` each time.
    """

    transcripts_bucket: str
    whisperx_secret: str
    channels: str = checked(one_of(*CHANNELS), default=AUTO)
    phone_system: str = ""
    max_attempts: int = checked(at_least(1), default=5)
    retry_base_seconds: int = checked(at_least(1), default=60)
    max_concurrent_transcriptions: int = checked(at_least(1), default=1)
    recordings_per_run: int = checked(at_least(1), default=1)
    job_timeout_minutes: int = checked(at_least(1), default=360)
    process_interval_seconds: int = checked(one_of(60, 30, 20, 15, 10), default=60)
    outage_pause_seconds: int = checked(at_least(1), default=60)

    @property
    def policy(self) -> RetryPolicy:
        return RetryPolicy(self.max_attempts, self.retry_base_seconds)


@cache
def settings() -> Settings:
    """Read once a process, when the first event comes."""
    return load(Settings, os.environ)


def as_set(kept: Kept) -> Settings:
    """The settings as they count: the template's, and what a person has set in their place."""
    ours = {name: value for name, value in kept.call_recordings.items() if name in ("phone_system", "channels")}
    return replace(with_kept(settings(), kept.whisperx), **ours)


_keys_for: set[str] = set()
"""The server that the key in the cache was read for."""


def api_key(own: Settings, *, fresh: bool) -> str:
    """The key of the WhisperX server out of Secrets Manager; `fresh`: as it is there at this moment.

    It is read anew for another server too: that was set together with its key. It is sent to the server that it was set
    for, which is the template's where the secret does not say; whoever may set another address over the API is not to
    have it sent there. Raises ConfigurationError.
    """
    # here, for they bring all of boto3, and a run that has nothing to send does without
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

    fresh = fresh or own.whisperx_url not in _keys_for
    try:
        secret: Any = parameters.get_secret(
            own.whisperx_secret, transform="json", max_age=KEY_CACHE_SECONDS, force_fetch=fresh
        )
        key: str = secret["apiKey"].strip()
        server: str = secret.get("server") or server_of(settings().whisperx_url)
    except (GetParameterError, TransformParameterError, TypeError, KeyError, AttributeError) as error:
        # the cause may quote the secret: it goes into no message and no log
        raise ConfigurationError(
            f"The WhisperX secret cannot be read ({type(error).__name__}). "
            'It must exist and hold {"apiKey": "…"}, with an empty string if the server wants no key.'
        ) from None
    if key and server != server_of(own.whisperx_url):
        raise ConfigurationError(
            "The key in the WhisperX secret was set for another server, and is not sent to this one. Set the key of "
            "this one in the settings of the module whisperx, or take it away if it wants none."
        )
    _keys_for.clear()
    _keys_for.add(own.whisperx_url)
    if not SENDABLE.fullmatch(key):
        raise ConfigurationError(
            "The key in the WhisperX secret cannot be sent: only printable ASCII without spaces can be. Set it again."
        )
    return key


def asked_for(own: Settings) -> dict[str, Any]:
    """What a transcript is made with. Options win where they name the same; of the others, the names alone are told."""
    options = dict(parse_qsl(own.whisperx_options))
    return {
        "language": options.get("language", own.whisperx_language) or None,
        "model": options.get("model", own.whisperx_model) or None,
        "diarize": options.get("diarize", str(own.whisperx_diarize)).lower() == "true",
        "channels": own.channels,
        "options": sorted(options),
    }


def transcriber(own: Settings, *, fresh: bool) -> Transcriber:
    """How this run's recordings are transcribed. Raises ConfigurationError."""
    key = api_key(own, fresh=fresh)
    connect(own, key)  # a setting that is wrong is found before a recording is claimed
    asked = asked_for(own)
    return Transcriber(
        connect=lambda observe: connect(own, key, observe),
        bucket=own.transcripts_bucket,
        sides=lambda recording: sides_of(own.channels, own.phone_system or recording.metadata.phone_system or ""),
        language=asked["language"],
        origin={"dialect": own.whisperx_dialect, "settings": asked},
        policy=own.policy,
        job_timeout=timedelta(minutes=own.job_timeout_minutes),
        clock=utc_now,
    )


def rounds(trigger: str, began_at: datetime, interval: int) -> list[datetime]:
    """When this run begins recordings: the schedule fires no faster than once a minute, so it has a minute's rounds."""
    number = 60 // interval if trigger == runs.SCHEDULE else 1
    return [began_at + timedelta(seconds=each * interval) for each in range(number)]


def tried_connection(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the server can be reached as it is configured, and what a person has to change if not.

    `wish` may hold settings that are tried in the place of those that a person has set, and a key.
    """
    from callscribe.whisperx.check import Verdict, check

    try:
        own = with_kept(settings(), wish["settings"] if "settings" in wish else module_settings.read().whisperx)
        verdict = check(own, wish["apiKey"] if "apiKey" in wish else api_key(own, fresh=True))
    except ConfigurationError as error:
        verdict = Verdict(ok=False, code=error.code, message=error.message)
    count("ConnectionTestsFailed", int(not verdict.ok))
    return asdict(verdict)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event; answers with the run. With `{"trigger": "test"}` it only tries the connection."""
    models.bind(os.environ)
    if event.get("trigger") == TEST:
        return tried_connection(event)
    trigger, began_at = event.get("trigger", runs.SCHEDULE), utc_now()
    ends_at = began_at + timedelta(milliseconds=context.get_remaining_time_in_millis())
    with runs.recorded(Task.PROCESS, trigger, utc_now, ends_at, event.get("run")) as run:
        own = as_set(module_settings.require(Task.PROCESS))
        at_once = min(own.max_concurrent_transcriptions, AT_ONCE)
        executor = ThreadPoolExecutor(at_once)
        limits = Limits(
            policy=own.policy,
            slots=own.max_concurrent_transcriptions,
            at_once=at_once,
            first_pause=own.outage_pause_seconds,
        )
        dispatcher = Dispatcher(
            transcriber=lambda fresh: transcriber(own, fresh=fresh),
            limits=limits,
            time_left=TimeLeft(began_at, ends_at),
            executor=executor,
            clock=utc_now,
            jitter=random.Random(),  # noqa: S311 — spreads retries, protects nothing
            run=run,
        )
        try:
            dispatcher.work(own.recordings_per_run, rounds(trigger, began_at, own.process_interval_seconds))
        finally:
            executor.shutdown(wait=False)  # a transcription that was given up may hang; nothing waits for it
    return run.document()


start.ended()
