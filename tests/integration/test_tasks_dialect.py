"""The `tasks` dialect over real HTTP: an upload starts a job, and polling the job returns its transcript."""

import json
from typing import Any

import pytest

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import Job, connect
from callscribe.whisperx.dialects import tasks as tasks_dialect
from tests.integration.audio import Bytes, parts
from tests.integration.timeouts import LONG_TIMEOUTS, SHORT_TIMEOUTS

QUEUED = {"identifier": "cb9d0200-50a0", "message": "Task queued"}
NO_GPU = "CUDA failed with error no CUDA-capable device is detected"


def tasks(url, log_request=lambda _: None, **settings):
    return connect(
        WhisperXSettings(whisperx_url=url, whisperx_dialect="tasks", **settings), Credentials("k3y"), log_request
    )


def json_reply(reply, value, **options):
    return reply(body=json.dumps(value).encode(), headers={"Content-Type": "application/json"}, **options)


def task(identifier, status="completed", name="abc.wav", started_at="2026-11-22T11:05:31", error=None):
    return {"identifier": identifier, "status": status, "file_name": name, "start_time": started_at, "error": error}


def send(dialect, name="abc.wav", *, is_resend=False):
    return dialect.send(Bytes(100), name, LONG_TIMEOUTS, is_resend=is_resend)


def test_audio_is_sent_as_a_form_field_with_options_in_the_query_and_returns_a_job(service, reply):
    service.replies = [json_reply(reply, QUEUED)]
    options = {"whisperx_language": "en", "whisperx_model": "small", "whisperx_options": "device=cpu&compute_type=int8"}
    assert send(tasks(f"{service.url}/", **options)) == Job("cb9d0200-50a0")
    (received,) = service.received
    assert (received.method, received.path) == ("POST", "/speech-to-text")
    assert received.headers["authorization"] == "Bearer k3y"
    assert received.query == {"language": ["en"], "model": ["small"], "device": ["cpu"], "compute_type": ["int8"]}
    (part,) = parts(received)
    assert part.get_param("name", header="content-disposition") == "file"


def test_unset_options_are_not_sent_and_custom_options_take_precedence_over_settings(service, reply):
    service.replies = [json_reply(reply, QUEUED)]
    send(tasks(service.url))
    options = "model=large-v3&suppress_tokens=1&suppress_tokens=2"
    send(tasks(service.url, whisperx_model="small", whisperx_options=options))
    assert [received.query for received in service.received] == [
        {},
        {"model": ["large-v3"], "suppress_tokens": ["1", "2"]},
    ]


@pytest.mark.parametrize(
    ("name", "sent_name"),
    [
        ("abc.wav", "abc.wav"),
        ("abc.mp3", "abc.mp3"),
        ("abc.MP3", "abc.MP3"),
        ("abc.flac", "abc.wav"),
        ("abc.wav49", "abc.wav"),
        ("abc.gsm", "abc.wav"),
        ("abc.opus", "abc.ogg"),
        ("abc.webm", "abc.mkv"),
        ("abc.3gp", "abc.mp4"),
        ("abc", "abc.wav"),
    ],
)
def test_unsupported_extension_is_sent_as_a_supported_one(service, reply, name, sent_name):
    service.replies = [json_reply(reply, QUEUED)]
    send(tasks(service.url), name)
    assert f'filename="{sent_name}"'.encode() in service.received[0].body


@pytest.mark.parametrize("identifier", ["", "a/b", "a b", "..", "x" * 129, "a?b", "ä", "a\n", None, 7, ["a"]])
def test_identifier_that_is_not_a_url_token_is_an_invalid_response(service, reply, identifier):
    service.replies = [json_reply(reply, {"identifier": identifier})]
    with pytest.raises(RetryableError) as raised:
        send(tasks(service.url))
    assert raised.value.code == "invalid_response"


PREVIOUS_TASKS = [
    ([task("old"), task("new", started_at="2026-11-22T12:00:00")], "new"),
    ([task("new", "queued", started_at=None), task("old")], "new"),
    ([task("a", "processing")], "a"),
    ([task("a"), task("later", "failed", started_at="2026-11-22T12:00:00")], "a"),
    ([task("of-another", name="abcd.wav")], None),
    ([task("a", "failed")], None),
    ([task("a", "cancelled")], None),
    ([], None),
    (["abc.wav", None, {}], None),
]


@pytest.mark.parametrize(("all_tasks", "found_identifier"), PREVIOUS_TASKS)
def test_resend_first_searches_for_an_earlier_job(service, reply, all_tasks, found_identifier):
    service.replies = [json_reply(reply, {"tasks": all_tasks}), json_reply(reply, QUEUED)]
    assert send(tasks(service.url), is_resend=True) == Job(found_identifier or QUEUED["identifier"])
    expected_paths = ["/task/all"] if found_identifier else ["/task/all", "/speech-to-text"]
    assert [received.path for received in service.received] == expected_paths


