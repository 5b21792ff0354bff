"""The `tasks` dialect over real HTTP: audio becomes a job, and a job a transcript."""

import json
from typing import Any

import pytest

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.whisperx import Job, connect
from callscribe.whisperx.dialects import tasks as module
from callscribe.whisperx.dialects import tasks as tasks_dialect
from tests.integration.audio import Bytes, parts
from tests.integration.timeouts import IMPATIENT, PATIENT

QUEUED = {"identifier": "cb9d0200-50a0", "message": "Task queued"}
NO_GPU = "CUDA failed with error no CUDA-capable device is detected"


def tasks(url, observe=lambda _: None, **settings):
    return connect(WhisperXSettings(whisperx_url=url, whisperx_dialect="tasks", **settings), "k3y", observe)


def as_json(reply, value, **more):
    return reply(body=json.dumps(value).encode(), headers={"Content-Type": "application/json"}, **more)


def listed(identifier, status="completed", name="abc.wav", started="2026-11-22T11:05:31", error=None):
    return {"identifier": identifier, "status": status, "file_name": name, "start_time": started, "error": error}


def send(dialect, name="abc.wav", *, is_resend=False):
    return dialect.send(Bytes(100), name, PATIENT, is_resend=is_resend)


def test_the_audio_goes_into_the_field_the_options_into_the_query_and_a_job_comes_back(service, reply):
    service.replies = [as_json(reply, QUEUED)]
    options = {"whisperx_language": "en", "whisperx_model": "small", "whisperx_options": "device=cpu&compute_type=int8"}
    assert send(tasks(f"{service.url}/", **options)) == Job("cb9d0200-50a0")
    (received,) = service.received
    assert (received.method, received.path) == ("POST", "/speech-to-text")
    assert received.headers["authorization"] == "Bearer k3y"
    assert received.query == {"language": ["en"], "model": ["small"], "device": ["cpu"], "compute_type": ["int8"]}
    (part,) = parts(received)
    assert part.get_param("name", header="content-disposition") == "file"


def test_what_is_not_set_is_not_sent_and_an_option_of_the_site_wins_over_a_setting(service, reply):
    service.replies = [as_json(reply, QUEUED)]
    send(tasks(service.url))
    options = "model=large-v3&suppress_tokens=1&suppress_tokens=2"
    send(tasks(service.url, whisperx_model="small", whisperx_options=options))
    assert [each.query for each in service.received] == [{}, {"model": ["large-v3"], "suppress_tokens": ["1", "2"]}]


@pytest.mark.parametrize(
    ("name", "sent"),
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
def test_an_ending_that_the_server_refuses_is_sent_as_one_that_it_takes(service, reply, name, sent):
    service.replies = [as_json(reply, QUEUED)]
    send(tasks(service.url), name)
    assert f'filename="{sent}"'.encode() in service.received[0].body


@pytest.mark.parametrize("identifier", ["", "a/b", "a b", "..", "x" * 129, "a?b", "ä", "a\n", None, 7, ["a"]])
def test_an_identifier_that_is_no_token_is_unreadable(service, reply, identifier):
    service.replies = [as_json(reply, {"identifier": identifier})]
    with pytest.raises(RetryableError) as raised:
        send(tasks(service.url))
    assert raised.value.code == "invalid_response"


FOUND = [
    ([listed("old"), listed("new", started="2026-11-22T12:00:00")], "new"),
    ([listed("new", "queued", started=None), listed("old")], "new"),
    ([listed("a", "processing")], "a"),
    ([listed("a"), listed("later", "failed", started="2026-11-22T12:00:00")], "a"),
    ([listed("of-another", name="abcd.wav")], None),
    ([listed("a", "failed")], None),
    ([listed("a", "cancelled")], None),
    ([], None),
    (["abc.wav", None, {}], None),
]


@pytest.mark.parametrize(("all_tasks", "found"), FOUND)
def test_what_may_have_been_sent_before_is_looked_for_first(service, reply, all_tasks, found):
    service.replies = [as_json(reply, {"tasks": all_tasks}), as_json(reply, QUEUED)]
    assert send(tasks(service.url), is_resend=True) == Job(found or QUEUED["identifier"])
    assert [each.path for each in service.received] == ["/task/all", "/speech-to-text"][: 1 if found else 2]


def test_it_is_looked_for_under_the_name_that_it_was_sent_under(service, reply):
    service.replies = [as_json(reply, {"tasks": [listed("a")]})]
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
def test_a_server_without_a_list_of_tasks_is_just_sent_to(service, reply, status, body):
    service.replies = [reply(status=status, body=body), as_json(reply, QUEUED)]
    assert send(tasks(service.url), is_resend=True) == Job("cb9d0200-50a0")


NO_LIST = [
    (404, b"404 page not found\n"),
    (404, b"{}"),
    (405, b""),
    (422, b""),
    (500, b""),
    (500, b'{"detail": "Not Found"}'),
    (206, b""),
    (200, b"<html>"),
    (200, b'{"tasks": 3}'),
    (200, b'{"detail": "Not Found"}'),
    (200, b"[]"),
    (200, b""),
]


@pytest.mark.parametrize(("status", "body"), NO_LIST)
def test_a_list_that_is_none_does_not_lead_to_a_second_sending(service, reply, status, body):
    service.replies = [reply(status=status, body=body)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url), is_resend=True)
    assert (raised.value.code, raised.value.status) == ("service_busy", None if status == 200 else status)
    assert len(service.received) == 1


