"""Errors that servers report in a successful response: what each becomes, and that nothing of it is quoted."""

import json

import pytest

from callscribe.errors import PermanentError, RetryableError, ServiceUnavailable
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import Job, connect
from tests.integration.audio import Bytes
from tests.integration.timeouts import LONG_TIMEOUTS

SECRET_TEXT = "planted words of 12025550143"


def send(url, dialect="openai"):
    return connect(WhisperXSettings(whisperx_url=url, whisperx_dialect=dialect), Credentials()).send(
        Bytes(100), "a.wav", LONG_TIMEOUTS
    )


@pytest.mark.parametrize(
    ("payload", "error_type", "code"),
    [
        ({"error": {"message": SECRET_TEXT, "code": 400}}, PermanentError, "request_rejected"),
        ({"error": {"message": SECRET_TEXT, "code": "413"}}, PermanentError, "too_large"),
        ({"error": {"message": SECRET_TEXT, "type": "server_error", "code": None}}, RetryableError, "service_error"),
        ({"error": {"message": SECRET_TEXT, "type": "rate_limit_error"}}, ServiceUnavailable, "service_busy"),
        ({"error": {"message": SECRET_TEXT, "code": "insufficient_quota"}}, ServiceUnavailable, "payment_required"),
        ({"error": {"message": SECRET_TEXT, "param": "model"}}, ServiceUnavailable, "invalid_options"),
        ({"error": SECRET_TEXT, "status": 503}, ServiceUnavailable, "service_busy"),
        ({"error": SECRET_TEXT}, RetryableError, "service_error"),
        ({"error": SECRET_TEXT, "text": "", "segments": []}, RetryableError, "service_error"),
        ({"detail": SECRET_TEXT}, RetryableError, "service_error"),
        ({"detail": [{"loc": ["body", "file"], "msg": SECRET_TEXT}]}, PermanentError, "not_audio"),
        ({"errors": [SECRET_TEXT]}, RetryableError, "service_error"),
        ({"status": "error", "message": SECRET_TEXT}, RetryableError, "service_error"),
        ({"success": False, "message": SECRET_TEXT}, RetryableError, "service_error"),
        ({"code": 500, "message": SECRET_TEXT}, RetryableError, "service_error"),
        ({"message": SECRET_TEXT}, RetryableError, "invalid_response"),
    ],
)
def test_reported_error_is_mapped_like_its_status(service, reply, payload, error_type, code):
    service.replies = [reply(body=json.dumps(payload).encode())]
    with pytest.raises(error_type) as raised:
        send(service.url)
    error = raised.value
    assert error.code == code
    assert ("reports an error" in error.message) == (code != "invalid_response")
    # that of the response, so that identical errors of several recordings are recognised
    assert error.status == (None if code == "invalid_response" else 200)
    assert SECRET_TEXT not in error.message


def test_reported_error_comes_with_a_known_hint(service, reply):
    service.replies = [reply(body=b'{"error": "CUDA out of memory: 12025550143"}')]
    with pytest.raises(RetryableError, match="GPU ran out of memory"):
        send(service.url, "asr")


def test_known_cause_replaces_the_possible_ones(service, reply):
    service.replies = [reply(status=500, body=b'{"detail": "CUDA out of memory"}')]
    with pytest.raises(RetryableError) as raised:
        send(service.url, "asr")
    assert raised.value.message == (
        "The WhisperX server failed (500). Its GPU ran out of memory: use a smaller model or batch_size."
    )


def test_transcript_is_kept_whatever_else_the_response_reports(service, reply):
    body = {"segments": [{"text": "Hello."}], "status": "error", "error": "no diarization"}
    service.replies = [reply(body=json.dumps(body).encode())]
    assert send(service.url).text == "Hello."


def test_no_speech_is_no_error(service, reply):
    service.replies = [reply(body=b'{"segments": [], "error": null, "status": "ok", "success": true, "code": 200}')]
    assert send(service.url).segments == ()


def test_job_that_was_not_accepted_is_mapped_like_its_status(service, reply):
    service.replies = [reply(body=b'{"error": {"code": 415}}')]
    with pytest.raises(PermanentError, match="reports an error"):
        send(service.url, "tasks")


def test_poll_that_reports_an_error_is_not_a_lost_job(service, reply):
    service.replies = [reply(body=b'{"detail": "database is locked"}')]
    dialect = connect(WhisperXSettings(whisperx_url=service.url, whisperx_dialect="tasks"), Credentials())
    with pytest.raises(RetryableError) as raised:
        dialect.poll(Job("a"), LONG_TIMEOUTS)
    assert raised.value.code == "service_error"  # the job is polled again
