"""The settings of whisperx over the API, their use by process, and the write-only key."""

import json
from typing import Any

import pytest

from callscribe.recordings.run import Module
from callscribe.store import settings_overrides
from testing.handlers import client

MODULE = "/api/modules/whisperx"
TEST = f"{MODULE}/test"
KEY = "planted-key-5f2e"
DOCS = b'{"openapi": "3.1.0", "paths": {"/asr": {}}}'


@pytest.fixture
def put(handlers):
    def put(**body):
        return handlers.api("PUT", MODULE, body=body)

    return put


@pytest.fixture
def secret(handlers, stack):
    """The key in Secrets Manager; removed before and after, with all caches cleared."""
    secrets, name = client("secretsmanager", stack.endpoint), stack.secrets["WhisperXSecret"]

    def remove_key():
        secrets.put_secret_value(SecretId=name, SecretString='{"apiKey": ""}')
        handlers.clear_caches()

    remove_key()

    def key():
        stored = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
        return {"apiKey": stored["apiKey"]}

    yield key
    remove_key()


@pytest.fixture
def transcribe(handlers, stack, service):
    """Transcribe a new recording with this name; return the request that the service got."""
    s3 = client("s3", stack.endpoint)

    def transcribe(name):
        s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=name, Body=b"RIFF" + b"\0" * 100)
        handlers.sync_and_queue()
        handlers.clear_caches()  # the key is cached for five minutes
        assert handlers.process()["counts"]["completed"] == 1
        return service.received[-1]

    return transcribe


def tables(stack):
    """Return all items of DynamoDB as text."""
    dynamodb = client("dynamodb", stack.endpoint)
    return json.dumps([dynamodb.scan(TableName=table)["Items"] for table in stack.tables.values()])


# settings ------------------------------------------------------------------------------------------------------------


def test_overrides_take_precedence_and_null_restores_the_template(handlers, put, service):
    handlers.overrides |= {"WHISPERX_LANGUAGE": "en", "WHISPERX_DIARIZE": "true", "WHISPERX_OPTIONS": "device=cpu"}
    template = handlers.api("GET", MODULE).json
    assert template == {
        "slug": "whisperx", "enabled": True, "baseUrl": service.url, "dialect": "asr", "language": "en",
        "diarize": True, "model": "", "options": "device=cpu", "caCertificate": "",
        "apiKeySet": False, "headerNames": [], "changed": [],
    }  # fmt: skip
    overrides = {
        "baseUrl": "https://gpu-box/base/", "dialect": "tasks", "language": "", "diarize": False, "model": "large-v3",
        "options": "",
    }  # fmt: skip
    response = put(**overrides)
    assert (response.status, response.json) == (200, template | overrides | {"changed": list(overrides)})
    assert handlers.api("GET", MODULE).json == response.json
    assert put(language=None).json == response.json | {
        "language": "en",
        "changed": [n for n in overrides if n != "language"],
    }
    assert put(**dict.fromkeys(overrides)).json == template


def test_invalid_value_is_rejected_by_field_and_changes_nothing(handlers, put, secret):
    before = put(model="large-v3").json
    values = {
        "baseUrl": ["gpu-box:9000", "http://u:p@gpu-box", "http://gpu-box\n", ""],
        "language": ["English", "en "],
        "model": ["large v3", "large\n"],
        "options": ["device", "a=b&c"],
        "apiKey": ["with space", "schlüssel", "line\nbreak", "\t"],
    }  # fmt: skip
    for field, invalid in values.items():
        for value in invalid:
            response = put(**{"diarize": True, "enabled": False, field: value})
            assert (response.status, response.json["error"]["code"]) == (400, "invalid_settings"), (field, value)
            assert [detail["field"] for detail in response.json["error"]["details"]] == [field]
    malformed: dict[str, list[Any]] = {
        "dialect": ["whisper", "", 1], "language": [1], "diarize": ["true", 1],
        "model": ["x" * 101, 1], "options": ["a=" + "x" * 1000], "baseUrl": ["http://" + "x" * 1024, 1],
        "apiKey": ["x" * 4097, 1], "enabled": ["no", None], "surprise": [1], "base_url": ["http://gpu-box"],
    }  # fmt: skip
    for field, invalid in malformed.items():
        for value in invalid:
            response = put(**{"language": "en", field: value})
            assert (response.status, response.json["error"]["code"]) == (400, "invalid_request"), (field, value)
            assert field in response.json["error"]["details"][0]["field"]
    assert handlers.api("GET", MODULE).json == before
    assert secret() == {"apiKey": ""}


def test_all_invalid_fields_are_reported_together(put):
    response = put(baseUrl="gpu-box", language="English", model="a b", options="x", apiKey="not sendable").json["error"]
    assert [detail["field"] for detail in response["details"]] == ["baseUrl", "language", "model", "options", "apiKey"]
    assert response["message"].startswith("Nothing was changed. baseUrl: must be a URL")
    response = put(dialect="none", diarize="yes").json["error"]
    assert [detail["field"] for detail in response["details"]] == ["body.dialect", "body.diarize"]


