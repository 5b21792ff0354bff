"""One recording over the HTTP API: register, correct and delete."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from callscribe.recordings.recording import Status
from callscribe.store import recordings, status_counts, transcripts
from functions.api import invoke
from local.cloud.client import aws_client
from tests.integration.storage import AUDIO, Bucket, Folder
from tests.integration.store_assertions import all_recordings, assert_counts_are_right

LIST = "/api/call-recordings"
NUMBER, OTHER = "+1 202 555 0143", "2025550199"


def status_and_code(response):
    return response.status, response.json["error"]["code"]


@pytest.fixture
def invoked(handlers, monkeypatch):
    """Run invoked functions in this process; the list of their payloads."""
    payloads = []

    def run_sync(_function, payload):
        payloads.append(payload)
        return handlers.sync(**payload)

    monkeypatch.setattr(invoke, "invoke_and_wait", run_sync)
    return payloads


@pytest.fixture(params=["s3", "folder"])
def source(request, handlers, stack, tmp_path, invoked):
    """The folder `in/` of a larger source; `register` ingests a file by its path within the folder."""
    root = Bucket(stack) if request.param == "s3" else Folder(tmp_path)
    root.path = handlers.overrides["RECORDINGS_PATH"] = f"{root.path}in/"

    def register(key, **fields):
        return handlers.api("POST", LIST, body={"path": f"{root.path}{key}", **fields})

    return SimpleNamespace(
        put=lambda key, *more: root.put(f"in/{key}", *more), delete=root.delete, path=root.path, register=register
    )


on_disk = pytest.mark.parametrize("source", ["folder"], indirect=True)
"""For tests that do not depend on the kind of source."""


@pytest.fixture
def recording(handlers, put, stack):
    """A pending recording in S3 with a sidecar, and functions to change both."""
    put("a.wav", AUDIO)
    bucket = stack.buckets["RecordingsBucket"]

    def write_sidecar(**fields):
        put("a.json", json.dumps(fields).encode())
        handlers.sync()

    write_sidecar(caller=OTHER, direction="inbound", start="2026-11-18T09:30:12Z")
    (recording_id,) = all_recordings()
    path = f"{LIST}/{recording_id}"
    return SimpleNamespace(
        id=recording_id,
        path=path,
        bucket=bucket,
        write_sidecar=write_sidecar,
        get=lambda: handlers.api("GET", path).json,
        change=lambda **fields: handlers.api("PUT", path, body=fields),
        delete=lambda: handlers.api("DELETE", path),
    )


@pytest.fixture
def completed(handlers, recording):
    handlers.queue()
    handlers.process()
    assert recording.get()["transcriptionStatus"] == "completed"
    return recording


@pytest.fixture
def search(handlers):
    def search(**query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return [item["id"] for item in handlers.api("GET", LIST, query=text).json["items"]]

    return search


# register


def test_file_is_registered_once_and_without_its_neighbours(source, invoked):
    for key in ("2026/a.mp3", "2026/ab.mp3", "2026/a/b.mp3", "b.mp3"):
        source.put(key)
    new = source.register("2026/a.mp3")
    assert (new.status, new.json["path"]) == (201, f"{source.path}2026/a.mp3")
    assert new.json["transcriptionStatus"] == "pending"
    known = source.register("2026/a.mp3")
    assert (known.status, known.json) == (200, new.json)
    assert len(invoked) == len(all_recordings()) == 1


@on_disk
def test_concurrent_registrations_create_one_recording(source, handlers, monkeypatch):
    source.put("a.mp3")
    concurrent: list[Any] = []

    def run_sync(_function, payload):
        if not concurrent:
            concurrent.append(None)
            concurrent.append(source.register("a.mp3", callee="101"))
        return handlers.sync(**payload)

    monkeypatch.setattr(invoke, "invoke_and_wait", run_sync)
    responses = [source.register("a.mp3", caller=NUMBER), concurrent[1]]
    assert [response.status for response in responses] == [201, 201]
    (created,) = all_recordings().values()
    assert (created.metadata.caller, created.metadata.callee) == (NUMBER, "101")


@on_disk
def test_submitted_metadata_takes_precedence_over_parsed_metadata(source, search):
    source.put("in-2025550100-2025550199-20261118-093012-1795012210.17.mp3")
    name = "in-2025550100-2025550199-20261118-093012-1795012210.17.mp3"
    response = source.register(name, caller=NUMBER, startedAt="2026-11-18T10:00:00Z")
    assert (response.status, response.json["caller"], response.json["recordedAt"]) == (
        201,
        NUMBER,
        "2026-11-18T10:00:00Z",
    )
    assert (
        response.json["metadataOrigins"] | {"caller": "user", "startedAt": "user"} == response.json["metadataOrigins"]
    )
    assert response.json["metadataOrigins"]["callId"] == "name"
    assert search(phoneNumber="2025550143") == [response.json["id"]]
    again = source.register(name, caller=OTHER)
    assert (again.status, again.json["caller"], search(phoneNumber="2025550143")) == (200, OTHER, [])


def test_path_outside_the_source_is_not_registered(source, handlers, invoked):
    source.put("../a.mp3")
    source.put("../in-other/a.mp3")
    outside = ("../a.mp3", "../in-other/a.mp3", "b/../../a.mp3", "", "b/", ".", "..", "../in/../a.mp3")
    elsewhere = ("a.mp3", "/etc/a.mp3", "s3://other/in/a.mp3", "s3://a.mp3", "file:///in/a.mp3", "https://b/a.mp3")
    impossible = ("\0.mp3", "a\0.mp3", "x" * 1100 + ".mp3", "ü" * 550 + ".mp3")
    for path in (*(source.path + key for key in (*outside, *impossible)), *elsewhere, "x" * 2000):
        response = handlers.api("POST", LIST, body={"path": path})
        assert status_and_code(response) == (400, "invalid_path"), path
        assert response.json["error"]["message"]
    assert source.register("\ud800.mp3").status == 400
    assert not invoked
    assert not all_recordings()


@on_disk
def test_file_without_audio_extension_is_rejected(source, invoked):
    for key in ("a.doc", "a", "a.mp3.part", ".a.mp3", "a.json", "voicemail/a.mp3", "~a.mp3"):
        source.put(key)
        assert status_and_code(source.register(key)) == (400, "not_audio")
    assert not invoked


@on_disk
def test_missing_file_returns_404(source):
    source.put("b.mp3")
    assert status_and_code(source.register("a.mp3")) == (404, "file_not_found")
    assert not all_recordings()


@on_disk
def test_sync_timeout_returns_504_with_the_run(source, monkeypatch):
    source.put("a.mp3")
    monkeypatch.setattr(invoke, "invoke_and_wait", lambda *_: None)
    response = source.register("a.mp3")
    assert status_and_code(response) == (504, "function_timeout")
    (run,) = response.json["error"]["details"]
    assert (run["task"], run["status"]) == ("sync_recordings", "running")


@on_disk
def test_incomplete_file_returns_409_with_the_reason(source):
    source.put("a.wav", b"")
    source.put("b.mp3", AUDIO, 0)
    for key, missing in (("a.wav", "empty"), ("b.mp3", "a moment ago")):
        response = source.register(key)
        assert status_and_code(response) == (409, "not_complete")
        assert missing in response.json["error"]["message"]
    assert not all_recordings()


def test_recording_can_be_registered_by_its_displayed_path(handlers, tmp_path, invoked):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    folder.put("caf\udce9.mp3")  # not UTF-8
    folder.put("Zoë 🎧+%41.mp3")
    handlers.sync()
    for stored in all_recordings().values():
        response = handlers.api("POST", LIST, body={"path": stored.path})
        assert (response.status, response.json["id"]) == (200, stored.id)
        recordings.delete_recording(stored)
        assert handlers.api("POST", LIST, body={"path": stored.path}).status == 201


def test_registering_a_restored_file_clears_source_missing(source, handlers):
    source.put("a.mp3")
    recording_id = source.register("a.mp3").json["id"]
    path = next(iter(all_recordings().values())).key
    source.delete(path if source.path.startswith("s3") else "in/a.mp3")
    handlers.sync()
    assert handlers.api("GET", f"{LIST}/{recording_id}").json["sourceMissing"]
    assert status_and_code(source.register("a.mp3")) == (404, "file_not_found")
    source.put("a.mp3")
    response = source.register("a.mp3")
    assert (response.status, response.json["id"], response.json["sourceMissing"]) == (200, recording_id, None)


@on_disk
def test_only_known_files_can_be_registered_while_sync_is_off(source, handlers):
    source.put("a.mp3")
    source.put("b.mp3")
    source.register("b.mp3")
    handlers.api("PUT", "/api/scheduler/tasks/sync_recordings", body={"paused": True})
    assert status_and_code(source.register("a.mp3"))[0] == 409
    handlers.api("PUT", "/api/scheduler/tasks/sync_recordings", body={"paused": False})
    handlers.api("PUT", "/api/modules/call-recordings", body={"enabled": False})
    assert status_and_code(source.register("a.mp3"))[0] == 409
    assert source.register("b.mp3").status == 200
    handlers.api("PUT", "/api/modules/call-recordings", body={"enabled": True})
    assert source.register("a.mp3").status == 201


def test_unlistable_source_returns_502(handlers, invoked):
    handlers.overrides["RECORDINGS_PATH"] = "s3://no-such-bucket/"
    response = handlers.api("POST", LIST, body={"path": "s3://no-such-bucket/a.mp3"})
    assert status_and_code(response) == (502, "sync_failed")
    assert "no-such-bucket" in response.json["error"]["message"]


def test_invalid_registration_returns_400(handlers, invoked):
    known = {"path": "s3://b/a.mp3"}
    bodies = [{}, {"path": ""}, {"path": None}, {"path": 1}, {"path": "x" * 3000}, known | {"status": "queued"}]
    for body in (*bodies, known | {"caller": ""}, known | {"startedAt": "yesterday"}):
        assert status_and_code(handlers.api("POST", LIST, body=body)) == (400, "invalid_request")
    assert not invoked


# correct


def test_search_finds_the_corrected_number_only(recording, search):
    assert search(phoneNumber=OTHER) == [recording.id]
    response = recording.change(caller=NUMBER, callId="1795.1", party="  Ann Lee ")
    assert (response.status, response.json["caller"], response.json["party"]) == (200, NUMBER, "Ann Lee")
    assert response.json == recording.get()
    assert (
        response.json["metadataOrigins"] | dict.fromkeys(("caller", "callId", "party"), "user")
        == (response.json["metadataOrigins"])
    )
    assert response.json["metadataOrigins"]["direction"] == "sidecar"
    assert search(phoneNumber=OTHER) == []
    assert search(phoneNumber="0143") == search(search="2025550143") == search(search="1795.1") == [recording.id]


def test_null_clears_a_field_and_its_search_entries(recording, search):
    response = recording.change(caller=None, direction=None, startedAt=None).json
    assert (response["caller"], response["direction"], response["startedAt"]) == (None, None, None)
    assert response["metadataOrigins"].keys() & {"caller", "direction", "startedAt"} == set()
    assert response["recordedAt"] == response["modifiedAt"]
    assert search(phoneNumber=OTHER) == search(direction="inbound") == []


def test_corrected_start_without_zone_uses_the_time_zone_of_the_module(recording, handlers, search):
    handlers.api("PUT", "/api/modules/call-recordings", body={"timeZone": "Europe/Berlin"})
    for written, shown, recorded in (
        ("2026-07-01T12:00:00", "2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
        ("2026-12-01T12:00:00", "2026-12-01T12:00:00", "2026-12-01T11:00:00Z"),
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
        ("2026-07-01 12:00:00.25-04:00", "2026-07-01T12:00:00.250-04:00", "2026-07-01T16:00:00.250000Z"),
    ):
        response = recording.change(startedAt=written).json
        assert (response["startedAt"], response["recordedAt"]) == (shown, recorded)
        assert search(**{"from": recorded, "to": recorded}) == [recording.id]
        assert search(to="2026-06-30T00:00:00Z") == []


def test_time_zone_of_the_module_takes_precedence_over_the_server_offset(handlers, put, list_recordings):
    put("in-2025550100-2025550143-20261118-103012-1794994212.17.wav", AUDIO)
    handlers.sync()
    (item,) = list_recordings().values()
    assert item["utcOffset"] == "+01:00"
    handlers.api("PUT", "/api/modules/call-recordings", body={"timeZone": "America/New_York"})
    path = f"{LIST}/{item['id']}"
    response = handlers.api("PUT", path, body={"startedAt": "2026-11-18T10:00:00"}).json
    assert response["recordedAt"] == "2026-11-18T15:00:00Z"


def test_recording_with_an_earlier_start_is_queued_earlier(recording, handlers, put):
    put("b.wav", AUDIO)
    put("b.json", b'{"start": "2026-11-17T00:00:00Z"}')
    handlers.sync()
    first = recordings.next_entries(Status.PENDING, 2)[0].id
    assert first != recording.id
    recording.change(startedAt="2026-11-16T00:00:00Z")
    assert recordings.next_entries(Status.PENDING, 2)[0].id == recording.id
    handlers.queue()
    assert recordings.next_entries(Status.QUEUED, 2)[0].id == recording.id


def test_status_and_metadata_change_together_or_not_at_all(recording):
    response = recording.change(transcriptionStatus="queued", caller=NUMBER, startedAt="2026-01-01T00:00:00Z").json
    assert (response["transcriptionStatus"], response["caller"]) == ("queued", NUMBER)
    assert recordings.next_entries(Status.QUEUED, 1)[0].sort_key.endswith("2026-01-01T00:00:00.000000Z")
    rejected = recording.change(transcriptionStatus="completed", caller=OTHER)
    assert status_and_code(rejected) == (409, "invalid_transition")
    assert recording.get() == response


def test_correcting_a_completed_recording_keeps_its_status_and_transcript(completed):
    before = completed.get()
    response = completed.change(caller=NUMBER, startedAt="2026-11-18T10:00:00Z").json
    assert response["caller"] == NUMBER
    unchanged = ("transcriptionStatus", "statusSince", "transcript", "attempts")
    assert {name: response[name] for name in unchanged} == {name: before[name] for name in unchanged}
    assert_counts_are_right()


def test_recording_in_progress_can_be_neither_corrected_nor_deleted(recording, handlers, service, reply):
    handlers.queue()
    responses = []

    def change_and_delete(_received):
        responses.extend(
            [recording.change(caller=NUMBER), recording.change(transcriptionStatus="queued"), recording.delete()]
        )
        return reply()

    service.choose_reply = change_and_delete
    handlers.process()
    assert [status_and_code(response) for response in responses] == [
        (409, "in_progress"), (409, "invalid_transition"), (409, "in_progress"),
    ]  # fmt: skip
    assert (recording.get()["transcriptionStatus"], recording.get()["caller"]) == ("completed", OTHER)


def test_correction_survives_a_changed_sidecar_and_a_changed_file(recording, search, put, handlers):
    recording.change(caller=NUMBER, startedAt="2026-11-18T10:00:00Z")
    recording.write_sidecar(caller="2025550111", callee="101", direction="outbound", start="2026-11-19T00:00:00Z")
    put("a.wav", AUDIO * 2)
    handlers.sync()
    item = recording.get()
    assert (item["caller"], item["callee"], item["direction"]) == (NUMBER, "101", "outbound")
    assert (item["startedAt"], item["recordedAt"]) == ("2026-11-18T10:00:00Z", "2026-11-18T10:00:00Z")
    assert (item["metadataOrigins"]["caller"], item["metadataOrigins"]["callee"]) == ("user", "sidecar")
    assert search(phoneNumber=NUMBER.replace("+", "%2B")) == [recording.id]
    assert search(phoneNumber="2025550111") == []


def test_cleared_field_is_read_again_from_a_changed_sidecar(recording):
    recording.change(caller=None)
    recording.write_sidecar(caller="2025550111")
    assert (recording.get()["caller"], recording.get()["metadataOrigins"]["caller"]) == ("2025550111", "sidecar")


@pytest.fixture
def before_the_write(monkeypatch):
    """Do something after a record has been read and before it is first written."""

    def before_the_write(action):
        update = recordings._update

        def act_then_update(*arguments):
            monkeypatch.setattr(recordings, "_update", update)
            action()
            return update(*arguments)

        monkeypatch.setattr(recordings, "_update", act_then_update)

    return before_the_write


def test_correction_during_sync_is_not_lost(recording, before_the_write, handlers):
    before_the_write(lambda: recording.change(caller=NUMBER))
    recording.write_sidecar(caller="2025550111", callee="101")
    handlers.sync()
    assert (recording.get()["caller"], recording.get()["callee"]) == (NUMBER, "101")


def test_concurrent_change_returns_409_and_is_not_overwritten(recording, before_the_write):
    for callee, correction in (
        ("101", {"caller": NUMBER}),
        ("102", {"caller": NUMBER, "transcriptionStatus": "queued"}),
    ):
        before_the_write(lambda callee=callee: recording.change(callee=callee))
        assert status_and_code(recording.change(**correction)) == (409, "conflict")
        assert (recording.get()["caller"], recording.get()["callee"]) == (OTHER, callee)
    assert recording.change(**correction).json["caller"] == NUMBER


def test_invisible_characters_are_removed_from_corrections(recording, search):
    assert recording.change(caller="\u202a+1 202 555 0198\u202c", party="Ann\x00 Lee\x1b").json["party"] == "Ann Lee"
    assert search(phoneNumber="2025550198") == [recording.id]


def test_invalid_correction_returns_400_and_changes_nothing(recording):
    before = recording.get()
    body: dict[str, Any]
    for body in (
        {"caller": ""}, {"caller": "   "}, {"caller": 2025550143}, {"caller": "x" * 101}, {"direction": "sideways"},
        {"startedAt": "yesterday"}, {"startedAt": "2026-11-18"}, {"startedAt": 1795012210}, {"startedAt": ""},
        {"startedAt": "2026-13-01T00:00:00"}, {"phoneSystem": "teapot"}, {"recordedAt": "2026-11-18T10:00:00Z"},
        {"metadataOrigins": {}}, {"caller": NUMBER, "kind": "page"}, {"path": "s3://b/a.wav"}, {},
    ):  # fmt: skip
        assert status_and_code(recording.change(**body)) == (400, "invalid_request")
    assert recording.get() == before


def test_implausible_start_does_not_hide_a_recording(recording, search):
    for written in ("0001-01-01T00:00:00Z", "0999-12-31T23:59:59", "9999-12-31T23:59:59-14:00"):
        assert recording.change(startedAt=written).status == 200
        assert search() == [recording.id]


# delete


def test_delete_removes_the_recording_and_its_transcripts_but_not_the_file(completed, handlers, stack, search):
    handlers.api("POST", f"{completed.path}/transcribe", body={"force": True})
    handlers.process()
    s3, bucket = aws_client("s3", stack.endpoint), stack.buckets["TranscriptsBucket"]
    transcripts.put_track(bucket, completed.id, "1-left", {})
    transcripts.put(bucket, "a" * 20, "20261118T093310123456-4f1c2a", {})
    assert len(transcripts.list_versions(bucket, completed.id)) == 2
    response = completed.delete()
    assert (response.status, response.body) == (204, "")
    for path in (completed.path, f"{completed.path}/transcript", f"{completed.path}/audio"):
        assert status_and_code(handlers.api("GET", path)) == (404, "recording_not_found")
    assert (
        status_and_code(completed.change(caller=NUMBER))
        == status_and_code(completed.delete())
        == (404, "recording_not_found")
    )
    remaining = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert remaining == [f"transcripts/{'a' * 20}/20261118T093310123456-4f1c2a.json"]
    assert s3.head_object(Bucket=completed.bucket, Key="a.wav")
    assert search() == search(phoneNumber=OTHER) == []


def test_next_sync_ingests_a_deleted_recording_again_while_its_file_exists(completed, handlers):
    completed.change(caller=NUMBER)
    completed.delete()
    handlers.sync()
    item = completed.get()
    assert (item["transcriptionStatus"], item["transcript"], item["caller"]) == ("pending", None, OTHER)
    handlers.queue()
    assert handlers.process()["counts"]["completed"] == 1
    completed.delete()
    aws_client("s3", handlers.stack.endpoint).delete_object(Bucket=completed.bucket, Key="a.wav")
    handlers.sync()
    assert not all_recordings()


def test_counts_stay_exact_when_a_deleted_recording_was_in_a_checkpoint(completed):
    status_counts.advance_checkpoint(datetime(2100, 1, 1, tzinfo=UTC))
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1
    completed.delete()
    assert_counts_are_right()


def test_deleted_queued_recording_is_never_sent(recording, handlers, service):
    handlers.queue()
    assert recording.delete().status == 204
    handlers.process()
    assert not service.received
    assert_counts_are_right()


def test_second_delete_completes_an_interrupted_one(completed, handlers, monkeypatch, stack):
    def raise_memory_error(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(transcripts, "delete_all", raise_memory_error)
        assert completed.delete().status == 500
    bucket = stack.buckets["TranscriptsBucket"]
    assert transcripts.list_versions(bucket, completed.id)
    assert status_and_code(handlers.api("GET", completed.path)) == (404, "recording_not_found")
    assert completed.delete().status == 204
    assert not transcripts.list_versions(bucket, completed.id)
    assert status_and_code(completed.delete()) == (404, "recording_not_found")


def test_delete_returns_503_when_transcripts_cannot_be_deleted(completed, handlers):
    handlers.overrides["TRANSCRIPTS_BUCKET"] = "no-such-bucket"
    response = completed.delete()
    assert status_and_code(response) == (503, "store_error")
    assert "Delete again" in response.json["error"]["message"]
    del handlers.overrides["TRANSCRIPTS_BUCKET"]
    assert completed.delete().status == 204


def test_concurrently_changed_recording_is_not_deleted(recording, handlers, monkeypatch):
    delete_recording = recordings.delete_recording

    def queue_first(stored):
        handlers.queue()
        return delete_recording(stored)

    monkeypatch.setattr(recordings, "delete_recording", queue_first)
    assert status_and_code(recording.delete()) == (409, "conflict")
    assert recording.get()["transcriptionStatus"] == "queued"
