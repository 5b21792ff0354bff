"""The headers of the WhisperX server: set over the API, sent with every request, shown by name only."""

import json

import pytest

from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.whisperx import Job, connect
from testing.handlers import client
from tests.integration.audio import Bytes
from tests.integration.timeouts import LONG_TIMEOUTS

MODULE = "/api/modules/whisperx"
TEST = f"{MODULE}/test"
VALUE = "planted-value-91c4"
DOCS = b'{"openapi": "3.1.0", "paths": {"/asr": {}}}'


@pytest.fixture
def put_settings(handlers):
    def put_settings(**body):
        return handlers.api("PUT", MODULE, body=body)

    return put_settings


@pytest.fixture
def secret(handlers, stack):
    """Reads the secret, or writes it; empty before and after."""
    secrets, name = client("secretsmanager", stack.endpoint), stack.secrets["WhisperXSecret"]

    def secret(new=None):
        if new is not None:
            secrets.put_secret_value(SecretId=name, SecretString=json.dumps(new))
            handlers.clear_caches()
        return json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])

    secret({"apiKey": ""})
    yield secret
    secret({"apiKey": ""})


@pytest.fixture
def transcribe(handlers, put, service):
    """Transcribe a new recording; return the run and the headers of the requests that the service got."""

    def transcribe(name):
        put(name)
        handlers.sync_and_queue()
        handlers.clear_caches()
        service.received.clear()
        return handlers.process(), [request.headers for request in service.received]

    return transcribe


def test_headers_reach_only_secrets_manager_and_the_server(
    handlers, put_settings, secret, stack, service, reply, functions, transcribe, capfd
):
    headers = {"CF-Access-Client-Id": f"{VALUE}.access", "CF-Access-Client-Secret": VALUE}
    responses = [put_settings(headers=headers, apiKey="k3y"), handlers.api("GET", MODULE), put_settings(language="de")]
    assert [response.json["headerNames"] for response in responses] == [list(headers)] * 3
    assert secret()["headers"] == headers
    run, (received,) = transcribe("a.wav")
    assert run["counts"]["completed"] == 1
    assert received.items() >= {"cf-access-client-secret": VALUE, "authorization": "Bearer k3y"}.items()
    service.replies = [reply(body=DOCS)]
    responses.append(handlers.api("POST", TEST))
    assert responses[-1].json["code"] == "ok"
    with_credentials, without = [received.headers for received in service.received[1:]][-2:]
    assert with_credentials["cf-access-client-secret"] == VALUE
    assert not {"cf-access-client-secret", "authorization"} & without.keys()
    service.replies = [reply(status=500, body=VALUE.encode())]
    transcribe("b.wav")
    invalid = [{"Host": VALUE}, {"A": f"{VALUE}\n"}, {VALUE + " ": "a"}, [VALUE], {"A": [VALUE]}, {"A": VALUE * 1000}]
    rejected = [put_settings(headers=value) for value in invalid]
    rejected += [handlers.api("POST", TEST, body={"headers": value}) for value in invalid]
    assert {response.status for response in rejected} == {400}
    tables = [client("dynamodb", stack.endpoint).scan(TableName=table)["Items"] for table in stack.tables.values()]
    shown = "".join(response.body for response in responses + rejected)
    assert VALUE not in shown + json.dumps(tables) + "".join(capfd.readouterr())


def test_headers_are_replaced_as_a_whole_and_independently_of_the_key(put_settings, secret):
    put_settings(apiKey="k3y")
    assert put_settings(headers={"A": "1", "B": "2"}).json["headerNames"] == ["A", "B"]
    response = put_settings(headers={"C": "3"}).json
    assert (response["headerNames"], response["apiKeySet"]) == (["C"], True)
    assert put_settings(apiKey=None).json["headerNames"] == ["C"]
    assert put_settings(headers=None).json["headerNames"] == []
    assert {name: value for name, value in secret().items() if name != "server"} == {"apiKey": ""}


