"""What real servers answered, as it was recorded from them, and what each of these answers leads to.

The files of tests/exchanges hold a request, the status, the headers and the body of its answer, byte for byte.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import Job, connect
from tests.integration.audio import Bytes
from tests.integration.timeouts import PATIENT

EXCHANGES = Path(__file__).parents[1] / "exchanges"
SPOKEN = "Thanks for calling, how can I help?\nMy order is 4711."


@dataclass
class Recorded:
    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def named(cls, name: str) -> "Recorded":
        head, body = (EXCHANGES / f"{name}.http").read_bytes().split(b"\n\n", 1)
        request, status, *headers = head.decode().splitlines()
        method, path = request.split()
        return cls(method, path, int(status.split()[0]), dict(each.split(": ", 1) for each in headers), body)


TRANSCRIPTS = {
    "asr-transcript": (SPOKEN, "en"),
    "asr-speakers": (SPOKEN, "en"),
    "asr-stereo": (SPOKEN, "en"),
    "asr-plain-text": (SPOKEN, None),
    "asr-form-fields-ignored": (SPOKEN, None),
    "asr-silence": ("", "en"),
    "asr-header-only": ("", "en"),
    "tasks-completed": (SPOKEN, "en"),
    "tasks-silence-completed": ("", "en"),
}
JOBS = {
    "tasks-submitted": Job("cb9d0200-50a0-40f4-935d-e89e5d312260"),
    "tasks-submitted-to-cpu": Job("91eb8d3f-a805-425f-896a-9725250fcac4"),
    "tasks-silence-submitted": Job("dee45646-6692-462c-98cf-59afd6af6ca0"),
    "tasks-processing": None,
}
ERRORS = {
    "asr-wrong-field": (PermanentError, "request_rejected", "422"),
    "asr-not-audio": (RetryableError, "service_error", "cannot decode"),
    "asr-unknown-language": (RetryableError, "service_error", "500"),
    "asr-out-of-memory": (RetryableError, "service_error", "500"),
    "asr-no-health-route": (ServiceUnavailable, "endpoint_not_found", "server's address"),
    "tasks-failed-without-gpu": (JobFailed, "no_gpu", "device=cpu&compute_type=int8"),
    "tasks-not-audio": (PermanentError, "not_audio", "could not decode"),
    "tasks-refused-extension": (PermanentError, "not_audio", "ending"),
    "tasks-refused-url": (PermanentError, "request_rejected", "422"),
    "tasks-unknown": (JobFailed, "job_lost", "forgotten"),
    "tasks-all": (RetryableError, "invalid_response", "dialect"),
    "tasks-health": (RetryableError, "invalid_response", "dialect"),
}


@pytest.fixture
def came_of(service, reply):
    """What comes of sending to a server, or asking it for a job, that gives the recorded answer."""

    def came_of(name):
        recorded = Recorded.named(name)
        service.replies = [reply(status=recorded.status, headers=recorded.headers, body=recorded.body)]
        dialect = "asr" if recorded.path.startswith(("/asr", "/health")) else "tasks"
        client = connect(WhisperXSettings(whisperx_url=service.url, whisperx_dialect=dialect), "")
        try:
            if recorded.method == "GET" and dialect == "tasks":
                return client.poll(Job("cb9d0200"), PATIENT)
            return client.send(Bytes(100), "abc.wav", PATIENT)
        except TranscriptionError as error:
            return error

    return came_of


@pytest.mark.parametrize(("name", "told"), TRANSCRIPTS.items(), ids=TRANSCRIPTS)
def test_a_recorded_transcript_is_read(came_of, name, told):
    transcript = came_of(name)
    assert isinstance(transcript, Transcript)
    assert (transcript.text, transcript.language) == told


@pytest.mark.parametrize(("name", "job"), JOBS.items(), ids=JOBS)
def test_a_recorded_job_is_known(came_of, name, job):
    assert came_of(name) == job


@pytest.mark.parametrize(("name", "expected"), ERRORS.items(), ids=ERRORS)
def test_a_recorded_refusal_has_its_class(came_of, name, expected):
    kind, code, words = expected
    error = came_of(name)
    assert (type(error), error.code) == (kind, code)
    assert words in error.message


def test_each_speaker_and_each_time_of_a_recorded_transcript_is_kept(came_of):
    first, second = came_of("asr-speakers").segments
    assert (first.speaker, first.start, first.end, len(first.words)) == ("SPEAKER_00", 0.031, 0.96, 7)
    assert (second.words[-1].text, second.words[-1].start) == ("4711.", None)
    assert second.words[0].speaker == "SPEAKER_01"


def test_what_was_sent_before_is_found_in_a_recorded_list_of_tasks(service, reply):
    recorded = Recorded.named("tasks-all")
    service.replies = [reply(status=recorded.status, headers=recorded.headers, body=recorded.body)]
    dialect = connect(WhisperXSettings(whisperx_url=service.url, whisperx_dialect="tasks"), "")
    found = dialect.send(Bytes(100), "tone2s.wav", PATIENT, is_resend=True)
    assert found == Job("91eb8d3f-a805-425f-896a-9725250fcac4")


def test_every_recorded_exchange_is_in_a_table():
    assert {*TRANSCRIPTS, *JOBS, *ERRORS} == {file.stem for file in EXCHANGES.iterdir()}
