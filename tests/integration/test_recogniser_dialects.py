"""The local recogniser behaves like a WhisperX server in each dialect, over real HTTP."""

from collections.abc import Iterator

import pytest
import requests

from callscribe.settings.whisperx import DIALECTS, Credentials, WhisperXSettings
from callscribe.whisperx.connection_test import run_connection_test
from testing.waiting import LIMIT_SECONDS
from tests.integration.recogniser_client import post_openai, run_recogniser, submit, wait_for_job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asr_server() -> Iterator[str]:
    with run_recogniser() as url:
        yield url


@pytest.fixture(scope="module")
def tasks_server() -> Iterator[str]:
    with run_recogniser("--dialect", "tasks") as url:
        yield url


@pytest.fixture(scope="module")
def openai_server() -> Iterator[str]:
    with run_recogniser("--dialect", "openai") as url:
        yield url


def test_upload_becomes_a_job_that_can_be_polled(tasks_server: str) -> None:
    submitted = submit(tasks_server, "polled.wav", device="cuda", model="large-v3").json()
    assert submitted["message"] == "Task queued"
    job = wait_for_job(tasks_server, submitted["identifier"])
    assert (job["status"], job["error"], job["metadata"]["language"]) == ("completed", None, "en")
    assert {"help", "hotel"} <= {word["word"] for word in job["result"]["word_segments"]}
    listed = requests.get(f"{tasks_server}/task/all", timeout=LIMIT_SECONDS).json()["tasks"]
    (listed_job,) = [job for job in listed if job["file_name"] == "polled.wav"]
    assert (listed_job["identifier"], listed_job["status"]) == (submitted["identifier"], "completed")


def test_job_with_an_unknown_language_fails(tasks_server: str) -> None:
    job = wait_for_job(tasks_server, submit(tasks_server, language="xx").json()["identifier"])
    assert (job["status"], job["result"]) == ("failed", None)
    assert "not a valid language code" in job["error"]


@pytest.mark.parametrize("name", ["a.flac", "a.opus", "a.webm", "a"])
def test_unsupported_extension_is_rejected(tasks_server: str, name: str) -> None:
    response = submit(tasks_server, name)
    assert response.status_code == 400
    assert response.json()["detail"].startswith(f"Invalid file extension for file {name}. Allowed: ")


def test_undecodable_upload_is_rejected(tasks_server: str) -> None:
    response = submit(tasks_server, audio=bytes(3000))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "AUDIO_PROCESSING_ERROR")


def test_deleted_job_is_unknown(tasks_server: str) -> None:
    identifier = submit(tasks_server).json()["identifier"]
    wait_for_job(tasks_server, identifier)
    assert requests.delete(f"{tasks_server}/task/{identifier}/delete", timeout=LIMIT_SECONDS).status_code == 200
    response = requests.get(f"{tasks_server}/task/{identifier}", timeout=LIMIT_SECONDS)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "TASK_NOT_FOUND")
    assert requests.delete(f"{tasks_server}/task/{identifier}/delete", timeout=LIMIT_SECONDS).status_code == 404


@pytest.mark.parametrize(
    ("options", "audio", "status"),
    [
        ({"model": "large-v3"}, None, 404),
        ({"language": "xx"}, None, 422),
        ({}, bytes(3000), 422),
        ({"response_format": "text"}, None, 200),
    ],
)
def test_openai_dialect_has_its_own_status_codes(
    openai_server: str, options: dict[str, str], audio: bytes | None, status: int
) -> None:
    assert post_openai(openai_server, audio, **options).status_code == status


@pytest.mark.parametrize(
    ("server", "dialect"), [("asr_server", "asr"), ("tasks_server", "tasks"), ("openai_server", "openai")]
)
def test_connection_test_recognises_the_dialect(request: pytest.FixtureRequest, server: str, dialect: str) -> None:
    url = request.getfixturevalue(server)
    results = {
        tested: run_connection_test(WhisperXSettings(whisperx_url=url, whisperx_dialect=tested), Credentials())
        for tested in DIALECTS
    }
    assert results.pop(dialect).ok
    assert {result.code for result in results.values()} == {"wrong_dialect"}
