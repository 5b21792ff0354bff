"""The settings of whisperx over the API: kept over the template's, used by process; and the key, which nobody sees."""

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
    """What is in Secrets Manager; empty before and after, and nothing remembered of it."""
    secrets, name = client("secretsmanager", stack.endpoint), stack.secrets["WhisperXSecret"]

    def forget():
        secrets.put_secret_value(SecretId=name, SecretString='{"apiKey": ""}')
        handlers.clear_caches()

    forget()

    def key():
        held = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
        return {"apiKey": held["apiKey"]}

    yield key
    forget()


@pytest.fixture
def transcribed(handlers, stack, service):
    """Takes a recording of this name through the three tasks; gives the request that the service got."""
    s3 = client("s3", stack.endpoint)

    def transcribed(name):
        s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=name, Body=b"RIFF" + b"\0" * 100)
        handlers.sync_and_queue()
        handlers.clear_caches()  # the key is remembered for five minutes
        assert handlers.process()["counts"]["completed"] == 1
        return service.received[-1]

    return transcribed


def tables(stack):
    """All that is in DynamoDB, as text."""
    dynamodb = client("dynamodb", stack.endpoint)
    return json.dumps([dynamodb.scan(TableName=table)["Items"] for table in stack.tables.values()])


# settings ------------------------------------------------------------------------------------------------------------


def test_the_template_counts_until_something_is_set_and_null_brings_it_back(handlers, put, service):
    handlers.overrides |= {"WHISPERX_LANGUAGE": "en", "WHISPERX_DIARIZE": "true", "WHISPERX_OPTIONS": "device=cpu"}
    template = handlers.api("GET", MODULE).json
    assert template == {
        "slug": "whisperx", "enabled": True, "baseUrl": service.url, "dialect": "asr", "language": "en",
        "diarize": True, "model": "", "options": "device=cpu", "apiKeySet": False, "changed": [],
    }  # fmt: skip
    given = {
        "baseUrl": "https://gpu-box/base/", "dialect": "tasks", "language": "", "diarize": False, "model": "large-v3",
        "options": "",
    }  # fmt: skip
    answer = put(**given)
    assert (answer.status, answer.json) == (200, template | given | {"changed": list(given)})
    assert handlers.api("GET", MODULE).json == answer.json
    assert put(language=None).json == answer.json | {"language": "en", "changed": [n for n in given if n != "language"]}
    assert put(**dict.fromkeys(given)).json == template


def test_each_value_that_cannot_be_used_is_refused_by_name_and_nothing_is_changed(handlers, put, secret):
    before = put(model="large-v3").json
    values = {
        "baseUrl": ["gpu-box:9000", "http://u:p@gpu-box", "http://gpu-box\n", ""],
        "language": ["English", "en "],
        "model": ["large v3", "large\n"],
        "options": ["device", "a=b&c"],
        "apiKey": ["with space", "schlüssel", "line\nbreak", "\t"],
    }  # fmt: skip
    for field, faulty in values.items():
        for value in faulty:
            answer = put(**{"diarize": True, "enabled": False, field: value})
            assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_settings"), (field, value)
            assert [each["field"] for each in answer.json["error"]["details"]] == [field]
    malformed: dict[str, list[Any]] = {
        "dialect": ["whisper", "", 1], "language": [1], "diarize": ["true", 1],
        "model": ["x" * 101, 1], "options": ["a=" + "x" * 1000], "baseUrl": ["http://" + "x" * 1024, 1],
        "apiKey": ["x" * 4097, 1], "enabled": ["no", None], "surprise": [1], "base_url": ["http://gpu-box"],
    }  # fmt: skip
    for field, faulty in malformed.items():
        for value in faulty:
            answer = put(**{"language": "en", field: value})
            assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request"), (field, value)
            assert field in answer.json["error"]["details"][0]["field"]
    assert handlers.api("GET", MODULE).json == before
    assert secret() == {"apiKey": ""}


def test_several_faults_are_named_at_once(put):
    answer = put(baseUrl="gpu-box", language="English", model="a b", options="x", apiKey="not sendable").json["error"]
    assert [each["field"] for each in answer["details"]] == ["baseUrl", "language", "model", "options", "apiKey"]
    assert answer["message"].startswith("Nothing was changed. baseUrl: must be a URL")
    answer = put(dialect="none", diarize="yes").json["error"]
    assert [each["field"] for each in answer["details"]] == ["body.dialect", "body.diarize"]


def test_the_module_is_disabled_and_keeps_its_settings_and_its_key(put, secret):
    put(language="de", apiKey=KEY)
    answer = put(enabled=False).json
    assert (answer["enabled"], answer["language"], answer["apiKeySet"]) == (False, "de", True)
    assert put(model="large-v3").json["enabled"] is False
    assert put(enabled=True).json["enabled"] is True


