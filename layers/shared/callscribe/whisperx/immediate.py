"""What the dialects share whose servers answer with the transcript itself."""

from callscribe.errors import JobEnded
from callscribe.transcript import Transcript, parse_answer
from callscribe.whisperx import Job, Timeouts
from callscribe.whisperx.verdicts import Answer, Meanings, approved


class WithoutJobs:
    def poll(self, job: Job, timeouts: Timeouts) -> Transcript:  # noqa: ARG002
        """Raises JobEnded: a job was given by a server of another dialect, before the settings changed."""
        raise JobEnded("The job was given by a server of another dialect. It is sent again.", code="job_lost")


def transcript(answer: Answer, meanings: Meanings | None = None) -> Transcript:
    """Raises what the status means, or RetryableError for a body that is no transcript."""
    approved(answer, meanings)
    return parse_answer(answer.body, answer.content_type)