def test_earlier_job_is_searched_for_by_the_name_that_was_sent(service, reply):
    service.replies = [json_reply(reply, {"tasks": [task("a")]})]
    assert send(tasks(service.url), "abc.flac", is_resend=True) == Job("a")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b'{"detail": "Not Found"}'),
        (405, b'{"detail":"Method Not Allowed"}'),
        (404, b'{"detail": "Identifier not found"}'),
        (404, b'{"error": {"code": "TASK_NOT_FOUND"}}'),
    ],
)
def test_audio_is_sent_to_a_server_that_has_no_task_list(service, reply, status, body):
    service.replies = [reply(status=status, body=body), json_reply(reply, QUEUED)]
    assert send(tasks(service.url), is_resend=True) == Job("cb9d0200-50a0")


INVALID_LISTS = [
    (404, b"404 page not found\n"),
    (404, b"{}"),
    (405, b""),
    (422, b""),
    (500, b""),
    (500, b'{"detail": "Not Found"}'),
    (206, b""),
    (200, b'{"tasks": 3}'),
    (200, b'{"detail": "Not Found"}'),
    (200, b"[]"),
    (200, b""),
]


@pytest.mark.parametrize(("status", "body"), INVALID_LISTS)
def test_audio_is_not_resent_when_the_task_list_is_invalid(service, reply, status, body):
    service.replies = [reply(status=status, body=body)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url), is_resend=True)
    assert (raised.value.code, raised.value.status) == ("service_busy", None if status == 200 else status)
    assert len(service.received) == 1


def test_page_for_browsers_is_an_outage_and_does_not_lose_the_job(service, reply):
    service.replies = [reply(body=b"<html>Sign in</html>", headers={"Content-Type": "text/html"})]
    for request in (
        lambda: send(tasks(service.url), is_resend=True),
        lambda: tasks(service.url).poll(Job("a"), LONG_TIMEOUTS),
    ):
        with pytest.raises(ServiceUnavailable) as raised:
            request()
        assert raised.value.code == "wrong_settings"
        assert "sign-in page" in raised.value.message


@pytest.mark.parametrize("body", [b"404 page not found\n", b"<html>", b"", b"[]", b'"Task not found"'])
def test_404_from_a_proxy_is_an_outage_and_does_not_lose_the_job(service, reply, body):
    service.replies = [reply(status=404, body=body)]
    with pytest.raises(ServiceUnavailable) as raised:
        tasks(service.url).poll(Job("a"), LONG_TIMEOUTS)
    assert raised.value.code == "endpoint_not_found"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "authentication_failed"), (502, "service_down"), (503, "service_busy")]
)
def test_unavailable_server_for_the_task_list_is_an_outage(service, reply, status, code):
    service.replies = [reply(status=status)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url), is_resend=True)
    assert raised.value.code == code
    assert len(service.received) == 1


@pytest.mark.parametrize("closes", [False, True], ids=["no response", "closes the connection"])
def test_audio_is_not_resent_when_the_task_list_does_not_arrive(service, reply, monkeypatch, closes):
    if closes:
        service.replies = [reply(close=True)]
    else:
        monkeypatch.setattr(tasks_dialect, "LIST_TIMEOUT_SECONDS", 0.5)
        service.hold_until(2)  # only one request is sent
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url), is_resend=True)
    assert raised.value.code == "service_busy"
    assert len(service.received) == 1


def test_poll_that_times_out_or_loses_its_connection_is_not_an_outage(service, reply):
    service.replies = [reply(close=True)]
    for timeouts, code in ((LONG_TIMEOUTS, "connection_lost"), (SHORT_TIMEOUTS, "timeout")):
        with pytest.raises(RetryableError) as raised:
            tasks(service.url).poll(Job("a"), timeouts)
        assert (raised.type, raised.value.code) == (RetryableError, code)
        service.hold_until(3)  # only two requests are sent


def test_poll_with_a_refused_connection_is_an_outage():
    with pytest.raises(ServiceUnavailable):
        tasks("http://127.0.0.1:9").poll(Job("a"), LONG_TIMEOUTS)


