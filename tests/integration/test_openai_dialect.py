"""The `openai` dialect over real HTTP: options are form fields, and responses have several shapes."""

import json

import pytest

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import Job, connect
from tests.integration.audio import Bytes, parts
from tests.integration.timeouts import LONG_TIMEOUTS

DEFAULTS = [
    ("response_format", "verbose_json"),
    ("timestamp_granularities[]", "word"),
    ("timestamp_granularities[]", "segment"),
]


def send(url, name="abc.wav", **settings):
    dialect = connect(WhisperXSettings(whisperx_url=url, whisperx_dialect="openai", **settings), Credentials("k3y"))
    return dialect.send(Bytes(1000), name, LONG_TIMEOUTS)


def form_fields(received):
    """The name and value of each option, and the part that holds the file, which comes last."""
    *options, file = parts(received)
    fields = [(part.get_param("name", header="content-disposition"), part.get_payload(decode=True)) for part in options]
    return [(name, value.decode()) for name, value in fields], file


def test_options_are_sent_as_form_fields_before_the_file(service):
    options = {"whisperx_language": "en", "whisperx_model": "large-v3", "whisperx_diarize": True}
    assert send(service.url, whisperx_options="align=false&prompt=Grüße", **options).text == "hello there"
    (received,) = service.received
    assert (received.method, received.path, received.query) == ("POST", "/v1/audio/transcriptions", {})
    assert received.headers["authorization"] == "Bearer k3y"
    assert int(received.headers["content-length"]) == len(received.body)
    fields, file = form_fields(received)
    assert fields == [
        ("model", "large-v3"),
        ("language", "en"),
        *DEFAULTS,
        ("diarize", "true"),
        ("align", "false"),
        ("prompt", "Grüße"),
    ]
    assert file.get_param("name", header="content-disposition") == "file"
    assert (file.get_filename(), file.get_payload(decode=True)) == ("abc.wav", b"a" * 1000)


def test_unset_options_are_not_sent_and_custom_options_take_precedence(service):
    send(service.url)
    send(service.url, whisperx_options="timestamp_granularities[]=segment")
    assert [form_fields(received)[0] for received in service.received] == [DEFAULTS, [DEFAULTS[0], DEFAULTS[2]]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("response_format=json", [("response_format", "json")]),
        ("response_format=", []),
        ("response_format=&prompt=", []),
        ("timestamp_granularities[]=", DEFAULTS[:1]),
        ("response_format=diarized_json", [("chunking_strategy", "auto"), ("response_format", "diarized_json")]),
        ("response_format=diarized_json&chunking_strategy=", [("response_format", "diarized_json")]),
        ("response_format=verbose_json", [*DEFAULTS[1:], DEFAULTS[0]]),
        (
            "response_format=json&timestamp_granularities[]=word",
            [("response_format", "json"), ("timestamp_granularities[]", "word")],
        ),
    ],
)
def test_empty_options_and_those_of_another_format_are_not_sent(service, options, expected):
    send(service.url, whisperx_options=options)
    assert form_fields(service.received[0])[0] == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("whisper-1", DEFAULTS),
        ("Systran/faster-whisper-large-v3", DEFAULTS),
        ("gpt-4o-transcribe", [("response_format", "json")]),
        ("gpt-4o-mini-transcribe-2025-12-15", [("response_format", "json")]),
        ("gpt-transcribe", [("response_format", "json")]),
        ("openai/gpt-4o-transcribe", [("response_format", "json")]),
        ("gpt-4o-transcribe-diarize", [("response_format", "diarized_json"), ("chunking_strategy", "auto")]),
    ],
)
def test_each_model_is_sent_what_it_knows(service, model, expected):
    send(service.url, whisperx_model=model)
    send(service.url, whisperx_options=f"model={model}")
    by_setting, by_option = (form_fields(received)[0] for received in service.received)
    assert by_setting == [("model", model), *expected]
    assert by_option == [*expected, ("model", model)]


def test_openai_models_are_not_sent_diarize(service):
    send(service.url, whisperx_model="gpt-4o-transcribe-diarize", whisperx_diarize=True)
    assert "diarize" not in dict(form_fields(service.received[0])[0])