def test_authorization_header_and_key_are_a_conflict(put_settings, secret, transcribe):
    assert put_settings(headers={"Authorization": "Basic user:secret"}).status == 200
    _, (received,) = transcribe("a.wav")
    assert received["authorization"] == "Basic dXNlcjpzZWNyZXQ="
    response = put_settings(apiKey="k3y")
    assert (response.status, response.json["error"]["details"][0]["field"]) == (400, "headers")
    assert put_settings(apiKey="k3y", headers=None).status == 200


def test_stored_headers_are_sent_to_no_other_server(handlers, put_settings, secret, service, functions, transcribe):
    """Otherwise anyone who may change the URL could read them."""
    elsewhere = service.url.replace("127.0.0.1", "localhost")
    put_settings(headers={"X-API-Key": VALUE})
    for method, path in (("PUT", MODULE), ("POST", TEST)):
        for change in ({}, {"apiKey": "k3y"}):
            response = handlers.api(method, path, body={"baseUrl": elsewhere, **change})
            assert (response.status, response.json["error"]["details"][0]["field"]) == (400, "headers")
    assert service.received == []
    assert put_settings(baseUrl=elsewhere, headers={"X-API-Key": "another"}).status == 200
    _, (received,) = transcribe("a.wav")
    assert received["x-api-key"] == "another"
    put_settings(baseUrl=None, headers=None)


def test_secret_written_by_hand_is_bound_to_its_server(handlers, secret, service, functions, transcribe):
    secret({"apiKey": "", "headers": {"X-API-Key": VALUE}, "server": "http://elsewhere:80"})
    run, received = transcribe("a.wav")
    assert (run["errorCode"], received) == ("configuration_error", [])
    secret({"headers": {"X-API-Key": VALUE}})  # belongs to the server of the template
    assert handlers.api("GET", MODULE).json["headerNames"] == ["X-API-Key"]
    run, (received,) = transcribe("b.wav")
    assert received["x-api-key"] == VALUE
    secret({"apiKey": "k3y", "headers": {"Authorization": f"Bearer {VALUE}"}})
    run, received = transcribe("c.wav")
    assert (run["errorCode"], received) == ("configuration_error", [])
    assert "Authorization" in run["error"]
    assert VALUE not in run["error"]


def test_test_uses_the_given_headers_with_the_stored_key(handlers, put_settings, secret, service, reply, functions):
    service.replies = [reply(body=DOCS)]
    put_settings(apiKey="k3y", headers={"X-API-Key": "stored"})
    assert handlers.api("POST", TEST, body={"headers": {"X-API-Key": "given"}}).json["code"] == "ok"
    assert handlers.api("POST", TEST, body={"apiKey": "given"}).json["code"] == "ok"
    first, _, _, second, *_ = [request.headers for request in service.received]
    assert (first["x-api-key"], first["authorization"]) == ("given", "Bearer k3y")
    assert (second["x-api-key"], second["authorization"]) == ("stored", "Bearer given")


def test_headers_are_sent_with_uploads_lists_and_polls(service, reply):
    service.replies = [
        reply(body=b'{"tasks": []}'),
        reply(body=b'{"identifier": "a"}'),
        reply(body=b'{"status": "processing"}'),
    ]
    settings = WhisperXSettings(whisperx_url=service.url, whisperx_dialect="tasks")
    tasks = connect(settings, Credentials("", {"X-API-Key": VALUE}))
    assert tasks.send(Bytes(100), "a-0.wav", LONG_TIMEOUTS, is_resend=True) == Job("a")
    assert tasks.poll(Job("a"), LONG_TIMEOUTS) is None
    assert [request.headers["x-api-key"] for request in service.received] == [VALUE] * 3


@pytest.mark.parametrize("credentials", [Credentials(), Credentials("", {"Authorization": "Token a"})])
def test_netrc_of_the_machine_is_not_used(service, tmp_path, monkeypatch, credentials):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password wrong")
    monkeypatch.setenv("NETRC", str(netrc))
    connect(WhisperXSettings(whisperx_url=service.url), credentials).send(Bytes(100), "a.wav", LONG_TIMEOUTS)
    assert service.received[0].headers.get("authorization") == credentials.headers.get("Authorization")
