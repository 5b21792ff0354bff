"""The settings of call-recordings over the API. A new path is tested before it is saved."""

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
    """Change the settings. Sync runs in this process to test a path."""

    def put(**body):
        return handlers.api("PUT", MODULE, body=body)

    return put


@pytest.fixture
def bucket(stack):
    """A bucket other than the template's, with recordings in one folder and none in another."""
    s3, name = client("s3", stack.endpoint), "calls-of-another-site"
    s3.create_bucket(Bucket=name)
    for key in ("in/a.wav", "in/deeper/b.wav", "in-other/c.wav", "texts/readme.md"):
        s3.put_object(Bucket=name, Key=key, Body=AUDIO)
    yield name
    for entry in s3.list_objects_v2(Bucket=name)["Contents"]:
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def test_recordings_in_another_bucket_are_ingested_with_sidecars_and_playable(
    handlers, put, list_recordings, bucket, stack
):
    s3 = client("s3", stack.endpoint)
    s3.put_object(Bucket=bucket, Key="in/a.json", Body=b'{"direction": "inbound"}')
    put(recordingsPath=f"s3://{bucket}/in")
    handlers.sync_and_queue()
    s3.delete_object(Bucket=bucket, Key="in/deeper/b.wav")
    handlers.process()
    handlers.process()
    ingested, missing = list_recordings()["a.wav"], list_recordings()["b.wav"]
    assert (ingested["transcriptionStatus"], ingested["direction"]) == ("completed", "inbound")
    assert (missing["transcriptionStatus"], missing["error"]["code"]) == ("failed", "audio_missing")
    address = handlers.api("GET", f"/api/call-recordings/{ingested['id']}/audio").headers["Location"]
    assert requests.get(address, timeout=LIMIT_SECONDS).content == AUDIO


def test_sync_scans_the_configured_path_and_null_restores_the_template(handlers, put, list_recordings, bucket, stack):
    response = put(recordingsPath=f"s3://{bucket}/in", extensions=["wav"])
    assert response.status == 200
    assert (response.json["recordingsPath"], response.json["changed"]) == (
        f"s3://{bucket}/in", ["recordingsPath", "extensions"],
    )  # fmt: skip
    assert handlers.sync()["counts"]["added"] == 2
    assert sorted(item["path"] for item in list_recordings().values()) == [
        f"s3://{bucket}/in/a.wav", f"s3://{bucket}/in/deeper/b.wav",
    ]  # fmt: skip
    client("s3", stack.endpoint).put_object(Bucket=stack.buckets["RecordingsBucket"], Key="d.wav", Body=AUDIO)
    assert handlers.sync()["counts"]["added"] == 0
    restored = put(recordingsPath=None).json
    assert (restored["recordingsPath"], restored["changed"]) == (handlers.recordings_path, ["extensions"])
    run = handlers.sync()["counts"]
    assert (run["added"], run["missing"]) == (1, 0)
    assert set(list_recordings()) == {"a.wav", "b.wav", "d.wav"}


def test_recordings_outside_a_changed_path_are_still_transcribed(
    handlers, put, list_recordings, bucket, service, stack
):
    put(recordingsPath=f"s3://{bucket}/in/deeper")
    handlers.sync_and_queue()
    put(recordingsPath=None)
    assert handlers.process()["counts"]["completed"] == 1
    assert list_recordings()["b.wav"]["transcriptionStatus"] == "completed"


def test_uploads_outside_the_configured_path_are_skipped(handlers, put, list_recordings, bucket, stack):
    before = stack.buckets["RecordingsBucket"]
    client("s3", stack.endpoint).put_object(Bucket=before, Key="d.wav", Body=AUDIO)
    assert put(recordingsPath=f"s3://{bucket}/in").status == 200
    assert handlers.sync(**upload_event(stack, "d.wav", bucket=before))["status"] == "skipped"
    assert handlers.sync(**upload_event(stack, "in-other/c.wav", bucket=bucket))["status"] == "skipped"
    assert handlers.sync(**upload_event(stack, "in/a.wav", bucket=bucket))["counts"]["added"] == 1
    assert list(list_recordings()) == ["a.wav"]
    put(recordingsPath=None)
    assert handlers.sync(**upload_event(stack, "in/deeper/b.wav", bucket=bucket))["status"] == "skipped"
    assert handlers.sync(**upload_event(stack, "d.wav", bucket=before))["counts"]["added"] == 1


def test_sync_of_a_part_requires_a_path_within_the_recordings_path(handlers, put, list_recordings, bucket):
    put(recordingsPath=f"s3://{bucket}/in")
    for path in (handlers.recordings_path, f"s3://{bucket}/", f"s3://{bucket}/in-other/", f"s3://{bucket}/in/../x/"):
        response = handlers.api("POST", SYNC, query=f"recordingsPath={path}")
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_path"), path
    response = handlers.api("POST", SYNC, query=f"recordingsPath=s3://{bucket}/in/deeper")
    assert (response.status, response.json["counts"]["added"]) == (200, 1)
    assert list(list_recordings()) == ["b.wav"]


