"""Where recordings lie and who speaks on which channel, over the API: a path is tried before it is kept."""

import json
from unittest.mock import Mock

import pytest
import requests

from functions.api import invoke
from testing.handlers import client
from testing.made_audio import tone, wav
from testing.waiting import LIMIT_SECONDS
from tests.integration.storage import upload_event

MODULE = "/api/modules/call-recordings"
SYNC = "/api/call-recordings/sync"
AUDIO = b"RIFF" + b"\0" * 100


@pytest.fixture
def put(handlers, functions):
    """Changes the settings; sync is there to try a path."""

    def put(**body):
        return handlers.api("PUT", MODULE, body=body)

    return put


@pytest.fixture
def bucket(stack):
    """A bucket beside that of the template, with a recording in one folder and none in another."""
    s3, name = client("s3", stack.endpoint), "calls-of-another-site"
    s3.create_bucket(Bucket=name)
    for key in ("in/a.wav", "in/deeper/b.wav", "in-other/c.wav", "texts/readme.md"):
        s3.put_object(Bucket=name, Key=key, Body=AUDIO)
    yield name
    for entry in s3.list_objects_v2(Bucket=name)["Contents"]:
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def test_recordings_in_another_bucket_are_read_with_what_lies_beside_them_and_handed_out(
    handlers, put, listed, bucket, stack
):
    s3 = client("s3", stack.endpoint)
    s3.put_object(Bucket=bucket, Key="in/a.json", Body=b'{"direction": "inbound"}')
    put(recordingsPath=f"s3://{bucket}/in")
    handlers.sync_and_queue()
    s3.delete_object(Bucket=bucket, Key="in/deeper/b.wav")
    handlers.process()
    handlers.process()
    read, gone = listed()["a.wav"], listed()["b.wav"]
    assert (read["transcriptionStatus"], read["direction"]) == ("completed", "inbound")
    assert (gone["transcriptionStatus"], gone["error"]["code"]) == ("failed", "audio_missing")
    address = handlers.api("GET", f"/api/call-recordings/{read['id']}/audio").headers["Location"]
    assert requests.get(address, timeout=LIMIT_SECONDS).content == AUDIO


def test_sync_sweeps_the_path_that_is_set_and_null_brings_the_templates_back(handlers, put, listed, bucket, stack):
    answer = put(recordingsPath=f"s3://{bucket}/in", extensions=["wav"])
    assert answer.status == 200
    assert (answer.json["recordingsPath"], answer.json["changed"]) == (
        f"s3://{bucket}/in", ["recordingsPath", "extensions"],
    )  # fmt: skip
    assert handlers.sync()["counts"]["added"] == 2
    assert sorted(item["path"] for item in listed().values()) == [
        f"s3://{bucket}/in/a.wav", f"s3://{bucket}/in/deeper/b.wav",
    ]  # fmt: skip
    client("s3", stack.endpoint).put_object(Bucket=stack.buckets["RecordingsBucket"], Key="d.wav", Body=AUDIO)
    assert handlers.sync()["counts"]["added"] == 0
    back = put(recordingsPath=None).json
    assert (back["recordingsPath"], back["changed"]) == (handlers.recordings_path, ["extensions"])
    run = handlers.sync()["counts"]
    assert (run["added"], run["missing"]) == (1, 0)
    assert set(listed()) == {"a.wav", "b.wav", "d.wav"}


def test_what_was_taken_up_before_is_still_transcribed_from_where_it_lies(
    handlers, put, listed, bucket, service, stack
):
    put(recordingsPath=f"s3://{bucket}/in/deeper")
    handlers.sync_and_queue()
    put(recordingsPath=None)
    assert handlers.process()["counts"]["completed"] == 1
    assert listed()["b.wav"]["transcriptionStatus"] == "completed"


def test_uploads_are_compared_with_the_path_that_is_set(handlers, put, listed, bucket, stack):
    before = stack.buckets["RecordingsBucket"]
    client("s3", stack.endpoint).put_object(Bucket=before, Key="d.wav", Body=AUDIO)
    assert put(recordingsPath=f"s3://{bucket}/in").status == 200
    assert handlers.sync(**upload_event(stack, "d.wav", before)) == {"status": "skipped"}
    assert handlers.sync(**upload_event(stack, "in-other/c.wav", bucket)) == {"status": "skipped"}
    assert handlers.sync(**upload_event(stack, "in/a.wav", bucket))["counts"]["added"] == 1
    assert list(listed()) == ["a.wav"]
    put(recordingsPath=None)
    assert handlers.sync(**upload_event(stack, "in/deeper/b.wav", bucket)) == {"status": "skipped"}
    assert handlers.sync(**upload_event(stack, "d.wav", before))["counts"]["added"] == 1


