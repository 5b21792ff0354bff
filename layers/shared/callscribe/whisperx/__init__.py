"""The only rooms that speak to the transcription service: one module a dialect, behind one interface."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from callscribe.errors import ConfigurationError
from callscribe.settings import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect` until the service is reached; `total` until its answer must have been read."""

    connect: float
    total: float


class Service(Protocol):
    """A WhisperX server in its own dialect."""

    def transcribe(self, audio: Audio, name: str, timeouts: Timeouts) -> Transcript:
        """Sends the audio under the file name `name` and waits for the transcript.

        Raises RetryableError, PermanentError or ServiceUnavailable, and nothing else for what the service does.
        """


def _asr(settings: WhisperXSettings, api_key: str) -> Service:
    from callscribe.whisperx.asr import AsrService

    return AsrService(settings, api_key)


DIALECTS: Mapping[str, Callable[[WhisperXSettings, str], Service]] = {"asr": _asr}


def connect(settings: WhisperXSettings, api_key: str) -> Service:
    """The configured service; `api_key` may be empty. Raises ConfigurationError for a dialect that is none."""
    try:
        dialect = DIALECTS[settings.whisperx_dialect]
    except KeyError:
        raise ConfigurationError(
            f"The WhisperX dialect '{settings.whisperx_dialect}' is not known. "
            f"Set WhisperXDialect to one of: {', '.join(DIALECTS)}."
        ) from None
    return dialect(settings, api_key)