@pytest.mark.parametrize("body", [b"404 page not found\n", b"<html>", b"", b"[]", b'"Task not found"'])
def test_a_404_of_a_proxy_says_nothing_about_a_job(service, reply, body):
    service.replies = [reply(status=404, body=body)]
    with pytest.raises(ServiceUnavailable) as raised:
        tasks(service.url).poll(Job("a"), PATIENT)
    assert raised.value.code == "endpoint_not_found"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "authentication_failed"), (502, "service_down"), (503, "service_busy")]
)
def test_a_server_that_is_not_there_for_the_list_is_an_outage(service, reply, status, code):
    service.replies = [reply(status=status)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url), is_resend=True)
    assert raised.value.code == code
    assert len(service.received) == 1


@pytest.mark.parametrize("answers", [False, True], ids=["silent", "breaks the connection"])
def test_a_server_that_does_not_tell_its_tasks_is_not_sent_the_same_again(service, reply, monkeypatch, answers):
    if answers:
        service.replies = [reply(close=True)]
    else:
        monkeypatch.setattr(module, "LIST_TIMEOUT_SECONDS", 0.5)
        service.hold_until(2)  # and there is only one
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url), is_resend=True)
    assert raised.value.code == "service_busy"
    assert len(service.received) == 1


def test_a_poll_without_an_answer_in_time_or_whose_connection_breaks_is_no_outage(service, reply):
    service.replies = [reply(close=True)]
    for timeouts, code in ((PATIENT, "connection_lost"), (IMPATIENT, "timeout")):
        with pytest.raises(RetryableError) as raised:
            tasks(service.url).poll(Job("a"), timeouts)
        assert (raised.type, raised.value.code) == (RetryableError, code)
        service.hold_until(3)  # and there are only two


def test_a_poll_that_finds_nobody_is_an_outage():
    with pytest.raises(ServiceUnavailable):
        tasks("http://127.0.0.1:9").poll(Job("a"), PATIENT)


@pytest.mark.parametrize(
    ("options", "name", "error", "query"),
    [
        ("", "abc-0-left.wav", NO_GPU, {"device": ["cpu"], "compute_type": ["int8"]}),
        ("compute_type=float32", "abc-0-left.wav", NO_GPU, {"device": ["cpu"], "compute_type": ["float32"]}),
        ("device=cuda", "abc-0-left.wav", NO_GPU, {"device": ["cuda"]}),
        ("", "abc-0-left.wav", "something else", {}),
        ("", "of-another-0-left.wav", NO_GPU, {}),
    ],
)
def test_what_failed_for_want_of_a_gpu_is_sent_to_the_cpu(service, reply, options, name, error, query):
    failed = listed("a", "failed", name, error=error)
    service.replies = [as_json(reply, {"tasks": [failed]}), as_json(reply, QUEUED)]
    send(tasks(service.url, whisperx_options=options), "abc-1-left.wav", is_resend=True)
    assert service.received[1].query == query


def test_a_server_that_lacked_a_gpu_is_asked_for_the_cpu_at_once_for_an_hour(service, reply, monkeypatch):
    service.replies = [as_json(reply, {"status": "failed", "error": NO_GPU}), as_json(reply, QUEUED)]
    with pytest.raises(JobFailed):
        tasks(service.url).poll(Job("a"), PATIENT)
    send(tasks(service.url), "other-0.wav")
    monkeypatch.setattr(tasks_dialect, "NO_GPU_SECONDS", -1.0)
    service.replies = [as_json(reply, {"status": "failed", "error": NO_GPU}), as_json(reply, QUEUED)]
    with pytest.raises(JobFailed):
        tasks(service.url).poll(Job("a"), PATIENT)
    send(tasks(service.url), "other-0.wav")
    queries = [received.query for received in service.received if received.method == "POST"]
    assert queries == [{"device": ["cpu"], "compute_type": ["int8"]}, {}]


