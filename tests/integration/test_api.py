"""The HTTP API: what a client sends as an API Gateway v2 event, and what comes back."""

import json
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from callscribe.call_metadata.metadata import CallMetadata, Direction, Provenance, merge
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status
from callscribe.store import recordings
from functions.api import auth
from functions.api.auth import KEY_CACHE_SECONDS
from local.cloud.client import aws_client
from testing.handlers import read_api_key

LIST = "/api/call-recordings"


@pytest.fixture
def three(handlers):
    """Three pending recordings, `a` the oldest call."""
    handlers.queue()  # binds the models to the tables
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    made = []
    for hours, name in ((3, "a"), (2, "b"), (1, "c")):
        called = now - timedelta(hours=hours)
        made.append(state_machine.create("s3://b", f"{name}.wav", size=9, etag="e", modified_at=called, now=now))
        recordings.create(made[-1])
    return made


@pytest.fixture
def later(handlers, monkeypatch):
    """Lets time pass for the keys that are remembered."""
    handlers.clear_caches()
    now = [time.monotonic()]
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(auth, "KEY_CACHE_SECONDS", KEY_CACHE_SECONDS)  # other tests keep keys for a day

    def later(seconds):
        now[0] += seconds

    yield later
    handlers.clear_caches()


def error_of(answer):
    assert set(answer.json) == {"error"}
    assert set(answer.json["error"]) == {"code", "message", "details", "requestId"}
    assert answer.json["error"]["requestId"] == answer.headers["X-Request-Id"]
    return answer.json["error"]