def test_disabled_module_keeps_its_settings_and_key(put, secret):
    put(language="de", apiKey=KEY)
    response = put(enabled=False).json
    assert (response["enabled"], response["language"], response["apiKeySet"]) == (False, "de", True)
    assert put(model="large-v3").json["enabled"] is False
    assert put(enabled=True).json["enabled"] is True


def test_process_uses_the_effective_settings(handlers, put, transcribe, service):
    handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9"
    assert put(baseUrl=service.url, language="de", diarize=True, options="device=cpu&max_speakers=2").status == 200
    request = transcribe("a.wav")
    assert request.path == "/asr"
    options = {name: values[0] for name, values in request.query.items()}
    assert options.items() >= {"language": "de", "diarize": "true", "device": "cpu", "max_speakers": "2"}.items()
    put(dialect="openai", model="large-v3", diarize=False, language=None, options=None)
    request = transcribe("b.wav")
    assert request.path == "/v1/audio/transcriptions"
    assert b'name="model"\r\n\r\nlarge-v3\r\n' in request.body
    assert b'name="language"' not in request.body
    assert b"max_speakers" not in request.body
    put(dialect=None, model=None)
    assert transcribe("c.wav").path == "/asr"


def test_invalid_template_setting_is_reported_before_anything_is_saved(handlers, put, secret):
    before = handlers.api("GET", MODULE).json
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(handlers.overrides, "WHISPERX_LANGUAGE", "English")
        response = put(model="large-v3", apiKey=KEY)
    assert (response.status, response.json["error"]["code"]) == (500, "configuration_error")
    assert "WhisperX language" in response.json["error"]["message"]
    assert handlers.api("GET", MODULE).json == before
    assert secret() == {"apiKey": ""}


def test_concurrent_update_returns_409_and_restores_the_key(handlers, put, secret, monkeypatch):
    put(apiKey="former")
    previous = settings_overrides.load()
    put(language="de")
    with monkeypatch.context() as patch:
        patch.setattr(settings_overrides, "load", lambda: previous)
        response = put(language="fr", model="large-v3", apiKey=KEY, enabled=False)
    assert (response.status, response.json["error"]["code"]) == (409, "conflict")
    shown = handlers.api("GET", MODULE).json
    assert (shown["language"], shown["model"], shown["enabled"]) == ("de", "", True)
    assert secret() == {"apiKey": "former"}


def test_key_saved_by_a_concurrent_update_is_not_overwritten(put, secret, monkeypatch):
    put(language="de")
    previous, save, concurrent = settings_overrides.load(), settings_overrides.save, []
    put(language="en")

    def save_key_first(*change, **switch):
        concurrent.append(put(apiKey="another"))
        return save(*change, **switch)

    with monkeypatch.context() as patch:
        patch.setattr(settings_overrides, "load", lambda: previous)
        patch.setattr(settings_overrides, "save", save_key_first)
        assert put(language="fr", apiKey=KEY).status == 409
    assert [response.status for response in concurrent] == [200]
    assert secret() == {"apiKey": "another"}


# the key -------------------------------------------------------------------------------------------------------------


def test_key_reaches_only_secrets_manager_and_the_server(
    handlers, put, secret, stack, service, reply, functions, transcribe, capfd, monkeypatch
):
    responses = [put(apiKey=KEY, language="en"), handlers.api("GET", MODULE), put(language="de"), put(enabled=True)]
    assert all(response.json["apiKeySet"] for response in responses)
    assert secret() == {"apiKey": KEY}
    assert transcribe("a.wav").headers["authorization"] == f"Bearer {KEY}"
    service.replies = [reply(body=DOCS)]
    tests = [handlers.api("POST", TEST), handlers.api("POST", TEST, body={"apiKey": f"{KEY}-2"})]
    assert [response.json["code"] for response in tests] == ["ok", "ok"]
    rejected = [put(apiKey=f"{KEY} "), put(apiKey=f"{KEY}\n", model="a b"), put(apiKey=KEY * 300), put(apiKey=[KEY])]
    rejected.append(handlers.api("PUT", MODULE, body=f'{{"apiKey": "{KEY}"'))
    rejected.append(put(apikey=KEY))
    rejected.append(handlers.api("POST", TEST, body={"apiKey": f"ü{KEY}"}))
    assert {response.status for response in rejected} == {400}
    monkeypatch.setitem(handlers.overrides, "WHISPERX_SECRET", "none")
    rejected.append(put(apiKey=KEY, language="fr"))
    assert rejected[-1].status == 503
    bodies = "".join(response.body for response in (*responses, *tests, *rejected))
    assert KEY not in bodies + tables(stack) + "".join(capfd.readouterr())


@pytest.mark.parametrize("empty", ["", None])
def test_empty_or_null_key_removes_the_key(handlers, put, secret, transcribe, empty):
    put(apiKey=KEY)
    assert put(apiKey=empty).json["apiKeySet"] is False
    assert handlers.api("GET", MODULE).json["apiKeySet"] is False
    assert secret() == {"apiKey": ""}
    assert "authorization" not in transcribe("a.wav").headers


