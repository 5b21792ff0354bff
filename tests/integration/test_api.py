"""The HTTP API through its handler: keys, lists, validation, status changes and errors."""

import json
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from callscribe import aws
from callscribe.call_metadata.metadata import CallMetadata, Direction, Provenance, merge
from callscribe.recordings import transitions
from callscribe.recordings.recording import Status
from callscribe.store import recordings
from functions.api import auth
from functions.api.auth import KEY_CACHE_SECONDS
from functions.api.errors import ApiError
from local.cloud.client import aws_client
from testing.handlers import read_api_key

LIST = "/api/call-recordings"


@pytest.fixture
def pending_recordings(handlers):
    """Three pending recordings; `a` is the oldest call."""
    handlers.queue()  # configures the tables
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    created = []
    for hours, name in ((3, "a"), (2, "b"), (1, "c")):
        called_at = now - timedelta(hours=hours)
        created.append(transitions.create("s3://b", f"{name}.wav", size=9, etag="e", modified_at=called_at, now=now))
        recordings.create(created[-1])
    return created


@pytest.fixture
def advance_time(handlers, monkeypatch):
    """Advance the clock of the key cache by seconds."""
    handlers.clear_caches()
    now = [time.monotonic()]
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(auth, "KEY_CACHE_SECONDS", KEY_CACHE_SECONDS)  # other tests keep keys for a day

    def advance_time(seconds):
        now[0] += seconds

    yield advance_time
    handlers.clear_caches()


def error_from(response):
    assert set(response.json) == {"error"}
    assert set(response.json["error"]) == {"code", "message", "details", "requestId"}
    assert response.json["error"]["requestId"] == response.headers["X-Request-Id"]
    return response.json["error"]


def test_health_needs_no_key(handlers):
    response = handlers.api("GET", "/health", key=None)
    assert (response.status, response.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("key", [None, "wrong", "ü", " ", "x" * 5000])
@pytest.mark.parametrize("path", [LIST, f"{LIST}/status-summary", f"{LIST}/abc", "/api", "/api/no-such-route"])
def test_everything_below_api_requires_a_key(handlers, key, path):
    response = handlers.api("GET", path, key=key)
    assert response.status == 401
    assert error_from(response)["code"] == "unauthorized"
    assert "Authorization: Bearer" in error_from(response)["message"]
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_key_is_checked_before_the_body(handlers):
    response = handlers.api("PUT", f"{LIST}/abc", body="{not json", key="wrong")
    assert response.status == 401


def test_new_key_works_immediately_and_a_removed_key_for_up_to_a_minute(handlers, stack, advance_time):
    secrets, name = aws_client("secretsmanager", stack.endpoint), stack.secrets["ApiKeySecret"]
    before = secrets.get_secret_value(SecretId=name)["SecretString"]
    old = json.loads(before)["default"]
    statuses = [handlers.api("GET", LIST, key=key).status for key in (old, "k-new")]
    secrets.put_secret_value(SecretId=name, SecretString='{"next": "k-new"}')
    advance_time(1.1)
    statuses += [handlers.api("GET", LIST, key=key).status for key in ("k-new", "k-new", old)]
    secrets.put_secret_value(SecretId=name, SecretString=before)
    advance_time(1.1)
    statuses += [handlers.api("GET", LIST, key=key).status for key in (old, "k-new")]
    assert statuses == [200, 401, 200, 200, 401, 200, 401]


def test_each_request_without_a_key_gets_an_error_of_its_own(handlers):
    handlers.api("GET", LIST)  # loads the keys
    errors = []
    for _ in range(2):
        with pytest.raises(ApiError) as raised:
            auth.require_key({"headers": {}})
        errors.append(raised.value)
    assert errors[0] is not errors[1]  # a shared one would keep the frames of every request, and the keys in them


def test_cached_keys_work_for_fifteen_minutes_without_secrets_manager(handlers, stack, advance_time, monkeypatch):
    key = read_api_key(stack)
    assert handlers.api("GET", LIST, key=key).status == 200

    def raise_throttled(*_, **__):
        raise aws.AwsError(ClientError({"Error": {"Code": "ThrottlingException"}}, "GetSecretValue"))

    monkeypatch.setattr(aws, "read_secret", raise_throttled)
    advance_time(61)
    assert [handlers.api("GET", LIST, key=presented).status for presented in (key, "wrong", None)] == [200, 401, 401]
    advance_time(840)
    response = handlers.api("GET", LIST, key=key)
    assert (response.status, error_from(response)["code"]) == (500, "configuration_error")


def test_unreadable_key_secret_is_a_configuration_error(handlers, stack):
    handlers.overrides["API_KEY_SECRET"] = "no-such-secret"
    response = handlers.api("GET", LIST, key="any")
    assert response.status == 500
    assert "API-key secret cannot be read" in error_from(response)["message"]


def test_unknown_route_and_method_return_standard_errors(handlers):
    assert error_from(handlers.api("GET", "/api/nothing"))["code"] == "route_not_found"
    rejected = handlers.api("PATCH", LIST)
    assert (rejected.status, error_from(rejected)["code"]) == (405, "method_not_allowed")
    assert rejected.headers["Allow"] == "GET, POST"


def test_list_is_newest_first_and_queued_oldest_first(handlers, pending_recordings):
    def paths(query=""):
        return [item["path"] for item in handlers.api("GET", LIST, query=query).json["items"]]

    newest_first = ["s3://b/c.wav", "s3://b/b.wav", "s3://b/a.wav"]
    assert paths() == newest_first
    assert paths("transcriptionStatus=pending") == newest_first
    handlers.queue()
    assert paths("transcriptionStatus=queued") == newest_first[::-1]
    assert paths("transcriptionStatus=pending") == []
    assert paths("from=2026-11-22T10:00:00Z") == newest_first[:2]
    assert paths("to=2026-11-22T10:00:00Z") == newest_first[1:]
    assert paths("from=2026-11-22T10:00:00Z&to=2026-11-22T10:00:00Z&transcriptionStatus=queued") == ["s3://b/b.wav"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=bad", "invalid_cursor"),
        ("transcriptionStatus=done", "invalid_request"),
        ("limit=0", "invalid_request"),
        ("limit=501", "invalid_request"),
        ("limit=many", "invalid_request"),
        ("from=yesterday", "invalid_request"),
        ("from=2026-11-22T10:00:00", "invalid_request"),
    ],
)
def test_invalid_parameters_return_400_and_name_the_field(handlers, query, code):
    response = handlers.api("GET", LIST, query=query)
    assert response.status == 400
    assert error_from(response)["code"] == code
    if code == "invalid_request":
        assert query.split("=")[0] in error_from(response)["details"][0]["field"]