@pytest.mark.parametrize(
    ("options", "name", "error", "query"),
    [
        ("", "abc-0-left.wav", NO_GPU, {"device": ["cpu"], "compute_type": ["int8"]}),
        ("compute_type=float32", "abc-0-left.wav", NO_GPU, {"device": ["cpu"], "compute_type": ["float32"]}),
        ("device=cuda", "abc-0-left.wav", NO_GPU, {"device": ["cuda"]}),
        ("device=", "abc-0-left.wav", NO_GPU, {}),
        ("", "abc-0-left.wav", "something else", {}),
        ("", "of-another-0-left.wav", NO_GPU, {}),
    ],
)
def test_recording_that_failed_for_lack_of_a_gpu_is_resent_to_the_cpu(service, reply, options, name, error, query):
    failed = task("a", "failed", name, error=error)
    service.replies = [json_reply(reply, {"tasks": [failed]}), json_reply(reply, QUEUED)]
    send(tasks(service.url, whisperx_options=options), "abc-1-left.wav", is_resend=True)
    assert service.received[1].query == query


def test_audio_for_a_server_without_a_gpu_is_sent_to_the_cpu_for_an_hour(service, reply, monkeypatch):
    service.replies = [json_reply(reply, {"status": "failed", "error": NO_GPU}), json_reply(reply, QUEUED)]
    with pytest.raises(JobFailed):
        tasks(service.url).poll(Job("a"), LONG_TIMEOUTS)
    send(tasks(service.url), "other-0.wav")
    monkeypatch.setattr(tasks_dialect, "NO_GPU_SECONDS", -1.0)
    service.replies = [json_reply(reply, {"status": "failed", "error": NO_GPU}), json_reply(reply, QUEUED)]
    with pytest.raises(JobFailed):
        tasks(service.url).poll(Job("a"), LONG_TIMEOUTS)
    send(tasks(service.url), "other-0.wav")
    queries = [received.query for received in service.received if received.method == "POST"]
    assert queries == [{"device": ["cpu"], "compute_type": ["int8"]}, {}]


def test_listed_task_with_an_invalid_identifier_is_an_invalid_response(service, reply):
    service.replies = [json_reply(reply, {"tasks": [task("../a")]})]
    with pytest.raises(RetryableError) as raised:
        send(tasks(service.url), is_resend=True)
    assert raised.value.code == "invalid_response"


@pytest.mark.parametrize("status", ["queued", "processing"])
def test_poll_returns_nothing_while_the_job_runs(service, reply, status):
    service.replies = [json_reply(reply, {"status": status, "result": None, "metadata": {}, "error": None})]
    assert tasks(service.url).poll(Job("a-1"), LONG_TIMEOUTS) is None
    assert (service.received[0].method, service.received[0].path) == ("GET", "/task/a-1")


@pytest.mark.parametrize(
    ("result", "metadata", "text", "language"),
    [
        ({"segments": [{"start": 0, "end": 1, "text": " hi", "words": []}]}, {"language": "de"}, "hi", "de"),
        ({"segments": [{"text": "hi"}], "language": "fr"}, {"language": "de"}, "hi", "fr"),
        ({"segments": [], "word_segments": []}, {"language": "en"}, "", "en"),
        ({"segments": []}, None, "", None),
    ],
)
def test_poll_of_a_completed_job_returns_its_transcript(service, reply, result, metadata, text, language):
    service.replies = [json_reply(reply, {"status": "completed", "result": result, "metadata": metadata})]
    transcript = tasks(service.url).poll(Job("a"), LONG_TIMEOUTS)
    assert (transcript.text, transcript.language) == (text, language)


POLL_ERRORS = [
    (200, {"status": "failed", "error": NO_GPU}, JobFailed, "no_gpu", "device=cpu"),
    (200, {"status": "failed", "error": "CUDA failed: out of memory"}, JobFailed, "job_failed", "out of memory"),
    (
        200,
        {"status": "failed", "error": "'NoneType' object has no attribute 'to'"},
        JobFailed,
        "job_failed",
        "HF_TOKEN",
    ),
    (200, {"status": "failed", "error": "Cannot access gated repo for url"}, JobFailed, "job_failed", "HF_TOKEN"),
    (
        200,
        {"status": "failed", "error": "'xx' is not a valid language code (af)"},
        JobFailed,
        "job_failed",
        "language",
    ),
    (200, {"status": "failed", "error": "k3y said hello"}, JobFailed, "job_failed", "failed"),
    (200, {"status": "failed"}, JobFailed, "job_failed", ""),
    (200, {"status": "cancelled"}, RetryableError, "invalid_response", ""),
    (200, {"status": ["failed"]}, RetryableError, "invalid_response", ""),
    (200, {"status": "completed", "result": None}, JobFailed, "invalid_response", ""),
    (200, {"status": "completed", "result": {"segments": 7}}, JobFailed, "invalid_response", ""),
    (200, [], RetryableError, "invalid_response", ""),
    (404, {"error": {"code": "TASK_NOT_FOUND"}}, JobFailed, "job_lost", "404"),
    (404, {"detail": "Identifier not found"}, JobFailed, "job_lost", "404"),
    (404, {"detail": "Not Found"}, ServiceUnavailable, "endpoint_not_found", "404"),
    (404, {"detail": "no such thing"}, JobFailed, "job_lost", "404"),
    (500, {"detail": "Task not found"}, RetryableError, "service_error", ""),
    (401, {}, ServiceUnavailable, "authentication_failed", ""),
    (503, {}, ServiceUnavailable, "service_busy", ""),
    (500, {}, RetryableError, "service_error", ""),
]