@pytest.mark.parametrize("written", ["not JSON", "[]", "{}", '"x"', '{"apiKey": null}'])
def test_malformed_secret_is_no_key_and_can_be_overwritten(handlers, put, secret, stack, written):
    secrets = client("secretsmanager", stack.endpoint)
    secrets.put_secret_value(SecretId=stack.secrets["WhisperXSecret"], SecretString=written)
    assert handlers.api("GET", MODULE).json["apiKeySet"] is False
    assert put(apiKey=KEY).json["apiKeySet"] is True
    assert secret() == {"apiKey": KEY}


def test_nothing_changes_if_the_key_cannot_be_written(handlers, put, secret):
    before = put(language="de").json
    handlers.overrides["WHISPERX_SECRET"] = "none"
    response = put(apiKey=KEY, language="fr", enabled=False)
    assert (response.status, response.json["error"]["code"]) == (503, "store_error")
    assert "ResourceNotFoundException" in response.json["error"]["message"]
    del handlers.overrides["WHISPERX_SECRET"]
    assert handlers.api("GET", MODULE).json == before


# the test ------------------------------------------------------------------------------------------------------------


def test_settings_can_be_tested_before_they_are_saved(handlers, put, secret, stack, service, reply, functions):
    service.replies = [reply(body=DOCS)]
    put(baseUrl="http://127.0.0.1:9", apiKey="the-stored-key")
    before = (handlers.api("GET", MODULE).json, secret(), tables(stack))

    def run_test(**body):
        return handlers.api("POST", TEST, body=body or None).json["code"]

    assert run_test() == "connection_refused"
    assert run_test(baseUrl=service.url, apiKey=KEY) == "ok"
    assert service.received[0].headers["authorization"] == f"Bearer {KEY}"
    service.received.clear()
    assert run_test(baseUrl=None, apiKey="") == "ok"  # the template's
    assert all("authorization" not in request.headers for request in service.received)
    assert run_test(baseUrl=service.url, apiKey=KEY, dialect="tasks") == "wrong_dialect"
    assert (handlers.api("GET", MODULE).json, secret(), tables(stack)) == before


def test_stored_key_is_sent_to_no_other_server(handlers, put, secret, service, transcribe, functions):
    """Otherwise anyone who may change the URL could read the key."""
    assert put(apiKey=KEY).status == 200
    elsewhere = service.url.replace("127.0.0.1", "localhost")
    before = handlers.api("GET", MODULE).json
    for method, path in (("PUT", MODULE), ("POST", TEST)):
        response = handlers.api(method, path, body={"baseUrl": elsewhere})
        assert (response.status, response.json["error"]["details"][0]["field"]) == (400, "apiKey")
    assert service.received == []
    assert handlers.api("GET", MODULE).json == before
    assert put(baseUrl=f"{service.url}/").status == 200  # another path on the same server
    assert transcribe("a.wav").headers["authorization"] == f"Bearer {KEY}"
    assert put(baseUrl=elsewhere, apiKey="its-own").status == 200
    handlers.sync()
    handlers.api("POST", "/api/call-recordings/retry")
    assert put(apiKey="").json["apiKeySet"] is False
    assert put(baseUrl=service.url).status == 200  # no key is stored any more
    assert secret() == {"apiKey": ""}


def test_key_is_sent_to_no_other_server_after_conflicting_updates(handlers, put, secret, stack, service, functions):
    assert put(baseUrl="http://127.0.0.1:9", apiKey=KEY).status == 200
    assert settings_overrides.save(Module.WHISPERX, settings_overrides.load(), {"base_url": service.url})
    client("s3", stack.endpoint).put_object(
        Bucket=stack.buckets["RecordingsBucket"], Key="a.wav", Body=b"RIFF" + b"\0" * 100
    )
    run = handlers.transcribe()
    assert (run["status"], run["errorCode"]) == ("failed", "configuration_error")
    assert handlers.api("POST", TEST).json["code"] == "configuration_error"
    assert service.received == []
    assert put(apiKey=KEY).status == 200  # stored for this server now
    assert handlers.process()["counts"]["completed"] == 1


def test_warm_function_sends_the_key_of_the_new_server(handlers, put, secret, stack, service, functions):
    s3 = client("s3", stack.endpoint)
    for number, change in enumerate(({"apiKey": KEY}, {"baseUrl": f"{service.url}/", "apiKey": "its-own"})):
        assert put(**change).status == 200
        s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=f"{number}.wav", Body=b"RIFF" + b"\0" * 100)
        assert handlers.transcribe()["counts"]["completed"] == 1
    assert [request.headers["authorization"] for request in service.received] == [f"Bearer {KEY}", "Bearer its-own"]


def test_invalid_settings_are_not_tested(handlers, service, functions):
    response = handlers.api("POST", TEST, body={"baseUrl": "gpu-box", "options": "x"})
    assert (response.status, response.json["error"]["code"]) == (400, "invalid_settings")
    assert [detail["field"] for detail in response.json["error"]["details"]] == ["baseUrl", "options"]
    assert handlers.api("POST", TEST, body={"enabled": True}).status == 400
    assert service.received == []