def test_a_task_in_the_list_that_cannot_be_asked_for_is_unreadable(service, reply):
    service.replies = [as_json(reply, {"tasks": [listed("../a")]})]
    with pytest.raises(RetryableError) as raised:
        send(tasks(service.url), is_resend=True)
    assert raised.value.code == "invalid_response"


@pytest.mark.parametrize("status", ["queued", "processing"])
def test_a_job_under_way_is_waited_for(service, reply, status):
    service.replies = [as_json(reply, {"status": status, "result": None, "metadata": {}, "error": None})]
    assert tasks(service.url).poll(Job("a-1"), PATIENT) is None
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
def test_a_completed_job_is_a_transcript(service, reply, result, metadata, text, language):
    service.replies = [as_json(reply, {"status": "completed", "result": result, "metadata": metadata})]
    transcript = tasks(service.url).poll(Job("a"), PATIENT)
    assert (transcript.text, transcript.language) == (text, language)


POLLED = [
    (200, {"status": "failed", "error": NO_GPU}, JobFailed, "no_gpu", "device=cpu"),
    (200, {"status": "failed", "error": "CUDA failed: out of memory"}, JobFailed, "job_failed", "ran out"),
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


@pytest.mark.parametrize(("status", "body", "kind", "code", "words"), POLLED)
def test_each_way_that_a_poll_ends_has_its_class(service, reply, status, body, kind, code, words):
    service.replies = [as_json(reply, body, status=status)]
    with pytest.raises(kind) as raised:
        tasks(service.url).poll(Job("a"), PATIENT)
    assert (raised.type, raised.value.code) == (kind, code)
    assert raised.value.status == (None if status == 200 else status)
    assert words in raised.value.message
    assert "k3y" not in raised.value.message


SUBMITTED = [
    (400, {"error": {"code": "AUDIO_PROCESSING_ERROR"}}, PermanentError, "not_audio", "decode"),
    (400, {"detail": "Invalid file extension for file 5550100.flac"}, PermanentError, "not_audio", "ending"),
    (404, {"detail": "Not Found"}, ServiceUnavailable, "endpoint_not_found", "server's address"),
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


@pytest.mark.parametrize(("status", "body", "kind", "code", "words"), SUBMITTED)
def test_each_refusal_has_its_class(service, reply, status, body, kind, code, words):
    service.replies = [as_json(reply, body, status=status)]
    with pytest.raises(kind) as raised:
        send(tasks(service.url))
    assert raised.value.code == code
    assert words in raised.value.message
    assert "5550100" not in raised.value.message


@pytest.mark.parametrize("option", ["repetition_penalty", "hallucination_silence_threshold", "a{b}"])
def test_an_option_that_the_site_itself_has_set_is_blamed_and_not_the_audio(service, reply, option):
    service.replies = [as_json(reply, {"detail": [{"loc": ["query", option], "input": "5550100"}]}, status=422)]
    with pytest.raises(ServiceUnavailable) as raised:
        send(tasks(service.url, whisperx_options=f"{option}=5550100"))
    assert raised.value.code == "invalid_options"
    assert f"({option})" in raised.value.message
    assert "5550100" not in raised.value.message


def test_every_exchange_is_told_and_nothing_secret_with_it(service, reply):
    told: list[Any] = []
    listing = as_json(reply, {"tasks": []})
    service.replies = [listing, as_json(reply, QUEUED), as_json(reply, {"status": "failed"}), reply(close=True)]
    dialect = tasks(service.url.replace("//", "//user:pass@"), told.append, whisperx_options="hf_token=s3cret")
    job = send(dialect, is_resend=True)
    for _ in range(2):
        with pytest.raises((RetryableError, ServiceUnavailable)):
            dialect.poll(job, PATIENT)
    assert [(each.method, each.url.removeprefix(service.url), each.status, each.error) for each in told] == [
        ("GET", "/task/all", 200, None),
        ("POST", "/speech-to-text", 200, None),
        ("GET", f"/task/{job.id}", 200, "job_failed"),
        ("GET", f"/task/{job.id}", None, "connection_lost"),
    ]
    assert [each.bytes_sent for each in told] == [0, len(service.received[1].body), 0, 0]
    assert [each.bytes_received for each in told] == [13, 57, 20, 0]
    assert all(each.duration >= 0 and each.started_at.tzinfo for each in told)
    assert not any(secret in str(told) for secret in ("pass", "s3cret", "k3y"))