def test_process_speaks_to_the_server_as_it_is_set(handlers, put, transcribed, service):
    handlers.overrides["WHISPERX_URL"] = "http://127.0.0.1:9"
    assert put(baseUrl=service.url, language="de", diarize=True, options="device=cpu&max_speakers=2").status == 200
    sent = transcribed("a.wav")
    assert sent.path == "/asr"
    asked = {name: values[0] for name, values in sent.query.items()}
    assert asked.items() >= {"language": "de", "diarize": "true", "device": "cpu", "max_speakers": "2"}.items()
    put(dialect="openai", model="large-v3", diarize=False, language=None, options=None)
    sent = transcribed("b.wav")
    assert sent.path == "/v1/audio/transcriptions"
    assert b'name="model"\r\n\r\nlarge-v3\r\n' in sent.body
    assert b'name="language"' not in sent.body
    assert b"max_speakers" not in sent.body
    put(dialect=None, model=None)
    assert transcribed("c.wav").path == "/asr"


def test_what_is_wrong_in_the_template_is_told_before_anything_is_kept(handlers, put, secret):
    before = handlers.api("GET", MODULE).json
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(handlers.overrides, "WHISPERX_LANGUAGE", "English")
        answer = put(model="large-v3", apiKey=KEY)
    assert (answer.status, answer.json["error"]["code"]) == (500, "configuration_error")
    assert "WhisperX language" in answer.json["error"]["message"]
    assert handlers.api("GET", MODULE).json == before
    assert secret() == {"apiKey": ""}


def test_of_two_who_set_at_the_same_moment_one_is_told_and_all_of_his_is_undone(handlers, put, secret, monkeypatch):
    put(apiKey="former")
    seen = settings_overrides.load()
    put(language="de")
    with monkeypatch.context() as patch:
        patch.setattr(settings_overrides, "load", lambda: seen)
        answer = put(language="fr", model="large-v3", apiKey=KEY, enabled=False)
    assert (answer.status, answer.json["error"]["code"]) == (409, "conflict")
    shown = handlers.api("GET", MODULE).json
    assert (shown["language"], shown["model"], shown["enabled"]) == ("de", "", True)
    assert secret() == {"apiKey": "former"}


def test_a_key_that_somebody_else_set_meanwhile_is_not_undone(put, secret, monkeypatch):
    put(language="de")
    seen, keep, others = settings_overrides.load(), settings_overrides.save, []
    put(language="en")

    def meanwhile(*change, **switch):
        others.append(put(apiKey="another"))
        return keep(*change, **switch)

    with monkeypatch.context() as patch:
        patch.setattr(settings_overrides, "load", lambda: seen)
        patch.setattr(settings_overrides, "save", meanwhile)
        assert put(language="fr", apiKey=KEY).status == 409
    assert [each.status for each in others] == [200]
    assert secret() == {"apiKey": "another"}


# the key -------------------------------------------------------------------------------------------------------------


def test_the_key_goes_to_secrets_manager_and_to_the_server_and_nowhere_else(
    handlers, put, secret, stack, service, reply, functions, transcribed, capfd, monkeypatch
):
    answers = [put(apiKey=KEY, language="en"), handlers.api("GET", MODULE), put(language="de"), put(enabled=True)]
    assert all(each.json["apiKeySet"] for each in answers)
    assert secret() == {"apiKey": KEY}
    assert transcribed("a.wav").headers["authorization"] == f"Bearer {KEY}"
    service.replies = [reply(body=DOCS)]
    tried = [handlers.api("POST", TEST), handlers.api("POST", TEST, body={"apiKey": f"{KEY}-2"})]
    assert [each.json["code"] for each in tried] == ["ok", "ok"]
    refused = [put(apiKey=f"{KEY} "), put(apiKey=f"{KEY}\n", model="a b"), put(apiKey=KEY * 300), put(apiKey=[KEY])]
    refused.append(handlers.api("PUT", MODULE, body=f'{{"apiKey": "{KEY}"'))
    refused.append(put(apikey=KEY))
    refused.append(handlers.api("POST", TEST, body={"apiKey": f"ü{KEY}"}))
    assert {each.status for each in refused} == {400}
    monkeypatch.setitem(handlers.overrides, "WHISPERX_SECRET", "none")
    refused.append(put(apiKey=KEY, language="fr"))
    assert refused[-1].status == 503
    told = "".join(each.body for each in (*answers, *tried, *refused))
    assert KEY not in told + tables(stack) + "".join(capfd.readouterr())


@pytest.mark.parametrize("nothing", ["", None])
def test_the_key_is_taken_away_by_an_empty_one_or_by_none(handlers, put, secret, transcribed, nothing):
    put(apiKey=KEY)
    assert put(apiKey=nothing).json["apiKeySet"] is False
    assert handlers.api("GET", MODULE).json["apiKeySet"] is False
    assert secret() == {"apiKey": ""}
    assert "authorization" not in transcribed("a.wav").headers