def test_recording_response_has_no_internal_fields(handlers, pending_recordings):
    item = handlers.api("GET", f"{LIST}/{pending_recordings[0].id}").json
    assert item["path"] == "s3://b/a.wav"
    assert item["transcriptionStatus"] == "pending"
    assert item["recordedAt"] == "2026-11-22T09:00:00Z"
    assert not {"claimToken", "sortKey", "queueSortKey", "listing", "location", "key"} & item.keys()


def test_metadata_is_returned_with_the_source_of_each_field(handlers, pending_recordings):
    start = datetime(2026, 11, 22, 14, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    parsed = CallMetadata(
        phone_system="freepbx", direction=Direction.INBOUND, caller="+1 202 555 0143", callee="100", extension="100",
        party="Ann", started_at=start, utc_offset=timedelta(hours=5, minutes=30), call_id="1.2", kind="leg",
    )  # fmt: skip
    metadata = merge(
        parsed.with_provenance(Provenance.NAME), CallMetadata(party="Anna").with_provenance(Provenance.SIDECAR)
    )
    missing_since = datetime(2026, 11, 23, tzinfo=UTC)
    recordings.update_fields(pending_recordings[0].id, {}, {"metadata": metadata, "source_missing": missing_since})
    item = handlers.api("GET", f"{LIST}/{pending_recordings[0].id}").json
    assert item | {
        "phoneSystem": "freepbx", "direction": "inbound", "caller": "+1 202 555 0143", "callee": "100",
        "extension": "100", "remoteNumber": None, "party": "Anna", "startedAt": "2026-11-22T14:30:00+05:30",
        "utcOffset": "+05:30", "callId": "1.2", "kind": "leg",
        "sourceMissing": "2026-11-23T00:00:00Z", "sourceChanged": None,
    } == item  # fmt: skip
    assert item["metadataOrigins"] == {
        **dict.fromkeys(("phoneSystem", "direction", "caller", "callee", "extension"), "name"),
        **dict.fromkeys(("startedAt", "utcOffset", "callId", "kind"), "name"),
        "party": "sidecar",
    }
    assert handlers.api("GET", LIST, query="search=1.2").json["items"] == [item]
    unknown = handlers.api("GET", f"{LIST}/{pending_recordings[1].id}").json
    assert (unknown["direction"], unknown["startedAt"], unknown["metadataOrigins"]) == (None, None, {})


def test_run_lists_incomplete_files(handlers, put):
    put("half.wav", b"")
    handlers.sync()
    (run,) = handlers.api("GET", "/api/scheduler/runs", query="task=sync_recordings").json["items"]
    (incomplete,) = run["waiting"]
    assert incomplete["path"].endswith("/half.wav")
    assert incomplete["size"] == 0
    assert incomplete["reason"]
    assert datetime.fromisoformat(incomplete["since"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"[" * 100_000, b'{"transcriptionStatus": "\xe9"}', b"\x00\x01"],
    ids=["no UTF-8", "deep", "latin-1", "binary"],
)
def test_undecodable_body_returns_400(handlers, pending_recordings, body):
    response = handlers.api("PUT", f"{LIST}/{pending_recordings[0].id}", raw=body)
    assert (response.status, error_from(response)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("content_type", ["Application/JSON", "application/json;charset=UTF-8", ""])
def test_content_type_is_case_insensitive_and_optional(handlers, pending_recordings, content_type):
    body = {"transcriptionStatus": "queued"}
    assert handlers.api("PUT", f"{LIST}/{pending_recordings[0].id}", body=body, content_type=content_type).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "from=0001-01-01T00:00:00%2B14:00",
        "to=9999-12-31T23:59:59-14:00",
        "from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z",
    ],
)
def test_out_of_range_or_reversed_times_return_400(handlers, query):
    response = handlers.api("GET", LIST, query=query)
    assert (response.status, error_from(response)["code"]) == (400, "invalid_request")