def test_health_is_open(handlers):
    answer = handlers.api("GET", "/health", key=None)
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("key", [None, "wrong", "ü", " ", "x" * 5000])
@pytest.mark.parametrize("path", [LIST, f"{LIST}/status-summary", f"{LIST}/abc", "/api", "/api/no-such-route"])
def test_everything_below_api_wants_the_key(handlers, key, path):
    answer = handlers.api("GET", path, key=key)
    assert answer.status == 401
    assert error_of(answer)["code"] == "unauthorized"
    assert "Authorization: Bearer" in error_of(answer)["message"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_key_is_asked_for_before_the_request_is_judged(handlers):
    answer = handlers.api("PUT", f"{LIST}/abc", body="{not json", key="wrong")
    assert answer.status == 401


def test_a_key_that_was_added_a_moment_ago_is_good_at_once_and_a_removed_one_for_a_minute(handlers, stack, later):
    secrets, name = aws_client("secretsmanager", stack.endpoint), stack.secrets["ApiKeySecret"]
    before = secrets.get_secret_value(SecretId=name)["SecretString"]
    old = json.loads(before)["default"]
    statuses = [handlers.api("GET", LIST, key=key).status for key in (old, "k-new")]
    secrets.put_secret_value(SecretId=name, SecretString='{"next": "k-new"}')
    later(1.1)
    statuses += [handlers.api("GET", LIST, key=key).status for key in ("k-new", "k-new", old)]
    secrets.put_secret_value(SecretId=name, SecretString=before)
    later(1.1)
    statuses += [handlers.api("GET", LIST, key=key).status for key in (old, "k-new")]
    assert statuses == [200, 401, 200, 200, 401, 200, 401]


def test_a_hiccup_of_secrets_manager_shuts_nobody_out_for_a_quarter_of_an_hour(handlers, stack, later, monkeypatch):
    key = read_api_key(stack)
    assert handlers.api("GET", LIST, key=key).status == 200

    def unavailable(*_, **__):
        raise GetParameterError("throttled")

    monkeypatch.setattr(parameters, "get_secret", unavailable)
    later(61)
    assert [handlers.api("GET", LIST, key=each).status for each in (key, "wrong", None)] == [200, 401, 401]
    later(840)
    answer = handlers.api("GET", LIST, key=key)
    assert (answer.status, error_of(answer)["code"]) == (500, "configuration_error")


def test_a_secret_that_is_no_object_of_keys_says_so_without_quoting_it(handlers, stack):
    handlers.overrides["API_KEY_SECRET"] = "no-such-secret"
    answer = handlers.api("GET", LIST, key="any")
    assert answer.status == 500
    assert "API-key secret cannot be read" in error_of(answer)["message"]


def test_an_unknown_route_is_404_in_the_one_shape(handlers):
    assert error_of(handlers.api("GET", "/api/nothing"))["code"] == "route_not_found"
    refused = handlers.api("PATCH", LIST)
    assert (refused.status, error_of(refused)["code"]) == (405, "method_not_allowed")
    assert refused.headers["Allow"] == "GET, POST"


def test_the_list_is_newest_first_and_queued_oldest_first(handlers, three):
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
def test_bad_parameters_are_400_and_name_the_fault(handlers, query, code):
    answer = handlers.api("GET", LIST, query=query)
    assert answer.status == 400
    assert error_of(answer)["code"] == code
    if code == "invalid_request":
        assert query.split("=")[0] in error_of(answer)["details"][0]["field"]


def test_a_recording_is_shown_without_its_inner_workings(handlers, three):
    item = handlers.api("GET", f"{LIST}/{three[0].id}").json
    assert item["path"] == "s3://b/a.wav"
    assert item["transcriptionStatus"] == "pending"
    assert item["recordedAt"] == "2026-11-22T09:00:00Z"
    assert not {"claimToken", "sortKey", "queueSortKey", "listing", "location", "key"} & item.keys()


def test_what_is_known_of_a_call_is_shown_with_where_it_was_read(handlers, three):
    start = datetime(2026, 11, 22, 14, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    known = CallMetadata(
        phone_system="freepbx", direction=Direction.INBOUND, caller="+1 202 555 0143", callee="100", extension="100",
        party="Ann", started_at=start, utc_offset=timedelta(hours=5, minutes=30), call_id="1.2", kind="leg",
    )  # fmt: skip
    told = merge(known.with_provenance(Provenance.NAME), CallMetadata(party="Anna").with_provenance(Provenance.SIDECAR))
    gone = datetime(2026, 11, 23, tzinfo=UTC)
    recordings.update_metadata(three[0].id, {}, {"metadata": told, "source_missing": gone})
    item = handlers.api("GET", f"{LIST}/{three[0].id}").json
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
    nothing = handlers.api("GET", f"{LIST}/{three[1].id}").json
    assert (nothing["direction"], nothing["startedAt"], nothing["metadataOrigins"]) == (None, None, {})


def test_the_files_that_wait_are_shown_with_their_run(handlers, put):
    put("half.wav", b"")
    handlers.sync()
    (run,) = handlers.api("GET", "/api/scheduler/runs", query="task=sync_recordings").json["items"]
    (waiting,) = run["waiting"]
    assert waiting["path"].endswith("/half.wav")
    assert waiting["size"] == 0
    assert waiting["reason"]
    assert datetime.fromisoformat(waiting["since"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"[" * 100_000, b'{"transcriptionStatus": "\xe9"}', b"\x00\x01"],
    ids=["no UTF-8", "deep", "latin-1", "binary"],
)
def test_a_body_that_is_no_text_is_400(handlers, three, body):
    answer = handlers.api("PUT", f"{LIST}/{three[0].id}", raw=body)
    assert (answer.status, error_of(answer)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("content_type", ["Application/JSON", "application/json;charset=UTF-8", ""])
def test_media_types_are_spelled_in_any_case(handlers, three, content_type):
    body = {"transcriptionStatus": "queued"}
    assert handlers.api("PUT", f"{LIST}/{three[0].id}", body=body, content_type=content_type).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "from=0001-01-01T00:00:00%2B14:00",
        "to=9999-12-31T23:59:59-14:00",
        "from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z",
    ],
)
def test_times_that_cannot_be_meant_are_400(handlers, query):
    answer = handlers.api("GET", LIST, query=query)
    assert (answer.status, error_of(answer)["code"]) == (400, "invalid_request")


def test_a_faulty_setting_is_told_in_the_one_shape_and_health_still_answers(handlers):
    handlers.overrides["API_KEY_SECRET"] = ""
    assert handlers.api("GET", "/health", key=None).status == 200
    answer = handlers.api("GET", LIST, key="any")
    assert (answer.status, error_of(answer)["code"]) == (500, "configuration_error")
    assert "api key secret is not set" in error_of(answer)["message"]


@pytest.mark.parametrize("recording_id", ["unknown", "a" * 20, "x" * 3000, "ü"])
def test_an_unknown_id_is_404(handlers, recording_id):
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"transcriptionStatus": "queued"}),
        ("POST", "/transcribe", {}),
        ("GET", "/transcript", None),
    ):
        answer = handlers.api(method, f"{LIST}/{recording_id}{path}", body=body)
        assert (answer.status, error_of(answer)["code"]) == (404, "recording_not_found")


def test_the_summary_counts_each_status(handlers, three):
    handlers.api("PUT", f"{LIST}/{three[0].id}", body={"transcriptionStatus": "queued"})
    assert handlers.api("GET", f"{LIST}/status-summary").json == {
        "pending": 2, "queued": 1, "processing": 0, "completed": 0, "failed": 0, "total": 3, "outage": None,
    }  # fmt: skip


def test_a_person_queues_and_takes_back(handlers, three):
    path = f"{LIST}/{three[0].id}"
    assert handlers.api("PUT", path, body={"transcriptionStatus": "queued"}).json["transcriptionStatus"] == "queued"
    assert handlers.api("PUT", path, body={"transcriptionStatus": "pending"}).json["transcriptionStatus"] == "pending"


