"""Responses recorded from real servers, and the result of each.

The files of tests/exchanges hold the request line, and the status, headers and body of its response, byte for byte.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import Job, connect
from tests.integration.audio import Bytes
from tests.integration.timeouts import LONG_TIMEOUTS

EXCHANGES = Path(__file__).parents[1] / "exchanges"
SPOKEN = "Thanks for calling, how can I help?\nMy order is 4711."


@dataclass
class RecordedExchange:
    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def load(cls, name: str) -> "RecordedExchange":
        head, body = (EXCHANGES / f"{name}.http").read_bytes().split(b"\n\n", 1)
        request, status, *headers = head.decode().splitlines()
        method, path = request.split()
        return cls(method, path, int(status.split()[0]), dict(header.split(": ", 1) for header in headers), body)


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
    "asr-no-health-route": (ServiceUnavailable, "endpoint_not_found", "server URL"),
    "tasks-failed-without-gpu": (JobFailed, "no_gpu", "device=cpu&compute_type=int8"),
    "tasks-not-audio": (PermanentError, "not_audio", "could not decode"),
    "tasks-refused-extension": (PermanentError, "not_audio", "extension"),
    "tasks-refused-url": (PermanentError, "request_rejected", "422"),
    "tasks-unknown": (JobFailed, "job_lost", "no longer knows"),
    "tasks-all": (RetryableError, "invalid_response", "dialect"),
    "tasks-health": (RetryableError, "invalid_response", "dialect"),
}


@pytest.fixture
def replay(service, reply):
    """The result of an upload or a poll whose response is the recorded one."""

    def replay(name):
        recorded = RecordedExchange.load(name)
        service.replies = [reply(status=recorded.status, headers=recorded.headers, body=recorded.body)]
        dialect = "asr" if recorded.path.startswith(("/asr", "/health")) else "tasks"
        client = connect(WhisperXSettings(whisperx_url=service.url, whisperx_dialect=dialect), Credentials())
        try:
            if recorded.method == "GET" and dialect == "tasks":
                return client.poll(Job("cb9d0200"), LONG_TIMEOUTS)
            return client.send(Bytes(100), "abc.wav", LONG_TIMEOUTS)
        except TranscriptionError as error:
            return error

    return replay


@pytest.mark.parametrize(("name", "expected"), TRANSCRIPTS.items(), ids=TRANSCRIPTS)
def test_recorded_transcript_is_parsed(replay, name, expected):
    transcript = replay(name)
    assert isinstance(transcript, Transcript)
    assert (transcript.text, transcript.language) == expected


@pytest.mark.parametrize(("name", "job"), JOBS.items(), ids=JOBS)
def test_recorded_job_is_parsed(replay, name, job):
    assert replay(name) == job


@pytest.mark.parametrize(("name", "expected"), ERRORS.items(), ids=ERRORS)
def test_recorded_failure_maps_to_an_error(replay, name, expected):
    error_type, code, expected_message = expected
    error = replay(name)
    assert (type(error), error.code) == (error_type, code)
    assert expected_message in error.message


def test_speakers_and_times_of_a_recorded_transcript_are_parsed(replay):
    first, second = replay("asr-speakers").segments
    assert (first.speaker, first.start, first.end, len(first.words)) == ("SPEAKER_00", 0.031, 0.96, 7)
    assert (second.words[-1].text, second.words[-1].start) == ("4711.", None)
    assert second.words[0].speaker == "SPEAKER_01"


def test_earlier_job_is_found_in_a_recorded_task_list(service, reply):
    recorded = RecordedExchange.load("tasks-all")
    service.replies = [reply(status=recorded.status, headers=recorded.headers, body=recorded.body)]
    dialect = connect(WhisperXSettings(whisperx_url=service.url, whisperx_dialect="tasks"), Credentials())
    job = dialect.send(Bytes(100), "tone2s.wav", LONG_TIMEOUTS, is_resend=True)
    assert job == Job("91eb8d3f-a805-425f-896a-9725250fcac4")


def test_every_recorded_exchange_is_tested():
    assert {*TRANSCRIPTS, *JOBS, *ERRORS} == {file.stem for file in EXCHANGES.iterdir()}