def test_invalid_setting_returns_a_standard_error_and_health_still_works(handlers):
    handlers.overrides["API_KEY_SECRET"] = ""
    assert handlers.api("GET", "/health", key=None).status == 200
    response = handlers.api("GET", LIST, key="any")
    assert (response.status, error_from(response)["code"]) == (500, "configuration_error")
    assert "api key secret is not set" in error_from(response)["message"]


@pytest.mark.parametrize("recording_id", ["unknown", "a" * 20, "x" * 3000, "ü"])
def test_unknown_id_returns_404(handlers, recording_id):
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"transcriptionStatus": "queued"}),
        ("POST", "/transcribe", {}),
        ("GET", "/transcript", None),
    ):
        response = handlers.api(method, f"{LIST}/{recording_id}{path}", body=body)
        assert (response.status, error_from(response)["code"]) == (404, "recording_not_found")


def test_status_summary_counts_each_status(handlers, pending_recordings):
    handlers.api("PUT", f"{LIST}/{pending_recordings[0].id}", body={"transcriptionStatus": "queued"})
    assert handlers.api("GET", f"{LIST}/status-summary").json == {
        "pending": 2, "queued": 1, "processing": 0, "completed": 0, "failed": 0, "total": 3, "outage": None,
        "lostJobs": None,
    }  # fmt: skip


def test_user_queues_a_recording_and_returns_it_to_pending(handlers, pending_recordings):
    path = f"{LIST}/{pending_recordings[0].id}"
    assert handlers.api("PUT", path, body={"transcriptionStatus": "queued"}).json["transcriptionStatus"] == "queued"
    assert handlers.api("PUT", path, body={"transcriptionStatus": "pending"}).json["transcriptionStatus"] == "pending"


@pytest.mark.parametrize("status", ["completed", "failed", "processing", "pending"])
def test_forbidden_transition_returns_409_and_lists_the_allowed_ones(handlers, pending_recordings, status):
    response = handlers.api("PUT", f"{LIST}/{pending_recordings[0].id}", body={"transcriptionStatus": status})
    assert (response.status, error_from(response)["code"]) == (409, "invalid_transition")
    assert "allowed: queued" in error_from(response)["message"]