@pytest.mark.parametrize("status", ["completed", "failed", "processing", "pending"])
def test_a_transition_that_is_not_allowed_is_409_and_says_which_are(handlers, three, status):
    answer = handlers.api("PUT", f"{LIST}/{three[0].id}", body={"transcriptionStatus": status})
    assert (answer.status, error_of(answer)["code"]) == (409, "invalid_transition")
    assert "allowed: queued" in error_of(answer)["message"]


@pytest.mark.parametrize(
    "body",
    ["{not json", "[]", "null", '"queued"', "{}", '{"transcriptionStatus": "done"}', '{"transcriptionStatus": 1}',
     '{"transcriptionStatus": "queued", "surprise": 1}', "", "\x00"],
)  # fmt: skip
def test_a_malformed_body_is_400_and_changes_nothing(handlers, three, body):
    path = f"{LIST}/{three[0].id}"
    answer = handlers.api("PUT", path, body=body)
    assert (answer.status, error_of(answer)["code"]) == (400, "invalid_request")
    assert handlers.api("GET", path).json["transcriptionStatus"] == "pending"


def test_a_body_is_taken_as_json_when_curl_calls_it_a_form_and_refused_as_anything_else(handlers, three):
    path = f"{LIST}/{three[0].id}"
    body = '{"transcriptionStatus": "queued"}'
    refused = handlers.api("PUT", path, body=body, content_type="text/csv")
    assert (refused.status, error_of(refused)["code"]) == (415, "unsupported_media_type")
    taken = handlers.api("PUT", path, body=body, content_type="application/x-www-form-urlencoded")
    assert taken.json["transcriptionStatus"] == "queued"


def test_a_retried_recording_starts_afresh(handlers, put, listed, service, reply):
    service.replies = [reply(status=415)]
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = listed()["a.wav"]
    assert item["transcriptionStatus"] == "failed"
    answer = handlers.api("PUT", f"{LIST}/{item['id']}", body={"transcriptionStatus": "queued"}).json
    assert (answer["transcriptionStatus"], answer["attempts"], answer["nextAttemptAt"]) == ("queued", 0, None)
    service.replies = [reply()]
    handlers.process()
    assert listed()["a.wav"]["transcriptionStatus"] == "completed"


def test_transcribe_puts_a_recording_at_the_head(handlers, three):
    handlers.queue()
    newest = three[2]
    answer = handlers.api("POST", f"{LIST}/{newest.id}/transcribe", body={})
    assert (answer.status, answer.json["transcriptionStatus"]) == (202, "queued")
    assert recordings.next_entries(Status.QUEUED, 1)[0].id == newest.id
    assert handlers.api("POST", f"{LIST}/{three[0].id}/transcribe").status == 202


def test_completed_is_transcribed_again_only_by_force(handlers, put, listed, service, reply):
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    item = listed()["a.wav"]
    path = f"{LIST}/{item['id']}/transcribe"
    refused = handlers.api("POST", path, body={"force": False})
    assert (refused.status, error_of(refused)["code"]) == (409, "invalid_transition")
    assert "force" in error_of(refused)["message"]
    assert handlers.api("POST", path, body={"force": "perhaps"}).status == 400
    assert handlers.api("POST", path, body={"force": True}).status == 202
    service.replies = [reply(body=b'{"text": "said anew"}')]
    handlers.process()
    again = listed()["a.wav"]
    assert again["transcript"]["preview"] == "said anew"
    assert again["transcript"]["version"] > item["transcript"]["version"]
    assert handlers.api("GET", f"{LIST}/{item['id']}/transcript").json["text"] == "said anew"


def test_no_error_ever_quotes_a_phone_number_or_a_path_of_the_code(handlers, put, listed, service, reply):
    service.replies = [reply(status=500)]
    put("in-12025550143.wav")
    handlers.sync()
    path = f"{LIST}/{listed()['in-12025550143.wav']['id']}"
    handlers.queue()
    handlers.process()
    answers = [
        handlers.api("GET", LIST, query="cursor=x"),
        handlers.api("PUT", path, body="{"),
        handlers.api("PUT", path, body={"transcriptionStatus": "completed"}),
        handlers.api("GET", f"{path}/transcript"),
        handlers.api("GET", LIST, query="limit=x"),
        handlers.api("POST", f"{LIST}/sync"),
    ]
    assert [answer.status for answer in answers] == [400, 400, 409, 404, 400, 502]
    for answer in answers:
        assert not re.search(r"12025550143|\.py|Traceback|pydantic", answer.body)
    assert "12025550143" not in handlers.api("GET", path).json["error"]["message"]
