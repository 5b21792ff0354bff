"""process_transcription: one recording from the head of the queue through the customer's WhisperX server."""

import os
import random
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.errors import ConfigurationError
from callscribe.run import Task
from callscribe.settings import WhisperXSettings, at_least, checked, load
from callscribe.store import models, runs
from callscribe.telemetry import logger, metrics
from callscribe.transitions import RetryPolicy
from callscribe.whisperx import Service, connect
from functions.process.transcription import Worker

SENDABLE = re.compile("[!-~]*")

KEY_CACHE_SECONDS = 300
"""How long a changed WhisperX key may go unnoticed: a run then costs no request for it."""


@dataclass(frozen=True, kw_only=True)
class Settings(WhisperXSettings):
    """`retry_base_seconds`: the wait after a first failed attempt, doubled by each further one."""

    transcripts_bucket: str
    whisperx_secret: str
    max_attempts: int = checked(at_least(1), default=5)
    retry_base_seconds: int = checked(at_least(1), default=60)
    max_concurrent_transcriptions: int = checked(at_least(1), default=1)
    recordings_per_run: int = checked(at_least(1), default=1)


@cache
def settings() -> Settings:
    """Read once a process, when the first event comes."""
    return load(Settings, os.environ)


def service(own: Settings) -> Service:
    """The configured WhisperX server, with the key out of Secrets Manager. Raises ConfigurationError."""
    try:
        secret: Any = parameters.get_secret(own.whisperx_secret, transform="json", max_age=KEY_CACHE_SECONDS)
        key = secret["apiKey"].strip()
    except (GetParameterError, TransformParameterError, TypeError, KeyError, AttributeError) as error:
        # the cause may quote the secret: it goes into no message and no log
        raise ConfigurationError(
            f"The WhisperX secret cannot be read ({type(error).__name__}). "
            'It must exist and hold {"apiKey": "…"}, with an empty string if the server wants no key.'
        ) from None
    if not SENDABLE.fullmatch(key):
        raise ConfigurationError(
            "The key in the WhisperX secret cannot be sent: only printable ASCII without spaces can be. Write it anew."
        )
    return connect(own, key)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event; answers with the run."""
    models.bind(os.environ)
    with runs.recorded(Task.PROCESS, event.get("trigger", "schedule"), utc_now) as run:
        own = settings()
        worker = Worker(
            service=lambda: service(own),
            transcripts_bucket=own.transcripts_bucket,
            policy=RetryPolicy(own.max_attempts, own.retry_base_seconds),
            slots=own.max_concurrent_transcriptions,
            clock=utc_now,
            ends_at=utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis()),
            jitter=random.Random(),  # noqa: S311 — spreads retries, protects nothing
            run=run,
        )
        worker.work(own.recordings_per_run)
    return run.document()