@pytest.mark.parametrize(
    "body",
    ["{not json", "[]", "null", '"queued"', "{}", '{"transcriptionStatus": "done"}', '{"transcriptionStatus": 1}',
     '{"transcriptionStatus": "queued", "surprise": 1}', "", "\x00"],
)  # fmt: skip
def test_malformed_body_returns_400_and_changes_nothing(handlers, pending_recordings, body):
    path = f"{LIST}/{pending_recordings[0].id}"
    response = handlers.api("PUT", path, body=body)
    assert (response.status, error_from(response)["code"]) == (400, "invalid_request")
    assert handlers.api("GET", path).json["transcriptionStatus"] == "pending"


def test_form_content_type_of_curl_is_parsed_as_json_and_others_return_415(handlers, pending_recordings):
    path = f"{LIST}/{pending_recordings[0].id}"
    body = '{"transcriptionStatus": "queued"}'
    rejected = handlers.api("PUT", path, body=body, content_type="text/csv")
    assert (rejected.status, error_from(rejected)["code"]) == (415, "unsupported_media_type")
    accepted = handlers.api("PUT", path, body=body, content_type="application/x-www-form-urlencoded")
    assert accepted.json["transcriptionStatus"] == "queued"


def test_retried_recording_starts_with_zero_attempts(handlers, put, list_recordings, service, reply):
    service.replies = [reply(status=415)]
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = list_recordings()["a.wav"]
    assert item["transcriptionStatus"] == "failed"
    response = handlers.api("PUT", f"{LIST}/{item['id']}", body={"transcriptionStatus": "queued"}).json
    assert (response["transcriptionStatus"], response["attempts"], response["nextAttemptAt"]) == ("queued", 0, None)
    service.replies = [reply()]
    handlers.process()
    assert list_recordings()["a.wav"]["transcriptionStatus"] == "completed"


def test_transcribe_moves_a_recording_to_the_front_of_the_queue(handlers, pending_recordings):
    handlers.queue()
    newest = pending_recordings[2]
    response = handlers.api("POST", f"{LIST}/{newest.id}/transcribe", body={})
    assert (response.status, response.json["transcriptionStatus"]) == (202, "queued")
    assert recordings.next_entries(Status.QUEUED, 1)[0].id == newest.id
    assert handlers.api("POST", f"{LIST}/{pending_recordings[0].id}/transcribe").status == 202


def test_completed_recording_is_transcribed_again_only_with_force(handlers, put, list_recordings, service, reply):
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = list_recordings()["a.wav"]
    path = f"{LIST}/{item['id']}/transcribe"
    rejected = handlers.api("POST", path, body={"force": False})
    assert (rejected.status, error_from(rejected)["code"]) == (409, "invalid_transition")
    assert "force" in error_from(rejected)["message"]
    assert handlers.api("POST", path, body={"force": "perhaps"}).status == 400
    assert handlers.api("POST", path, body={"force": True}).status == 202
    service.replies = [reply(body=b'{"text": "spoken again"}')]
    handlers.process()
    updated = list_recordings()["a.wav"]
    assert updated["transcript"]["preview"] == "spoken again"
    assert updated["transcript"]["version"] > item["transcript"]["version"]
    assert handlers.api("GET", f"{LIST}/{item['id']}/transcript").json["text"] == "spoken again"


def test_errors_contain_no_phone_number_and_no_code_path(handlers, put, list_recordings, service, reply):
    service.replies = [reply(status=500)]
    put("in-12025550143.wav")
    handlers.sync()
    path = f"{LIST}/{list_recordings()['in-12025550143.wav']['id']}"
    handlers.queue()
    handlers.process()
    responses = [
        handlers.api("GET", LIST, query="cursor=x"),
        handlers.api("PUT", path, body="{"),
        handlers.api("PUT", path, body={"transcriptionStatus": "completed"}),
        handlers.api("GET", f"{path}/transcript"),
        handlers.api("GET", LIST, query="limit=x"),
        handlers.api("POST", f"{LIST}/sync"),
    ]
    assert [response.status for response in responses] == [400, 400, 409, 404, 400, 502]
    for response in responses:
        assert not re.search(r"12025550143|\.py|Traceback|pydantic", response.body)
    assert "12025550143" not in handlers.api("GET", path).json["error"]["message"]
