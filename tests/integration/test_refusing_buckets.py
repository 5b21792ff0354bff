"""Buckets and folders that list recordings but refuse to return them: for lack of a permission, or archived."""

from pathlib import Path

import pytest

from callscribe.recordings.recording import Status, recording_id
from callscribe.recordings.retry_policy import REFUSED_DELAY
from callscribe.store import recordings
from testing.handlers import client
from testing.made_audio import tone, wav
from tests.integration.storage import upload_event

CALL = wav(tone(1, 8000))
KMS = "User is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-central-1:123456789012:key/0"


@pytest.fixture
def get(stack):
    return lambda key: recordings.get(recording_id(f"s3://{stack.buckets['RecordingsBucket']}", key))


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("AccessDenied", KMS, "kms:Decrypt"),
        ("KMS.DisabledException", "The key is disabled.", "kms:Decrypt"),
        ("AccessDenied", "Access Denied", "s3:GetObject"),
        ("ExpiredToken", "The provided token has expired.", "credentials"),
    ],
)
def test_bucket_that_refuses_everything_pauses_and_costs_no_attempt(
    handlers, put, get, refuse, service, code, message, advice
):
    for number in range(3):
        put(f"{number}.wav", CALL)
    refuse(r"\.wav", code=code, message=message)
    handlers.sync_and_queue()
    run = handlers.process()
    assert (run["status"], run["errorCode"], run["counts"]["requeued"]) == ("failed", "access_denied", 1)
    assert advice in run["error"]
    for _ in range(10):
        handlers.advance_clock(minutes=20)
        handlers.process()
    found = [get(f"{number}.wav") for number in range(3)]
    assert {(recording.status, recording.attempts) for recording in found} == {(Status.QUEUED, 0)}
    outage = handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]
    assert outage["code"] == "access_denied"
    assert "ProcessFunction" in outage["message"]
    assert "123456789012" not in outage["message"]
    assert service.received == []
    refuse("")
    handlers.advance_clock(minutes=20)
    for _ in range(3):
        handlers.process()
    assert {get(f"{number}.wav").status for number in range(3)} == {Status.COMPLETED}
    assert handlers.api("GET", "/api/call-recordings/status-summary").json["outage"] is None


def test_refused_circuit_is_described_as_such(handlers, put, refuse):
    put("a.wav", CALL)
    refuse(r"\.wav")
    handlers.transcribe()
    run = handlers.process()
    assert run["status"] == "skipped"
    assert run["error"].startswith("Transcription has not been possible since ")
    assert "Last error: S3 does not return the recording (AccessDenied). The role of " in run["error"]


def test_one_refused_object_does_not_hold_up_the_others(handlers, put, get, refuse, service):
    for name in ("a", "b", "c", "d"):
        put(f"{name}.wav", CALL)
    state = refuse("a.wav")
    handlers.sync_and_queue()
    for _ in range(4):
        handlers.process()
    assert {get(f"{name}.wav").status for name in "bcd"} == {Status.COMPLETED}
    refused = get("a.wav")
    assert (refused.status, refused.attempts, refused.error.code) == (Status.FAILED, 0, "access_denied")
    assert not refused.is_terminal
    assert handlers.api("GET", "/api/call-recordings/status-summary").json["outage"] is None
    count = state["refused"]
    for _ in range(3):
        handlers.process()
    assert state["refused"] == count, "left alone for an hour"
    for _ in range(10):
        handlers.after(seconds=REFUSED_DELAY.total_seconds() + 1).process()
    assert (get("a.wav").attempts, get("a.wav").is_terminal) == (0, False)
    refuse("")
    handlers.after(seconds=REFUSED_DELAY.total_seconds() + 1).process()
    assert get("a.wav").status is Status.COMPLETED
    assert len(service.received) == 4


def test_role_that_may_list_only_a_prefix_is_refused_missing_objects(handlers, put, get, refuse, stack):
    """S3 then responds 403 instead of 404: listing the key shows that there is no such object."""
    s3, bucket = client("s3", stack.endpoint), stack.buckets["RecordingsBucket"]
    name = "6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11.wav"
    put(name, CALL)
    put("2026-04/a.wav", CALL)
    refuse(r"a_6f2c|\.rd_files|/(b|c)\.wav")  # none of these exists when it is requested
    assert handlers.sync(**upload_event(stack, name))["counts"]["added"] == 1
    assert handlers.sync(**upload_event(stack, "2026-04/a.wav"))["counts"]["added"] == 1
    refuse("")
    put("b.wav", CALL)
    put("c.wav", CALL)
    handlers.sync()
    put("b.mp3", b"ID3" + bytes(200))
    refuse(r"/(b|c)\.wav")
    for key in ("b.wav", "c.wav"):
        s3.delete_object(Bucket=bucket, Key=key)
    counts = handlers.sync()["counts"]
    assert (counts["moved"], counts["missing"], counts["unreadable"]) == (1, 1, 0)
    assert get("b.wav").key == "b.mp3"
    assert get("c.wav").source_missing