@pytest.mark.parametrize(("status", "body", "error_type", "code", "expected_message"), POLL_ERRORS)
def test_each_failed_poll_maps_to_an_error(service, reply, status, body, error_type, code, expected_message):
    service.replies = [json_reply(reply, body, status=status)]
    with pytest.raises(error_type) as raised:
        tasks(service.url).poll(Job("a"), LONG_TIMEOUTS)
    assert (raised.type, raised.value.code) == (error_type, code)
    assert raised.value.status == (None if status == 200 else status)
    assert expected_message in raised.value.message
    assert "k3y" not in raised.value.message


UPLOAD_ERRORS = [
    (400, {"error": {"code": "AUDIO_PROCESSING_ERROR"}}, PermanentError, "not_audio", "decode"),
    (400, {"detail": "Invalid file extension for file 5550100.flac"}, PermanentError, "not_audio", "extension"),
    (404, {"detail": "Not Found"}, ServiceUnavailable, "endpoint_not_found", "server URL"),
    (422, {"detail": [{"loc": ["query", "device"]}]}, ServiceUnavailable, "invalid_options", "(device)"),
    (
        422,
        {"detail": [{"loc": ["query", "model"]}, {"loc": ["query", "device"]}]},
        ServiceUnavailable,
        "invalid_options",
        "(device, model)",
    ),
    (422, {"detail": [{"loc": ["query", "5550100"]}]}, PermanentError, "request_rejected", "422"),
    (
        422,
        {"detail": [{"loc": ["query", "model"]}, {"loc": ["body", "file"]}]},
        PermanentError,
        "request_rejected",
        "422",
    ),
    (422, {"detail": []}, PermanentError, "request_rejected", "422"),
    (422, {"detail": [{"loc": [["model"]]}]}, PermanentError, "request_rejected", "422"),
    (501, {}, RetryableError, "service_error", "501"),
]


@pytest.mark.parametrize(("status", "body", "error_type", "code", "expected_message"), UPLOAD_ERRORS)
def test_each_failed_upload_maps_to_an_error(service, reply, status, body, error_type, code, expected_message):
    service.replies = [json_reply(reply, body, status=status)]
    with pytest.raises(error_type) as raised:
        send(tasks(service.url))
    assert raised.value.code == code
    assert expected_message in raised.value.message
    assert "5550100" not in raised.value.message


@pytest.mark.parametrize("option", ["repetition_penalty", "hallucination_silence_threshold", "a{b}"])
def test_rejected_custom_option_is_reported_as_an_invalid_option(service, reply, option):
    service.replies = [json_reply(reply, {"detail": [{"loc": ["query", option], "input": "5550100"}]}, status=422)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url, whisperx_options=f"{option}=5550100"))
    assert raised.value.code == "invalid_options"
    assert f"({option})" in raised.value.message
    assert "5550100" not in raised.value.message


def test_every_exchange_is_logged_without_secrets(service, reply):
    exchanges: list[Any] = []
    listing = json_reply(reply, {"tasks": []})
    service.replies = [listing, json_reply(reply, QUEUED), json_reply(reply, {"status": "failed"}), reply(close=True)]
    dialect = tasks(service.url.replace("//", "//user:pass@"), exchanges.append, whisperx_options="hf_token=s3cret")
    job = send(dialect, is_resend=True)
    for _ in range(2):
        with pytest.raises((RetryableError, ServiceUnavailable)):
            dialect.poll(job, LONG_TIMEOUTS)
    logged = [(each.method, each.url.removeprefix(service.url), each.status, each.error) for each in exchanges]
    assert logged == [
        ("GET", "/task/all", 200, None),
        ("POST", "/speech-to-text", 200, None),
        ("GET", f"/task/{job.id}", 200, "job_failed"),
        ("GET", f"/task/{job.id}", None, "connection_lost"),
    ]
    assert [exchange.bytes_sent for exchange in exchanges] == [0, len(service.received[1].body), 0, 0]
    assert [exchange.bytes_received for exchange in exchanges] == [13, 57, 20, 0]
    assert all(exchange.duration >= 0 and exchange.started_at.tzinfo for exchange in exchanges)
    assert not any(secret in str(exchanges) for secret in ("pass", "s3cret", "k3y"))