def test_a_part_that_is_asked_for_must_lie_inside_the_path_that_is_set(handlers, put, listed, bucket):
    put(recordingsPath=f"s3://{bucket}/in")
    for path in (handlers.recordings_path, f"s3://{bucket}/", f"s3://{bucket}/in-other/", f"s3://{bucket}/in/../x/"):
        answer = handlers.api("POST", SYNC, query=f"recordingsPath={path}")
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_path"), path
    answer = handlers.api("POST", SYNC, query=f"recordingsPath=s3://{bucket}/in/deeper")
    assert (answer.status, answer.json["counts"]["added"]) == (200, 1)
    assert list(listed()) == ["b.wav"]


def test_a_path_that_cannot_be_listed_is_refused_with_the_reason_and_nothing_is_changed(handlers, put, stack, tmp_path):
    before = put(phoneSystem="freepbx").json
    for path, reason in {
        "s3://no-such-bucket-here/": "NoSuchBucket",
        "s3://": "names no bucket",
        "recordings": "is none",
        "": "no recordings path",
        "https://b.s3.amazonaws.com/": "is none",
        "s3://Not_A_Bucket!/": "S3",
        str(tmp_path / "none"): "none",
        "s3://b/\0": "character",
    }.items():
        answer = put(recordingsPath=path, phoneSystem="3cx", enabled=False)
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_settings"), path
        assert [each["field"] for each in answer.json["error"]["details"]] == ["recordingsPath"]
        assert reason in answer.json["error"]["message"], answer.json
    assert handlers.api("GET", MODULE).json == before


def test_a_path_where_nothing_lies_yet_is_taken(handlers, put, bucket, tmp_path):
    for path in (f"s3://{bucket}/empty", f"s3://{bucket}/texts/", str(tmp_path)):
        assert put(recordingsPath=path).status == 200, path
        assert handlers.sync()["status"] == "succeeded"


def test_a_path_is_tried_only_when_it_changes(handlers, put, bucket, monkeypatch):
    put(recordingsPath=f"s3://{bucket}/in")
    sync = Mock(wraps=handlers.sync)
    monkeypatch.setattr(handlers, "sync", sync)
    assert put(phoneSystem="freepbx").status == 200
    assert put(recordingsPath=f"s3://{bucket}/in", timeZone="Europe/Berlin").status == 200
    sync.assert_not_called()
    assert put(recordingsPath=None).status == 200
    sync.assert_called_once_with(trigger="test", settings={"phone_system": "freepbx", "time_zone": "Europe/Berlin"})


def test_the_test_tries_what_is_not_kept_yet(handlers, functions, bucket, stack):
    before = handlers.api("GET", MODULE).json

    def tried(**body):
        verdict = handlers.api("POST", f"{MODULE}/test", body=body or None).json
        return verdict["code"], verdict["ok"]

    assert tried() == tried(recordingsPath=None) == ("empty", True)
    assert tried(recordingsPath=f"s3://{bucket}/in") == ("ok", True)
    assert tried(recordingsPath=f"s3://{bucket}/in", extensions=["mp3"]) == ("no_recordings", False)
    for path in ("s3://no-such-bucket-here/", "/no/folder"):
        assert tried(recordingsPath=path) == ("source_error", False)
    answer = handlers.api("POST", f"{MODULE}/test", body={"recordingsPath": "x", "timeZone": "Mars"})
    assert [each["field"] for each in answer.json["error"]["details"]] == ["timeZone", "recordingsPath"]
    assert handlers.api("GET", MODULE).json == before
    assert handlers.api("GET", "/api/scheduler/runs").json["items"] == []


def test_a_test_that_takes_longer_than_a_request_is_504(handlers, monkeypatch):
    monkeypatch.setattr(invoke, "invoke_and_wait", lambda *_: None)
    assert handlers.api("POST", f"{MODULE}/test").status == 504


def test_channels_and_the_phone_system_reach_process(handlers, put, service, stack, listed):
    stereo, s3 = wav(tone(1, 8_000, 300), tone(1, 8_000, 700)), client("s3", stack.endpoint)

    def sent(name):
        """The channels that the service got of a new recording, and the speakers of its transcript."""
        service.received.clear()
        s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=name, Body=stereo)
        assert handlers.transcribe()["counts"]["completed"] == 1
        transcript = handlers.api("GET", f"/api/call-recordings/{listed()[name]['id']}/transcript").json
        speakers = {each["channel"]: each["speaker"] for each in transcript["segments"]}
        return sorted(each.channel for each in service.received), speakers.get("left")

    handlers.overrides["CHANNELS"] = "caller-right"
    assert handlers.api("GET", MODULE).json["channels"] == "caller-right"
    assert sent("a.wav") == (["left", "right"], "agent")
    assert put(channels="caller-left").json["channels"] == "caller-left"
    assert sent("b.wav") == (["left", "right"], "caller")
    put(channels="mono")
    assert sent("c.wav") == ([""], None)
    put(channels="auto")
    assert sent("d.wav") == ([""], None)
    put(phoneSystem="yeastar")
    assert sent("e.wav") == (["left", "right"], "caller")
    assert put(channels=None).json["channels"] == "caller-right"
    assert put(channels="both").status == 400
    assert json.loads(put(channels="").body)["error"]["code"] == "invalid_request"