def test_missing_object_that_may_not_be_listed_does_not_end_the_scan(handlers, put, get, refuse, stack):
    s3, bucket = client("s3", stack.endpoint), stack.buckets["RecordingsBucket"]
    put("a.wav", CALL)
    handlers.sync()
    s3.delete_object(Bucket=bucket, Key="a.wav")
    put("b.wav", CALL)
    refuse(r"/a\.wav|prefix=a\.wav", refuses_lists=True)
    run = handlers.sync()
    assert (run["status"], run["counts"]["unreadable"], run["counts"]["added"]) == ("succeeded", 1, 1)
    assert not get("a.wav").source_missing


def test_archived_object_is_counted_and_ingested_once_it_is_restored(handlers, stack, get):
    s3, bucket = client("s3", stack.endpoint), stack.buckets["RecordingsBucket"]
    for storage_class in ("GLACIER", "DEEP_ARCHIVE", "GLACIER_IR", "STANDARD_IA"):
        s3.put_object(Bucket=bucket, Key=f"{storage_class}.wav", Body=CALL, StorageClass=storage_class)
    counts = handlers.sync()["counts"]
    assert (counts["listed"], counts["archived"], counts["added"]) == (4, 2, 2)
    assert get("GLACIER.wav") is None
    s3.restore_object(Bucket=bucket, Key="GLACIER.wav", RestoreRequest={"Days": 1})
    counts = handlers.sync()["counts"]
    assert (counts["archived"], counts["added"]) == (1, 1)
    s3.delete_object(Bucket=bucket, Key="DEEP_ARCHIVE.wav")
    s3.put_object(Bucket=bucket, Key="DEEP_ARCHIVE.wav", Body=CALL)
    assert handlers.sync()["counts"]["added"] == 1


def test_object_that_is_archived_while_it_is_queued_is_transcribed_once_it_is_restored(handlers, put, get, refuse):
    put("a.mp3", b"ID3" + bytes(200))
    handlers.sync_and_queue()
    refuse("a.mp3", code="InvalidObjectState", message="The operation is not valid for the object's storage class")
    handlers.process()
    archived = get("a.mp3")
    assert (archived.status, archived.attempts, archived.error.code) == (Status.FAILED, 0, "archived")
    assert handlers.api("GET", "/api/call-recordings/status-summary").json["outage"] is None
    refuse("")
    handlers.after(seconds=REFUSED_DELAY.total_seconds() + 1).process()
    assert get("a.mp3").status is Status.COMPLETED


def test_object_in_an_archive_tier_is_counted_when_its_header_is_read(handlers, put, refuse):
    put("a.wav", CALL)
    refuse("a.wav", code="InvalidObjectState", message="The operation is not valid for the object's access tier")
    counts = handlers.sync()["counts"]
    assert (counts["archived"], counts["added"], counts["unreadable"]) == (1, 0, 0)


def test_archived_object_cannot_be_registered(handlers, stack, functions):
    s3, bucket = client("s3", stack.endpoint), stack.buckets["RecordingsBucket"]
    s3.put_object(Bucket=bucket, Key="cold.wav", Body=CALL, StorageClass="GLACIER")
    response = handlers.api("POST", "/api/call-recordings", body={"path": f"s3://{bucket}/cold.wav"})
    assert (response.status, response.json["error"]["code"]) == (409, "not_complete")
    assert "Restore" in response.json["error"]["message"]


# the test of the settings --------------------------------------------------------------------------------------------


@pytest.fixture
def run_test(handlers, functions):
    return lambda: handlers.api("POST", "/api/modules/call-recordings/test").json


def test_settings_test_reads_the_newest_recording(put, refuse, run_test):
    put("old.wav", CALL, age=3600)
    put("new.wav", CALL)
    assert run_test()["code"] == "ok"
    refuse("new.wav", message=KMS)
    result = run_test()
    assert (result["ok"], result["code"]) == (False, "access_denied")
    assert all(part in result["message"] for part in ("kms:Decrypt", "SyncFunctionRole", "ProcessFunctionRole"))
    refuse("new.wav", message="Access Denied")
    assert all(part in run_test()["message"] for part in ("s3:GetObject", "object ownership", "ProcessFunctionRole"))


def test_settings_test_counts_archived_recordings(put, stack, run_test):
    s3, bucket = client("s3", stack.endpoint), stack.buckets["RecordingsBucket"]
    s3.put_object(Bucket=bucket, Key="cold.wav", Body=CALL, StorageClass="DEEP_ARCHIVE")
    result = run_test()
    assert (result["ok"], result["code"]) == (False, "archived")
    assert "1 of them" in result["message"]
    put("warm.wav", CALL)
    result = run_test()
    assert (result["ok"], result["code"]) == (True, "ok")
    assert "1 of them" in result["message"]


def test_settings_test_reads_a_file_of_a_folder(handlers, tmp_path: Path, run_test, monkeypatch):
    handlers.overrides["RECORDINGS_PATH"] = str(tmp_path)
    (tmp_path / "call-20261118-093012.wav").write_bytes(CALL)
    assert run_test()["code"] == "ok"

    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("callscribe.sources.folder.FolderSource._open_file", deny)
    assert (run_test()["ok"], run_test()["code"]) == (False, "access_denied")
