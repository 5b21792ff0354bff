"""What lies beside recordings comes to their records, in whichever order the two arrive."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from callscribe import aws
from callscribe.call_metadata.metadata import Direction, Provenance
from callscribe.clock import to_iso
from callscribe.errors import RetryableError
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status, recording_id
from callscribe.sources.folder import FolderSource
from callscribe.sources.s3 import S3Source
from callscribe.store import recordings
from testing.made_audio import encode, tone
from tests.integration.checks import assert_counts_are_right
from tests.integration.test_sync import AUDIO, Folder, source, sync_counts, upload_event  # noqa: F401 — a fixture

SAID = {
    "transcript": {"language": "en", "segments": [{"start": 0.5, "end": 2.0, "text": "Good morning.", "speaker": "A"}]}
}
CALL = {"direction": "inbound", "caller": "+12025550143", "callee": "101", "start": "2026-11-18T09:30:12+01:00"}


@pytest.fixture
def transcript(handlers):
    def transcript(recording_id):
        answer = handlers.api("GET", f"/api/call-recordings/{recording_id}/transcript")
        assert answer.status == 200, answer.json
        return answer.json

    return transcript


@pytest.mark.parametrize("first", ["audio", "sidecar", "both"])
@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("a.txt", b"Good morning.\nHello.", "Good morning.\nHello."),
        ("a.transcription.txt", "Grüß Gott.".encode(), "Grüß Gott."),
        ("a.json", json.dumps(SAID).encode(), "Good morning."),
        ("a.mp3.json", b'{"transcription": "Hello."}', "Hello."),
    ],
)
def test_a_transcript_beside_the_file_completes_it(source, handlers, transcript, service, first, name, body, text):  # noqa: F811
    order = {"audio": ["a.mp3", name], "sidecar": [name, "a.mp3"]}.get(first)
    for key in order or ["a.mp3", name]:
        source.put(key, AUDIO if key == "a.mp3" else body)
        if order:
            source.sync()
    if not order:
        assert source.sync() == {"listed": 1, "completed": 1}
    seen = source.seen("a.mp3")
    assert (seen.status, seen.attempts, seen.error) == (Status.COMPLETED, 0, None)
    assert transcript(seen.id)["text"] == text
    assert seen.transcript.preview.startswith(text.split("\n")[0])
    assert source.sync() == {"listed": 1}
    handlers.queue()
    assert handlers.process()["counts"]["completed"] == 0
    assert service.received == []


def test_a_transcript_that_comes_with_the_time_of_the_call_completes_it_in_its_place(source):  # noqa: F811
    source.put("a.mp3")
    source.sync()
    source.put("a.json", json.dumps(SAID | CALL).encode())
    assert source.sync() == {"listed": 1, "completed": 1}
    seen = source.seen("a.mp3")
    assert (seen.metadata.caller, seen.recorded_at.year) == (CALL["caller"], 2026)
    assert seen.sort_key == to_iso(seen.status_since)  # by which the completed are counted
    assert_counts_are_right()


def test_a_failed_recording_is_completed_by_a_transcript(source, handlers, service, reply):  # noqa: F811
    source.put("a.mp3")
    source.sync()
    handlers.queue()
    service.replies = [reply(status=400)]
    handlers.process()
    assert source.seen("a.mp3").status is Status.FAILED
    source.put("a.txt", b"Said by a person.")
    assert source.sync() == {"listed": 1, "completed": 1}
    assert source.seen("a.mp3").error is None


def test_one_in_line_comes_to_its_own_end_and_is_looked_at_again(source, handlers, service, reply):  # noqa: F811
    source.put("a.mp3")
    source.sync()
    handlers.queue()
    source.put("a.txt", b"Said by a person.")
    assert source.sync() == {"listed": 1}
    assert source.seen("a.mp3").status is Status.QUEUED
    service.replies = [reply(status=400)]
    handlers.process()
    assert source.sync() == {"listed": 1, "completed": 1}


def test_who_called_whom_is_read_from_most_to_least_trusted(source, listed):  # noqa: F811
    name = "2026/11/18/out-+12025550199-102-20261118-093012-1795012212.17"
    source.put(f"{name}.mp3")
    source.sync()
    seen = source.seen(f"{name}.mp3")
    assert (seen.metadata.direction, seen.metadata.caller) == (Direction.OUTBOUND, "102")
    assert seen.metadata.provenance["caller"] is Provenance.NAME
    assert seen.recorded_at.isoformat() == "2026-11-18T14:30:12+00:00"  # by the epoch in the name
    source.put(f"{name}.json", json.dumps(CALL).encode())
    assert source.sync() == {"listed": 1, "updated": 1}
    seen = source.seen(f"{name}.mp3")
    assert seen.sort_key == state_machine.pending_sort_key(seen.recorded_at)
    assert (seen.metadata.direction, seen.metadata.caller, seen.metadata.callee) == ("inbound", "+12025550143", "101")
    assert seen.metadata.provenance["caller"] is Provenance.SIDECAR
    assert seen.metadata.call_id == "1795012212.17"
    assert seen.recorded_at.isoformat() == "2026-11-18T08:30:12+00:00"
    assert source.sync() == {"listed": 1}
    source.delete(f"{name}.json")
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.seen(f"{name}.mp3").metadata.caller == "102"


INDEX = "file_name,caller_num,callee_num,create_time,duration\n"


@pytest.mark.parametrize("first", ["audio", "index"])
def test_an_index_tells_of_recordings_as_it_grows(source, first):  # noqa: F811
    index, row = ".rd_files_netdisk_2026-04.csv", "call.mp3,1000,0488930190,1714132800,150\n"
    if first == "audio":
        source.put("2026-04/call.mp3")
        source.put("2026-04/late.mp3")
        assert source.sync() == {"listed": 2, "added": 2}
    source.put(index, (INDEX + row).encode())
    source.put("2026-04/call.mp3")
    source.put("2026-04/late.mp3")
    source.sync()
    call, late = source.seen("2026-04/call.mp3"), source.seen("2026-04/late.mp3")
    assert (call.metadata.caller, call.metadata.provenance["caller"]) == ("1000", Provenance.INDEX)
    assert call.recorded_at.isoformat() == "2024-04-26T12:00:00+00:00"
    assert late.metadata.caller is None
    assert source.sync() == {"listed": 2}
    source.put(index, (INDEX + row + "late.mp3,101,0488930199,1714132900,10\n").encode())
    assert source.sync() == {"listed": 2, "updated": 1}
    assert source.seen("2026-04/late.mp3").metadata.caller == "101"
    assert source.sync() == {"listed": 2}


def test_indexes_of_many_months_stand_before_all_of_their_folders(source):  # noqa: F811
    months = [f"2026-{month:02}" for month in range(1, 9)]
    for number, month in enumerate(months):
        line = f"call.mp3,100{number},0488930190,1714132800,1\n"
        source.put(f"rec/.rd_files_netdisk_{month}.csv", f"{INDEX}{line}".encode())
        source.put(f"rec/{month}/call.mp3")
    assert source.sync() == {"listed": 8, "added": 8}
    callers = [source.seen(f"rec/{month}/call.mp3").metadata.caller for month in months]
    assert callers == [f"100{number}" for number in range(8)]
    assert source.sync() == {"listed": 8}


@pytest.mark.parametrize("beside", ["a.txt", "a.json", ".rd_files_netdisk_2026-04.csv"])
def test_what_cannot_be_opened_for_the_moment_is_read_by_the_next_sweep(source, monkeypatch, beside):  # noqa: F811
    bodies = {"a.txt": b"Hello.", "a.json": json.dumps(CALL).encode()}
    source.put("2026-04/a.mp3")
    source.put("2026-04/a.xml", b"<call><start>2026-11-18T09:30:12.123456Z</start></call>")
    source.put(
        beside if beside.startswith(".") else f"2026-04/{beside}",
        bodies.get(beside, f"{INDEX}a.mp3,1000,0488930190,1714132800,1\n".encode()),
    )
    kind = S3Source if source.kind == "s3" else FolderSource
    opened = kind.open

    def failing(self, key):
        if key.endswith(beside):
            raise RetryableError("S3 could not be reached.", code="audio_unreadable")
        return opened(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "open", failing)
        assert source.sync() == {"listed": 1, "added": 1, "sidecars_unreadable": 1}
        assert source.sync() == {"listed": 1, "sidecars_unreadable": 1}
    assert source.sync() == {"listed": 1, "completed" if beside == "a.txt" else "updated": 1}
    before = source.seen("2026-04/a.mp3").metadata
    assert beside == "a.txt" or before.caller
    source.put("2026-04/a.mp3", AUDIO * 2)
    with monkeypatch.context() as patch:
        patch.setattr(kind, "open", failing)
        source.sync()
    assert source.seen("2026-04/a.mp3").metadata == before  # nothing that was known is lost
    source.sync()
    assert source.sync() == {"listed": 1}


@pytest.mark.parametrize("beside", ["a_metadata.json", ".rd_files_netdisk_2026-04.csv"])
def test_an_upload_sees_all_that_a_sweep_sees(handlers, put, stack, beside):
    """Else the two would go on writing the record in turns."""
    at = "" if beside.startswith(".") else "2026-04/"
    body = json.dumps(CALL) if at else f"{INDEX}a.mp3,{CALL['caller']},0488930190,1714132800,1\n"
    put(f"{at}{beside}", body.encode())
    for name in ("a", "b"):
        put(f"2026-04/{name}.mp3", AUDIO)
    told = recording_id(f"s3://{stack.buckets['RecordingsBucket']}", "2026-04/a.mp3")
    assert handlers.sync(**upload_event(stack, "2026-04/a.mp3"))["counts"]["added"] == 1
    assert recordings.get(told).metadata.caller == CALL["caller"]
    assert sync_counts(handlers) == {"listed": 2, "added": 1}
    for name in ("a", "b"):
        assert handlers.sync(**upload_event(stack, f"2026-04/{name}.mp3"))["counts"]["updated"] == 0
    assert sync_counts(handlers) == {"listed": 2}
    assert recordings.get(told).metadata.caller == CALL["caller"]


@pytest.mark.parametrize("body", [b"{", b"\0\xff" * 50, b"[" * 100_000, b'{"transcript": 5}'])
def test_a_sidecar_that_cannot_be_read_does_not_stop_the_recording(source, body):  # noqa: F811
    source.put("a.mp3")
    source.put("a.json", body)
    assert source.sync()["added"] == 1
    assert source.seen("a.mp3").status is Status.PENDING
    source.put("a.json", json.dumps(CALL).encode())
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.seen("a.mp3").metadata.caller == CALL["caller"]


def test_a_sidecar_that_is_being_written_in_a_folder_is_waited_for(handlers, tmp_path):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    folder.put("a.mp3")
    folder.put("a.txt", b"Good mor", age=5)
    assert sync_counts(handlers) == {"listed": 1, "waiting": 1}
    handlers.advance_clock(minutes=1)
    assert sync_counts(handlers) == {"listed": 1, "completed": 1}


def test_a_sidecar_s_upload_finds_its_recording_in_either_order(handlers, put, listed, stack):
    put("a.json", json.dumps(SAID).encode())
    assert handlers.sync(**upload_event(stack, "a.json"))["counts"]["listed"] == 0
    put("a.mp3", AUDIO)
    assert handlers.sync(**upload_event(stack, "a.mp3"))["counts"]["completed"] == 1
    put("b.mp3", AUDIO)
    assert handlers.sync(**upload_event(stack, "b.mp3"))["counts"]["added"] == 1
    put("b.txt", b"Hello.")
    assert handlers.sync(**upload_event(stack, "b.txt"))["counts"]["completed"] == 1
    assert {item["transcriptionStatus"] for item in listed().values()} == {"completed"}


def test_what_is_found_with_a_transcript_is_told_to_eventbridge(source, handlers, monkeypatch):  # noqa: F811
    put_events = Mock(return_value={"FailedEntryCount": 0})
    client = aws.client
    events = SimpleNamespace(put_events=put_events)
    monkeypatch.setattr(aws, "client", lambda service: events if service == "events" else client(service))
    for number in range(12):
        source.put(f"{number}.mp3")
        source.put(f"{number}.txt", b"Hello.")
    assert source.sync()["completed"] == 12
    told = [each for sent in put_events.call_args_list for each in sent.kwargs["Entries"]]
    assert [each["DetailType"] for each in told] == ["Transcription Completed"] * 12


def test_tags_in_the_file_are_read_when_it_is_transcribed_and_found(source, handlers, service):  # noqa: F811
    tags = {"title": "A call", "comment": "From: +12025550143; To: 101"}
    source.put("call-7.mp3", encode("mp3", tone(1, 8000), tags=tags))
    source.put("call-7.json", b'{"callee": "205"}')
    source.sync()
    assert source.seen("call-7.mp3").metadata.caller is None
    handlers.queue()
    assert handlers.process()["counts"]["completed"] == 1
    (found,) = handlers.api("GET", "/api/call-recordings", query="phoneNumber=5550143").json["items"]
    assert (found["caller"], found["metadataOrigins"]["caller"]) == ("+12025550143", "tags")
    assert (found["callee"], found["metadataOrigins"]["callee"]) == ("205", "sidecar")
    assert source.sync() == {"listed": 1}
    source.put("call-7.json", b'{"callee": "206"}')
    assert source.sync() == {"listed": 1, "updated": 1}
    seen = source.seen("call-7.mp3").metadata
    assert (seen.caller, seen.callee) == ("+12025550143", "206")
