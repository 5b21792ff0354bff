"""What the dialects share: how request options are built, and servers that respond with the transcript itself."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from callscribe.errors import JobFailed
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.transcripts.transcript import Transcript, parse_response
from callscribe.whisperx import Job, Timeouts
from callscribe.whisperx.client import Parameters
from callscribe.whisperx.response_errors import ErrorTable, Response, raise_for_status


class SynchronousService:
    """The base class for servers without jobs."""

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript:  # noqa: ARG002
        """Raises: JobFailed, since the job belongs to a server of another dialect, used before the settings changed."""
        raise JobFailed("The job belongs to a server of another dialect. The audio is sent again.", code="job_lost")


def build_parameters(defaults: Iterable[tuple[str, str]], settings: WhisperXSettings) -> Parameters:
    """The defaults that are not empty, and `WhisperXOptions`, which takes precedence over defaults of the same name."""
    overrides = parse_qsl(settings.whisperx_options, keep_blank_values=True)
    overridden = {name for name, _ in overrides}
    return [*((name, value) for name, value in defaults if value and name not in overridden), *overrides]


def parse_transcript_response(response: Response, error_table: ErrorTable | None = None) -> Transcript:
    """Raises: TranscriptionError for the status; RetryableError, when the body is not a transcript."""
    raise_for_status(response, error_table)
    return parse_response(response.body, response.content_type)