@pytest.mark.parametrize("written", ["not JSON", "[]", "{}", '"x"', '{"apiKey": null}'])
def test_a_secret_that_somebody_wrote_by_hand_is_no_key_and_can_be_written_anew(handlers, put, secret, stack, written):
    secrets = client("secretsmanager", stack.endpoint)
    secrets.put_secret_value(SecretId=stack.secrets["WhisperXSecret"], SecretString=written)
    assert handlers.api("GET", MODULE).json["apiKeySet"] is False
    assert put(apiKey=KEY).json["apiKeySet"] is True
    assert secret() == {"apiKey": KEY}


def test_nothing_is_changed_if_the_key_cannot_be_written(handlers, put, secret):
    before = put(language="de").json
    handlers.overrides["WHISPERX_SECRET"] = "none"
    answer = put(apiKey=KEY, language="fr", enabled=False)
    assert (answer.status, answer.json["error"]["code"]) == (503, "store_error")
    assert "ResourceNotFoundException" in answer.json["error"]["message"]
    del handlers.overrides["WHISPERX_SECRET"]
    assert handlers.api("GET", MODULE).json == before


# the test ------------------------------------------------------------------------------------------------------------


def test_settings_can_be_tried_before_they_are_kept(handlers, put, secret, stack, service, reply, functions):
    service.replies = [reply(body=DOCS)]
    put(baseUrl="http://127.0.0.1:9", apiKey="the-kept-one")
    before = (handlers.api("GET", MODULE).json, secret(), tables(stack))

    def tried(**body):
        return handlers.api("POST", TEST, body=body or None).json["code"]

    assert tried() == "refused"
    assert tried(baseUrl=service.url, apiKey=KEY) == "ok"
    assert service.received[0].headers["authorization"] == f"Bearer {KEY}"
    service.received.clear()
    assert tried(baseUrl=None, apiKey="") == "ok"  # the template's
    assert all("authorization" not in each.headers for each in service.received)
    assert tried(baseUrl=service.url, apiKey=KEY, dialect="tasks") == "wrong_dialect"
    assert (handlers.api("GET", MODULE).json, secret(), tables(stack)) == before


def test_the_key_that_is_kept_is_sent_to_no_other_server(handlers, put, secret, service, transcribed, functions):
    """Or whoever may set an address could read it."""
    assert put(apiKey=KEY).status == 200
    elsewhere = service.url.replace("127.0.0.1", "localhost")
    before = handlers.api("GET", MODULE).json
    for method, path in (("PUT", MODULE), ("POST", TEST)):
        answer = handlers.api(method, path, body={"baseUrl": elsewhere})
        assert (answer.status, answer.json["error"]["details"][0]["field"]) == (400, "apiKey")
    assert service.received == []
    assert handlers.api("GET", MODULE).json == before
    assert put(baseUrl=f"{service.url}/").status == 200  # another path of the same one
    assert transcribed("a.wav").headers["authorization"] == f"Bearer {KEY}"
    assert put(baseUrl=elsewhere, apiKey="its-own").status == 200
    handlers.sync()
    handlers.api("POST", "/api/call-recordings/retry")
    assert put(apiKey="").json["apiKeySet"] is False
    assert put(baseUrl=service.url).status == 200  # there is none any more
    assert secret() == {"apiKey": ""}


def test_a_key_is_sent_to_no_other_server_whatever_two_changes_at_once_left_behind(
    handlers, put, secret, stack, service, functions
):
    assert put(baseUrl="http://127.0.0.1:9", apiKey=KEY).status == 200
    assert settings_overrides.save(Module.WHISPERX, settings_overrides.load(), {"base_url": service.url})
    client("s3", stack.endpoint).put_object(
        Bucket=stack.buckets["RecordingsBucket"], Key="a.wav", Body=b"RIFF" + b"\0" * 100
    )
    run = handlers.transcribe()
    assert (run["status"], run["errorCode"]) == ("failed", "configuration_error")
    assert handlers.api("POST", TEST).json["code"] == "configuration_error"
    assert service.received == []
    assert put(apiKey=KEY).status == 200  # it is this one's now
    assert handlers.process()["counts"]["completed"] == 1


def test_with_another_server_a_warm_function_sends_the_key_that_was_set_with_it(
    handlers, put, secret, stack, service, functions
):
    s3 = client("s3", stack.endpoint)
    for number, change in enumerate(({"apiKey": KEY}, {"baseUrl": f"{service.url}/", "apiKey": "its-own"})):
        assert put(**change).status == 200
        s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=f"{number}.wav", Body=b"RIFF" + b"\0" * 100)
        assert handlers.transcribe()["counts"]["completed"] == 1
    assert [each.headers["authorization"] for each in service.received] == [f"Bearer {KEY}", "Bearer its-own"]


def test_what_could_not_be_kept_is_not_tried(handlers, service, functions):
    answer = handlers.api("POST", TEST, body={"baseUrl": "gpu-box", "options": "x"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_settings")
    assert [each["field"] for each in answer.json["error"]["details"]] == ["baseUrl", "options"]
    assert handlers.api("POST", TEST, body={"enabled": True}).status == 400
    assert service.received == []
