"""The only rooms that speak to the transcription service: one module a dialect, behind one interface."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Protocol

from callscribe.errors import ConfigurationError
from callscribe.recordings.service_request import HttpExchange
from callscribe.settings.whisperx import DIALECTS, WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.transcript import Transcript


@dataclass(frozen=True, slots=True)
class DialectInfo:
    """What is known of the servers of a dialect without sending them audio."""

    server_name: str
    """Its name, for people."""
    upload_path: str
    """Where it takes audio."""
    auth_check_paths: tuple[str, ...]
    """What it can be asked for cheaply, and wants a key for if it wants one at all; the first that there is counts."""
    list_member: str = ""
    """The member of the first of these answers that is a list; empty where there is none."""
    optional_suffix: str = ""
    """What its address may end with, and need not."""

    def to_base_url(self, url: str) -> str:
        """The server's address, that routes are appended to."""
        return url.rstrip("/").removesuffix(self.optional_suffix)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect` until the service is reached; `total` until its answer must have been read."""

    connect: float
    total: float


@dataclass(frozen=True, slots=True)
class Job:
    """What the service calls a transcription that it works on by itself: to be polled."""

    id: str


class Service(Protocol):
    """A WhisperX server in its own dialect.

    Both methods raise RetryableError, PermanentError or ServiceUnavailable, and nothing else for what the service does.
    """

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript | Job:
        """Sends the audio under the file name `name`; the transcript, or the job whose result it will be.

        `again`: it may have been sent under this name before, so a server with jobs is asked for that one first.
        """

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript | None:
        """The transcript of a job of this service; None while it is still under way."""


type RequestLogger = Callable[[HttpExchange], None]
"""Is told of each exchange when it has ended, however it ended."""


def connect(settings: WhisperXSettings, api_key: str, log_request: RequestLogger = lambda _exchange: None) -> Service:
    """The configured service; `api_key` may be empty. Raises ConfigurationError for a dialect that is none."""
    service: Service = _import_dialect(settings.whisperx_dialect).connect(settings, api_key, log_request)
    return service


def get_dialect_info(dialect: str) -> DialectInfo:
    """Raises ConfigurationError for a dialect that is none."""
    dialect_info: DialectInfo = _import_dialect(dialect).DIALECT_INFO
    return dialect_info


def all_dialects() -> dict[str, DialectInfo]:
    """Of all dialects, by their names."""
    return {dialect: get_dialect_info(dialect) for dialect in DIALECTS}


def _import_dialect(dialect: str) -> ModuleType:
    if dialect not in DIALECTS:
        raise ConfigurationError(
            f"The WhisperX dialect '{dialect}' is not known. It must be one of: {', '.join(DIALECTS)}."
        )
    # a dialect is imported only where it is spoken, or asked for
    return import_module(f"{__name__}.dialects.{dialect}")