def test_diarized_json_is_read_with_times_and_speakers(service, reply):
    """As in OpenAI's API reference."""
    segments = [
        {"type": "transcript.text.segment", "id": "1", "start": 0.0, "end": 1.5, "text": "Hello.", "speaker": "A"},
        {"type": "transcript.text.segment", "id": "2", "start": 1.5, "end": 2.8, "text": "Bye.", "speaker": "B"},
    ]
    document = {"task": "transcribe", "duration": 2.8, "text": "Hello. Bye.", "segments": segments, "usage": {}}
    service.replies = [reply(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})]
    transcript = send(service.url, whisperx_model="gpt-4o-transcribe-diarize")
    assert [(each.start, each.end, each.speaker, each.text) for each in transcript.segments] == [
        (0.0, 1.5, "A", "Hello."),
        (1.5, 2.8, "B", "Bye."),
    ]


@pytest.mark.parametrize("option", ['na"me', "na\r\nme", "ü"])
def test_unusual_option_names_do_not_break_the_body(service, option):
    send(service.url, whisperx_options=f"{option}=a%0D%0A--b")
    fields, file = form_fields(service.received[0])
    assert (len(fields), file.get_payload(decode=True)) == (4, b"a" * 1000)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_url_may_end_with_v1(service, suffix):
    send(service.url + suffix)
    assert service.received[0].path == "/v1/audio/transcriptions"


SEGMENT = {"start": 0.0, "end": 1.0, "text": " Bye."}


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "Bye.", "segments": [SEGMENT]},
        {"segments": {"segments": [SEGMENT], "word_segments": []}, "language": "en", "text": "Bye."},
        {"segments": [SEGMENT], "word_segments": []},
        {"task": "transcribe", "text": "Bye.", "words": [{"word": "Bye", "start": 0.0, "end": 1.0}]},
    ],
    ids=["flat", "nested", "no text", "words only"],
)
def test_response_of_each_server_is_parsed(service, reply, payload):
    service.replies = [reply(body=json.dumps(payload).encode(), headers={"Content-Type": "application/json"})]
    transcript = send(service.url)
    assert (transcript.text, transcript.duration) == ("Bye.", 1.0)


@pytest.mark.parametrize(
    ("status", "body", "error_type", "code", "expected_message"),
    [
        (400, {"detail": "Unsupported language 'xx' for alignment."}, PermanentError, "request_rejected", "language"),
        (401, {}, ServiceUnavailable, "authentication_failed", "401"),
        (403, {"detail": "Invalid API Key"}, ServiceUnavailable, "authentication_failed", "key"),
        (404, {"detail": "Model not found."}, ServiceUnavailable, "endpoint_not_found", "correct the model"),
        (404, {"detail": "Not Found"}, ServiceUnavailable, "endpoint_not_found", "server URL"),
        (413, {}, PermanentError, "too_large", "413"),
        (415, {}, PermanentError, "not_audio", "415"),
        (422, {"detail": "Invalid audio k3y"}, PermanentError, "not_audio", "422"),
        (422, {"detail": [{"loc": ["body", "language"]}]}, ServiceUnavailable, "invalid_options", "(language)"),
        (
            422,
            {"detail": [{"loc": ["body", "timestamp_granularities[]", 0]}]},
            ServiceUnavailable,
            "invalid_options",
            "timestamp_granularities[]",
        ),
        (422, {"detail": [{"loc": ["body", "file"]}]}, PermanentError, "not_audio", "422"),
        (503, {"detail": "Out of GPU memory; retry shortly."}, ServiceUnavailable, "service_busy", "503"),
        (504, {}, RetryableError, "gateway_timeout", "504"),
    ],
)
def test_each_error_response_maps_to_an_error(service, reply, status, body, error_type, code, expected_message):
    service.replies = [reply(status=status, body=json.dumps(body).encode())]
    with pytest.raises(error_type) as raised:
        send(service.url)
    assert raised.value.code == code
    assert expected_message in raised.value.message
    assert "k3y" not in raised.value.message


def test_rejected_custom_option_is_reported_as_an_invalid_option(service, reply):
    service.replies = [reply(status=422, body=b'{"detail": [{"loc": ["body", "repetition_penalty"]}]}')]
    with pytest.raises(ServiceUnavailable) as raised:
        send(service.url, whisperx_options="repetition_penalty=x")
    assert raised.value.code == "invalid_options"
    assert "(repetition_penalty)" in raised.value.message


@pytest.mark.parametrize("dialect", ["asr", "openai"])
def test_job_of_another_dialect_is_lost(dialect):
    service = connect(WhisperXSettings(whisperx_url="http://127.0.0.1:9", whisperx_dialect=dialect), Credentials())
    with pytest.raises(JobFailed) as raised:
        service.poll(Job("a"), LONG_TIMEOUTS)
    assert raised.value.code == "job_lost"
