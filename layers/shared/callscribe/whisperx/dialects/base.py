"""What the dialects share whose servers answer with the transcript itself."""

from callscribe.errors import JobFailed
from callscribe.transcripts.transcript import Transcript, parse_response
from callscribe.whisperx import Job, Timeouts
from callscribe.whisperx.response_errors import ErrorTable, Response, raise_for_status


class SynchronousService:
    def poll(self, job: Job, timeouts: Timeouts) -> Transcript:  # noqa: ARG002
        """Raises JobEnded: a job was given by a server of another dialect, before the settings changed."""
        raise JobFailed("The job was given by a server of another dialect. It is sent again.", code="job_lost")


def parse_transcript_response(response: Response, error_table: ErrorTable | None = None) -> Transcript:
    """Raises what the status means, or RetryableError for a body that is no transcript."""
    raise_for_status(response, error_table)
    return parse_response(response.body, response.content_type)
