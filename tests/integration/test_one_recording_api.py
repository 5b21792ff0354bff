"""One recording over the HTTP API: registered, put right and deleted, by a person who expects it to stay so."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from callscribe.recordings.recording import Status
from callscribe.store import recordings, status_counts, transcripts
from functions.api import invoke
from local.cloud.client import aws_client
from tests.integration.checks import all_recordings, assert_counts_are_right
from tests.integration.storage import AUDIO, Bucket, Folder

LIST = "/api/call-recordings"
NUMBER, OTHER = "+1 202 555 0143", "2025550199"


def code_of(answer):
    return answer.status, answer.json["error"]["code"]


@pytest.fixture
def called(handlers, monkeypatch):
    """Functions that the API invokes run in this process; these payloads were sent."""
    payloads = []

    def call(_function, payload):
        payloads.append(payload)
        return handlers.sync(**payload)

    monkeypatch.setattr(invoke, "invoke_and_wait", call)
    return payloads


@pytest.fixture(params=["s3", "folder"])
def place(request, handlers, stack, tmp_path, called):
    """A source, `in` the midst of what is not; `register` takes up a file of it, by the rest of its path."""
    made = Bucket(stack) if request.param == "s3" else Folder(tmp_path)
    made.path = handlers.overrides["RECORDINGS_PATH"] = f"{made.path}in/"

    def register(key, **fields):
        return handlers.api("POST", LIST, body={"path": f"{made.path}{key}", **fields})

    return SimpleNamespace(
        put=lambda key, *more: made.put(f"in/{key}", *more), delete=made.delete, path=made.path, register=register
    )


on_disk = pytest.mark.parametrize("place", ["folder"], indirect=True)
"""For what does not depend on where recordings lie."""


@pytest.fixture
def call(handlers, put, stack):
    """One pending recording in S3, whose sidecar tells a little; `get`, `change`, `delete` and `tell` beside it."""
    put("a.wav", AUDIO)
    bucket = stack.buckets["RecordingsBucket"]

    def tell(**fields):
        put("a.json", json.dumps(fields).encode())
        handlers.sync()

    tell(caller=OTHER, direction="inbound", start="2026-11-18T09:30:12Z")
    (made,) = all_recordings()
    path = f"{LIST}/{made}"
    return SimpleNamespace(
        id=made,
        path=path,
        bucket=bucket,
        tell=tell,
        get=lambda: handlers.api("GET", path).json,
        change=lambda **fields: handlers.api("PUT", path, body=fields),
        delete=lambda: handlers.api("DELETE", path),
    )


@pytest.fixture
def completed(handlers, call):
    handlers.queue()
    handlers.process()
    assert call.get()["transcriptionStatus"] == "completed"
    return call


@pytest.fixture
def found(handlers):
    def found(**query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return [item["id"] for item in handlers.api("GET", LIST, query=text).json["items"]]

    return found


# registered


def test_a_file_is_registered_once_and_alone_and_is_known_from_then_on(place, called):
    for key in ("2026/a.mp3", "2026/ab.mp3", "2026/a/b.mp3", "b.mp3"):
        place.put(key)
    new = place.register("2026/a.mp3")
    assert (new.status, new.json["path"]) == (201, f"{place.path}2026/a.mp3")
    assert new.json["transcriptionStatus"] == "pending"
    known = place.register("2026/a.mp3")
    assert (known.status, known.json) == (200, new.json)
    assert len(called) == len(all_recordings()) == 1


@on_disk
def test_two_who_register_the_same_at_once_make_one_record(place, handlers, monkeypatch):
    place.put("a.mp3")
    meanwhile: list[Any] = []

    def call(_function, payload):
        if not meanwhile:
            meanwhile.append(None)
            meanwhile.append(place.register("a.mp3", callee="101"))
        return handlers.sync(**payload)

    monkeypatch.setattr(invoke, "invoke_and_wait", call)
    answers = [place.register("a.mp3", caller=NUMBER), meanwhile[1]]
    assert [answer.status for answer in answers] == [201, 201]
    (made,) = all_recordings().values()
    assert (made.metadata.caller, made.metadata.callee) == (NUMBER, "101")


@on_disk
def test_what_is_sent_along_counts_more_than_what_is_read(place, found):
    place.put("in-2025550100-2025550199-20261118-093012-1795012210.17.mp3")
    name = "in-2025550100-2025550199-20261118-093012-1795012210.17.mp3"
    answer = place.register(name, caller=NUMBER, startedAt="2026-11-18T10:00:00Z")
    assert (answer.status, answer.json["caller"], answer.json["recordedAt"]) == (201, NUMBER, "2026-11-18T10:00:00Z")
    assert (
        answer.json["metadataOrigins"] | {"caller": "person", "startedAt": "person"} == answer.json["metadataOrigins"]
    )
    assert answer.json["metadataOrigins"]["callId"] == "name"
    assert found(phoneNumber="2025550143") == [answer.json["id"]]
    again = place.register(name, caller=OTHER)
    assert (again.status, again.json["caller"], found(phoneNumber="2025550143")) == (200, OTHER, [])


def test_nothing_outside_of_the_source_is_registered(place, handlers, called):
    place.put("../a.mp3")
    place.put("../in-other/a.mp3")
    within = ("../a.mp3", "../in-other/a.mp3", "b/../../a.mp3", "", "b/", ".", "..", "../in/../a.mp3")
    elsewhere = ("a.mp3", "/etc/a.mp3", "s3://other/in/a.mp3", "s3://a.mp3", "file:///in/a.mp3", "https://b/a.mp3")
    impossible = ("\0.mp3", "a\0.mp3", "x" * 1100 + ".mp3", "ü" * 550 + ".mp3")
    for path in (*(place.path + key for key in (*within, *impossible)), *elsewhere, "x" * 2000):
        answer = handlers.api("POST", LIST, body={"path": path})
        assert code_of(answer) == (400, "invalid_path"), path
        assert answer.json["error"]["message"]
    assert place.register("\ud800.mp3").status == 400
    assert not called
    assert not all_recordings()


@on_disk
def test_what_is_no_recording_by_its_name_is_refused(place, called):
    for key in ("a.doc", "a", "a.mp3.part", ".a.mp3", "a.json", "voicemail/a.mp3", "~a.mp3"):
        place.put(key)
        assert code_of(place.register(key)) == (400, "not_audio")
    assert not called


@on_disk
def test_a_file_that_is_not_there_is_404(place):
    place.put("b.mp3")
    assert code_of(place.register("a.mp3")) == (404, "file_not_found")
    assert not all_recordings()


@on_disk
def test_where_sync_takes_longer_than_a_request_may_that_is_said_with_its_run(place, monkeypatch):
    place.put("a.mp3")
    monkeypatch.setattr(invoke, "invoke_and_wait", lambda *_: None)
    answer = place.register("a.mp3")
    assert code_of(answer) == (504, "function_timeout")
    (run,) = answer.json["error"]["details"]
    assert (run["task"], run["status"]) == ("sync_recordings", "running")


@on_disk
def test_a_file_that_is_not_complete_is_409_and_says_what_is_missing(place):
    place.put("a.wav", b"")
    place.put("b.mp3", AUDIO, 0)
    for key, missing in (("a.wav", "empty"), ("b.mp3", "a moment ago")):
        answer = place.register(key)
        assert code_of(answer) == (409, "not_complete")
        assert missing in answer.json["error"]["message"]
    assert not all_recordings()


def test_a_recording_is_registered_by_the_path_that_it_is_shown_with(handlers, tmp_path, called):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    folder.put("caf\udce9.mp3")  # no UTF-8
    folder.put("Zoë 🎧+%41.mp3")
    handlers.sync()
    for each in all_recordings().values():
        answer = handlers.api("POST", LIST, body={"path": each.path})
        assert (answer.status, answer.json["id"]) == (200, each.id)
        recordings.delete_recording(each)
        assert handlers.api("POST", LIST, body={"path": each.path}).status == 201


def test_a_file_that_was_put_back_is_found_again_by_registering_it(place, handlers):
    place.put("a.mp3")
    made = place.register("a.mp3").json["id"]
    path = next(iter(all_recordings().values())).key
    place.delete(path if place.path.startswith("s3") else "in/a.mp3")
    handlers.sync()
    assert handlers.api("GET", f"{LIST}/{made}").json["sourceMissing"]
    assert code_of(place.register("a.mp3")) == (404, "file_not_found")
    place.put("a.mp3")
    answer = place.register("a.mp3")
    assert (answer.status, answer.json["id"], answer.json["sourceMissing"]) == (200, made, None)


@on_disk
def test_while_sync_is_turned_off_nothing_is_registered_and_what_is_known_still_is(place, handlers):
    place.put("a.mp3")
    place.put("b.mp3")
    place.register("b.mp3")
    handlers.api("PUT", "/api/scheduler/tasks/sync_recordings", body={"paused": True})
    assert code_of(place.register("a.mp3"))[0] == 409
    handlers.api("PUT", "/api/scheduler/tasks/sync_recordings", body={"paused": False})
    handlers.api("PUT", "/api/modules/call-recordings", body={"enabled": False})
    assert code_of(place.register("a.mp3"))[0] == 409
    assert place.register("b.mp3").status == 200
    handlers.api("PUT", "/api/modules/call-recordings", body={"enabled": True})
    assert place.register("a.mp3").status == 201


def test_a_source_that_cannot_be_listed_is_told(handlers, called):
    handlers.overrides["RECORDINGS_PATH"] = "s3://no-such-bucket/"
    answer = handlers.api("POST", LIST, body={"path": "s3://no-such-bucket/a.mp3"})
    assert code_of(answer) == (502, "sync_failed")
    assert "no-such-bucket" in answer.json["error"]["message"]


def test_a_registration_that_cannot_be_meant_is_400(handlers, called):
    known = {"path": "s3://b/a.mp3"}
    bodies = [{}, {"path": ""}, {"path": None}, {"path": 1}, {"path": "x" * 3000}, known | {"status": "queued"}]
    for body in (*bodies, known | {"caller": ""}, known | {"startedAt": "yesterday"}):
        assert code_of(handlers.api("POST", LIST, body=body)) == (400, "invalid_request")
    assert not called


# put right


def test_a_corrected_number_is_found_and_the_old_one_no_longer(call, found):
    assert found(phoneNumber=OTHER) == [call.id]
    answer = call.change(caller=NUMBER, callId="1795.1", party="  Ann Lee ")
    assert (answer.status, answer.json["caller"], answer.json["party"]) == (200, NUMBER, "Ann Lee")
    assert answer.json == call.get()
    assert (
        answer.json["metadataOrigins"] | dict.fromkeys(("caller", "callId", "party"), "person")
        == (answer.json["metadataOrigins"])
    )
    assert answer.json["metadataOrigins"]["direction"] == "sidecar"
    assert found(phoneNumber=OTHER) == []
    assert found(phoneNumber="0143") == found(search="2025550143") == found(search="1795.1") == [call.id]


def test_null_forgets_a_field_and_what_it_was_found_by(call, found):
    answer = call.change(caller=None, direction=None, startedAt=None).json
    assert (answer["caller"], answer["direction"], answer["startedAt"]) == (None, None, None)
    assert answer["metadataOrigins"].keys() & {"caller", "direction", "startedAt"} == set()
    assert answer["recordedAt"] == answer["modifiedAt"]
    assert found(phoneNumber=OTHER) == found(direction="inbound") == []


def test_the_call_moves_to_when_it_began_in_the_zone_of_the_module(call, handlers, found):
    handlers.api("PUT", "/api/modules/call-recordings", body={"timeZone": "Europe/Berlin"})
    for written, shown, recorded in (
        ("2026-07-01T12:00:00", "2026-07-01T12:00:00", "2026-07-01T10:00:00Z"),
        ("2026-12-01T12:00:00", "2026-12-01T12:00:00", "2026-12-01T11:00:00Z"),
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
        ("2026-07-01 12:00:00.25-04:00", "2026-07-01T12:00:00.250-04:00", "2026-07-01T16:00:00.250000Z"),
    ):
        answer = call.change(startedAt=written).json
        assert (answer["startedAt"], answer["recordedAt"]) == (shown, recorded)
        assert found(**{"from": recorded, "to": recorded}) == [call.id]
        assert found(to="2026-06-30T00:00:00Z") == []


def test_a_time_without_a_zone_is_in_that_of_the_module_whatever_the_name_tells_of_the_server_s(handlers, put, listed):
    put("in-2025550100-2025550143-20261118-103012-1794994212.17.wav", AUDIO)
    handlers.sync()
    (item,) = listed().values()
    assert item["utcOffset"] == "+01:00"
    handlers.api("PUT", "/api/modules/call-recordings", body={"timeZone": "America/New_York"})
    path = f"{LIST}/{item['id']}"
    answer = handlers.api("PUT", path, body={"startedAt": "2026-11-18T10:00:00"}).json
    assert answer["recordedAt"] == "2026-11-18T15:00:00Z"


def test_a_call_that_began_earlier_is_queued_earlier(call, handlers, put):
    put("b.wav", AUDIO)
    put("b.json", b'{"start": "2026-11-17T00:00:00Z"}')
    handlers.sync()
    first = recordings.next_entries(Status.PENDING, 2)[0].id
    assert first != call.id
    call.change(startedAt="2026-11-16T00:00:00Z")
    assert recordings.next_entries(Status.PENDING, 2)[0].id == call.id
    handlers.queue()
    assert recordings.next_entries(Status.QUEUED, 2)[0].id == call.id


def test_status_and_metadata_change_together_or_not_at_all(call):
    answer = call.change(transcriptionStatus="queued", caller=NUMBER, startedAt="2026-01-01T00:00:00Z").json
    assert (answer["transcriptionStatus"], answer["caller"]) == ("queued", NUMBER)
    assert recordings.next_entries(Status.QUEUED, 1)[0].sort_key.endswith("2026-01-01T00:00:00.000000Z")
    refused = call.change(transcriptionStatus="completed", caller=OTHER)
    assert code_of(refused) == (409, "invalid_transition")
    assert call.get() == answer


def test_what_is_completed_or_failed_is_put_right_and_stays_as_it_is(completed):
    before = completed.get()
    answer = completed.change(caller=NUMBER, startedAt="2026-11-18T10:00:00Z").json
    assert answer["caller"] == NUMBER
    kept = ("transcriptionStatus", "statusSince", "transcript", "attempts")
    assert {name: answer[name] for name in kept} == {name: before[name] for name in kept}
    assert_counts_are_right()


def test_while_it_is_transcribed_nothing_is_corrected_or_deleted(call, handlers, service, reply):
    handlers.queue()
    seen = []

    def meanwhile(_received):
        seen.extend([call.change(caller=NUMBER), call.change(transcriptionStatus="queued"), call.delete()])
        return reply()

    service.choose_reply = meanwhile
    handlers.process()
    assert [code_of(answer) for answer in seen] == [
        (409, "in_progress"), (409, "invalid_transition"), (409, "in_progress"),
    ]  # fmt: skip
    assert (call.get()["transcriptionStatus"], call.get()["caller"]) == ("completed", OTHER)


def test_what_a_person_corrected_survives_a_changed_sidecar_and_a_changed_file(call, found, put, handlers):
    call.change(caller=NUMBER, startedAt="2026-11-18T10:00:00Z")
    call.tell(caller="2025550111", callee="101", direction="outbound", start="2026-11-19T00:00:00Z")
    put("a.wav", AUDIO * 2)
    handlers.sync()
    item = call.get()
    assert (item["caller"], item["callee"], item["direction"]) == (NUMBER, "101", "outbound")
    assert (item["startedAt"], item["recordedAt"]) == ("2026-11-18T10:00:00Z", "2026-11-18T10:00:00Z")
    assert (item["metadataOrigins"]["caller"], item["metadataOrigins"]["callee"]) == ("person", "sidecar")
    assert found(phoneNumber=NUMBER.replace("+", "%2B")) == [call.id]
    assert found(phoneNumber="2025550111") == []


def test_what_was_forgotten_is_read_again_with_a_changed_sidecar(call):
    call.change(caller=None)
    call.tell(caller="2025550111")
    assert (call.get()["caller"], call.get()["metadataOrigins"]["caller"]) == ("2025550111", "sidecar")


@pytest.fixture
def before_the_write(monkeypatch):
    """Does something when a record has been read and is about to be written for the first time."""

    def before_the_write(act):
        update = recordings._update

        def meanwhile(*given):
            monkeypatch.setattr(recordings, "_update", update)
            act()
            return update(*given)

        monkeypatch.setattr(recordings, "_update", meanwhile)

    return before_the_write


def test_a_correction_that_comes_while_sync_reads_a_sidecar_is_not_lost(call, before_the_write, handlers):
    before_the_write(lambda: call.change(caller=NUMBER))
    call.tell(caller="2025550111", callee="101")
    handlers.sync()
    assert (call.get()["caller"], call.get()["callee"]) == (NUMBER, "101")


def test_what_somebody_else_changed_meanwhile_is_not_undone_but_told(call, before_the_write):
    for callee, wish in (("101", {"caller": NUMBER}), ("102", {"caller": NUMBER, "transcriptionStatus": "queued"})):
        before_the_write(lambda callee=callee: call.change(callee=callee))
        assert code_of(call.change(**wish)) == (409, "conflict")
        assert (call.get()["caller"], call.get()["callee"]) == (OTHER, callee)
    assert call.change(**wish).json["caller"] == NUMBER


def test_a_number_is_found_that_was_copied_with_marks_that_nobody_sees(call, found):
    assert call.change(caller="\u202a+1 202 555 0198\u202c", party="Ann\x00 Lee\x1b").json["party"] == "Ann Lee"
    assert found(phoneNumber="2025550198") == [call.id]


def test_a_correction_that_cannot_be_meant_is_400_and_changes_nothing(call):
    before = call.get()
    body: dict[str, Any]
    for body in (
        {"caller": ""}, {"caller": "   "}, {"caller": 2025550143}, {"caller": "x" * 101}, {"direction": "sideways"},
        {"startedAt": "yesterday"}, {"startedAt": "2026-11-18"}, {"startedAt": 1795012210}, {"startedAt": ""},
        {"startedAt": "2026-13-01T00:00:00"}, {"phoneSystem": "teapot"}, {"recordedAt": "2026-11-18T10:00:00Z"},
        {"metadataOrigins": {}}, {"caller": NUMBER, "kind": "page"}, {"path": "s3://b/a.wav"}, {},
    ):  # fmt: skip
        assert code_of(call.change(**body)) == (400, "invalid_request")
    assert call.get() == before


def test_a_time_in_no_year_of_telephones_hides_no_recording(call, found):
    for written in ("0001-01-01T00:00:00Z", "0999-12-31T23:59:59", "9999-12-31T23:59:59-14:00"):
        assert call.change(startedAt=written).status == 200
        assert found() == [call.id]


# deleted


def test_what_is_deleted_is_gone_with_all_its_transcripts_and_the_file_is_left_alone(completed, handlers, stack, found):
    handlers.api("POST", f"{completed.path}/transcribe", body={"force": True})
    handlers.process()
    s3, bucket = aws_client("s3", stack.endpoint), stack.buckets["TranscriptsBucket"]
    transcripts.put_track(bucket, completed.id, "1-left", {})
    transcripts.put(bucket, "a" * 20, "20261118T093310123456-4f1c2a", {})
    assert len(transcripts.list_versions(bucket, completed.id)) == 2
    answer = completed.delete()
    assert (answer.status, answer.body) == (204, None)
    for path in (completed.path, f"{completed.path}/transcript", f"{completed.path}/audio"):
        assert code_of(handlers.api("GET", path)) == (404, "recording_not_found")
    assert code_of(completed.change(caller=NUMBER)) == code_of(completed.delete()) == (404, "recording_not_found")
    left = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == [f"transcripts/{'a' * 20}/20261118T093310123456-4f1c2a.json"]
    assert s3.head_object(Bucket=completed.bucket, Key="a.wav")
    assert found() == found(phoneNumber=OTHER) == []


def test_the_next_sync_takes_the_file_up_anew_as_long_as_it_lies_there(completed, handlers):
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


def test_counts_stay_exact_though_a_checkpoint_had_counted_it(completed):
    status_counts.advance_checkpoint(datetime(2100, 1, 1, tzinfo=UTC))
    assert status_counts.load_status_counts().counts[Status.COMPLETED] == 1
    completed.delete()
    assert_counts_are_right()


def test_what_waits_in_line_is_deleted_and_never_sent(call, handlers, service):
    handlers.queue()
    assert call.delete().status == 204
    handlers.process()
    assert not service.received
    assert_counts_are_right()


def test_a_second_try_completes_one_that_died_in_between(completed, handlers, monkeypatch, stack):
    def died(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(transcripts, "delete_all", died)
        assert completed.delete().status == 500
    bucket = stack.buckets["TranscriptsBucket"]
    assert transcripts.list_versions(bucket, completed.id)
    assert code_of(handlers.api("GET", completed.path)) == (404, "recording_not_found")
    assert completed.delete().status == 204
    assert not transcripts.list_versions(bucket, completed.id)
    assert code_of(completed.delete()) == (404, "recording_not_found")


def test_transcripts_that_s3_does_not_delete_are_503_and_a_second_try_is_due(completed, handlers):
    handlers.overrides["TRANSCRIPTS_BUCKET"] = "no-such-bucket"
    answer = completed.delete()
    assert code_of(answer) == (503, "store_error")
    assert "Delete again" in answer.json["error"]["message"]
    del handlers.overrides["TRANSCRIPTS_BUCKET"]
    assert completed.delete().status == 204


def test_one_that_changes_at_this_moment_is_not_deleted(call, handlers, monkeypatch):
    remove = recordings.delete_recording

    def meanwhile(seen):
        handlers.queue()
        return remove(seen)

    monkeypatch.setattr(recordings, "delete_recording", meanwhile)
    assert code_of(call.delete()) == (409, "conflict")
    assert call.get()["transcriptionStatus"] == "queued"