def test_unlistable_path_is_rejected_with_the_reason_and_changes_nothing(handlers, put, stack, tmp_path):
    before = put(phoneSystem="freepbx").json
    for path, reason in {
        "s3://no-such-bucket-here/": "NoSuchBucket",
        "s3://": "names no bucket",
        "recordings": "is invalid",
        "": "is not set",
        "https://b.s3.amazonaws.com/": "is invalid",
        "s3://Not_A_Bucket!/": "S3",
        str(tmp_path / "none"): "none",
        "s3://b/\0": "character",
    }.items():
        response = put(recordingsPath=path, phoneSystem="3cx", enabled=False)
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_settings"), path
        assert [detail["field"] for detail in response.json["error"]["details"]] == ["recordingsPath"]
        assert reason in response.json["error"]["message"], response.json
    assert handlers.api("GET", MODULE).json == before


def test_path_without_recordings_is_accepted(handlers, put, bucket, tmp_path):
    for path in (f"s3://{bucket}/empty", f"s3://{bucket}/texts/", str(tmp_path)):
        assert put(recordingsPath=path).status == 200, path
        assert handlers.sync()["status"] == "succeeded"


def test_path_is_tested_only_when_it_changes(handlers, put, bucket, monkeypatch):
    put(recordingsPath=f"s3://{bucket}/in")
    sync = Mock(wraps=handlers.sync)
    monkeypatch.setattr(handlers, "sync", sync)
    assert put(phoneSystem="freepbx").status == 200
    assert put(recordingsPath=f"s3://{bucket}/in", timeZone="Europe/Berlin").status == 200
    sync.assert_not_called()
    assert put(recordingsPath=None).status == 200
    sync.assert_called_once_with(trigger="test", settings={"phone_system": "freepbx", "time_zone": "Europe/Berlin"})


def test_connection_test_uses_unsaved_settings(handlers, functions, bucket, stack):
    before = handlers.api("GET", MODULE).json

    def run_test(**body):
        result = handlers.api("POST", f"{MODULE}/test", body=body or None).json
        return result["code"], result["ok"]

    assert run_test() == run_test(recordingsPath=None) == ("empty", True)
    assert run_test(recordingsPath=f"s3://{bucket}/in") == ("ok", True)
    assert run_test(recordingsPath=f"s3://{bucket}/in", extensions=["mp3"]) == ("no_recordings", False)
    for path in ("s3://no-such-bucket-here/", "/no/folder"):
        assert run_test(recordingsPath=path) == ("source_error", False)
    response = handlers.api("POST", f"{MODULE}/test", body={"recordingsPath": "x", "timeZone": "Mars"})
    assert [detail["field"] for detail in response.json["error"]["details"]] == ["timeZone", "recordingsPath"]
    assert handlers.api("GET", MODULE).json == before
    assert handlers.api("GET", "/api/scheduler/runs").json["items"] == []


def test_slow_test_returns_504(handlers, monkeypatch):
    monkeypatch.setattr(invoke, "invoke_and_wait", lambda *_: None)
    assert handlers.api("POST", f"{MODULE}/test").status == 504


def test_process_uses_the_channels_and_phone_system_settings(handlers, put, service, stack, list_recordings):
    stereo, s3 = wav(tone(1, 8_000, 300), tone(1, 8_000, 700)), client("s3", stack.endpoint)

    def transcribe(name):
        """Transcribe a new recording; return the channels that the service got, and the speaker on the left channel."""
        service.received.clear()
        s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=name, Body=stereo)
        assert handlers.transcribe()["counts"]["completed"] == 1
        transcript = handlers.api("GET", f"/api/call-recordings/{list_recordings()[name]['id']}/transcript").json
        speakers = {segment["channel"]: segment["speaker"] for segment in transcript["segments"]}
        return sorted(request.channel for request in service.received), speakers.get("left")

    handlers.overrides["CHANNELS"] = "caller-right"
    assert handlers.api("GET", MODULE).json["channels"] == "caller-right"
    assert transcribe("a.wav") == (["left", "right"], "agent")
    assert put(channels="caller-left").json["channels"] == "caller-left"
    assert transcribe("b.wav") == (["left", "right"], "caller")
    put(channels="mono")
    assert transcribe("c.wav") == ([""], None)
    put(channels="auto")
    assert transcribe("d.wav") == ([""], None)
    put(phoneSystem="amazon-connect")
    assert transcribe("e.wav") == (["left", "right"], "caller")
    assert put(channels=None).json["channels"] == "caller-right"
    assert put(channels="both").status == 400
    assert json.loads(put(channels="").body)["error"]["code"] == "invalid_request"
