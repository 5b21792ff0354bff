"""The client for the transcription service: one Python module per dialect, all behind the interface `Service`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from importlib import import_module
from types import ModuleType
from typing import Protocol

from callscribe.errors import ConfigurationError
from callscribe.recordings.service_request import HttpExchange
from callscribe.settings.whisperx import DIALECTS, Credentials, WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.transcript import Transcript

PAGES = ("/docs", "/redoc", "/openapi.json")
"""Pages of a FastAPI server, whose URL a user may have copied."""


@dataclass(frozen=True, slots=True)
class DialectInfo:
    """What the connection test knows about the servers of a dialect: how to recognise them without sending audio."""

    server_name: str
    """The name of the best-known server, for messages."""
    upload_path: str
    """The route that audio is sent to."""
    auth_check_paths: tuple[str, ...]
    """Cheap routes that require an API key if the server requires one at all; the first that exists is used."""
    list_member: str = ""
    """The member that is a list in the response of the first of these routes; empty if it has none."""
    optional_suffix: str = ""
    """What the server's URL may end with."""
    lists_models: bool = False
    """Whether that list holds the server's models."""
    other_upload_paths: tuple[str, ...] = ()
    """Upload routes of some servers of this dialect; used if the server's URL ends with one."""

    def for_url(self, url: str) -> "DialectInfo":
        """The same with the upload route that the server's URL ends with, if it names one."""
        url = url.rstrip("/")
        named = [path for path in (self.upload_path, *self.other_upload_paths) if url.endswith(path)]
        return replace(self, upload_path=named[0]) if named else self

    def to_base_url(self, url: str) -> str:
        """The URL to which routes are appended: without the upload route, a page of FastAPI or the optional suffix.

        People copy such a URL from the server's documentation. To reach a server whose own path ends like one of these,
        the setting holds the whole URL of the upload route.
        """
        url = url.rstrip("/")
        for suffix in (self.upload_path, *PAGES, self.optional_suffix):
            if suffix and url.endswith(suffix):
                return url.removesuffix(suffix).rstrip("/")
        return url


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect`: until the connection is made; `total`: until the whole response has been read."""

    connect: float
    total: float


def is_success(status: int) -> bool:
    """Whether a response with this HTTP status is complete and holds what was requested."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and status != HTTPStatus.PARTIAL_CONTENT


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response of the service. `headers` are case-insensitive.

    `sent_options`: the names of the options in the request; they come from the settings, so a message may repeat them.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_options: frozenset[str] = frozenset()

    @property
    def is_success(self) -> bool:
        return is_success(self.status)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")


@dataclass(frozen=True, slots=True)
class Job:
    """A transcription that the service runs asynchronously, to be polled."""

    id: str


class Service(Protocol):
    """A WhisperX server, spoken to in its dialect.

    Whatever the server does, both methods raise only RetryableError, PermanentError or ServiceUnavailable.
    """

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript | Job:
        """Send the audio under the file name `name`, and return its transcript, or the job that will produce it.

        `is_resend`: it may have been sent under this name before, so a server with jobs is first searched for that job.
        """

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript | None:
        """The transcript of a job of this service; None while the job is still running."""


type RequestLogger = Callable[[HttpExchange], None]
"""Called once with each HTTP exchange when it has ended, successfully or not."""


def connect(
    settings: WhisperXSettings, credentials: Credentials, log_request: RequestLogger = lambda _exchange: None
) -> Service:
    """The configured service. Raises: ConfigurationError, when there is no such dialect."""
    dialect = _import_dialect(settings.whisperx_dialect)
    from callscribe.whisperx.client import WhisperXClient  # the dialect has imported it already

    url = dialect.DIALECT_INFO.for_url(settings.whisperx_url).to_base_url(settings.whisperx_url)
    client = WhisperXClient(url, credentials, log_request, ca_certificates=settings.whisperx_ca_certificate)
    service: Service = dialect.connect(settings, client)
    return service


def get_dialect_info(dialect: str) -> DialectInfo:
    """Raises: ConfigurationError, when there is no such dialect."""
    dialect_info: DialectInfo = _import_dialect(dialect).DIALECT_INFO
    return dialect_info


def _import_dialect(dialect: str) -> ModuleType:
    """The Python module of a dialect, with `DIALECT_INFO` and `connect(settings, client)`.

    Imported on first use, so that a cold start does not pay for dialects that are not used.
    """
    if dialect not in DIALECTS:
        raise ConfigurationError(
            f"There is no WhisperX dialect '{dialect}'. Set the dialect to one of: {', '.join(DIALECTS)}."
        )
    return import_module(f"{__name__}.dialects.{dialect}")
