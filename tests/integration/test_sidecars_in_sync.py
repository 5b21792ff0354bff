"""sync_recordings reads sidecars and indexes, whether they arrive before or after their recordings."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from callscribe import aws
from callscribe.call_metadata.metadata import Direction, Provenance
from callscribe.clock import to_iso
from callscribe.errors import RetryableError
from callscribe.recordings.recording import Status, pending_sort_key, recording_id
from callscribe.sources.folder import FolderSource
from callscribe.sources.s3 import S3Source
from callscribe.store import recordings
from testing.made_audio import encode, tone
from tests.integration.storage import AUDIO, Folder, sync_counts, upload_event
from tests.integration.store_assertions import assert_counts_are_right

TRANSCRIPT = {
    "transcript": {"language": "en", "segments": [{"start": 0.5, "end": 2.0, "text": "Good morning.", "speaker": "A"}]}
}
METADATA = {"direction": "inbound", "caller": "+12025550143", "callee": "101", "start": "2026-11-18T09:30:12+01:00"}


@pytest.fixture
def get_transcript(handlers):
    def get_transcript(recording_id):
        response = handlers.api("GET", f"/api/call-recordings/{recording_id}/transcript")
        assert response.status == 200, response.json
        return response.json

    return get_transcript


@pytest.mark.parametrize("first", ["audio", "sidecar", "both"])
@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("a.txt", b"Good morning.\nHello.", "Good morning.\nHello."),
        ("a.transcription.txt", "Grüß Gott.".encode(), "Grüß Gott."),
        ("a.json", json.dumps(TRANSCRIPT).encode(), "Good morning."),
        ("a.mp3.json", b'{"transcription": "Hello there."}', "Hello there."),
    ],
)
def test_transcript_in_a_sidecar_completes_the_recording(
    source, handlers, get_transcript, service, first, name, body, text
):
    order = {"audio": ["a.mp3", name], "sidecar": [name, "a.mp3"]}.get(first)
    for key in order or ["a.mp3", name]:
        source.put(key, AUDIO if key == "a.mp3" else body)
        if order:
            source.sync()
    if not order:
        assert source.sync() == {"listed": 1, "completed": 1}
    recording = source.get("a.mp3")
    assert (recording.status, recording.attempts, recording.error) == (Status.COMPLETED, 0, None)
    assert get_transcript(recording.id)["text"] == text
    assert recording.transcript.preview.startswith(text.split("\n")[0])
    assert source.sync() == {"listed": 1}
    handlers.queue()
    assert handlers.process()["counts"]["completed"] == 0
    assert service.received == []


def test_sidecar_with_transcript_and_start_time_updates_both(source):
    source.put("a.mp3")
    source.sync()
    source.put("a.json", json.dumps(TRANSCRIPT | METADATA).encode())
    assert source.sync() == {"listed": 1, "completed": 1}
    recording = source.get("a.mp3")
    assert (recording.metadata.caller, recording.recorded_at.year) == (METADATA["caller"], 2026)
    assert recording.sort_key == to_iso(recording.status_since)  # by which the completed are counted
    assert_counts_are_right()


def test_failed_recording_is_completed_by_a_transcript(source, handlers, service, reply):
    source.put("a.mp3")
    source.sync()
    handlers.queue()
    service.replies = [reply(status=400)]
    handlers.process()
    assert source.get("a.mp3").status is Status.FAILED
    source.put("a.txt", b"Good morning.")
    assert source.sync() == {"listed": 1, "completed": 1}
    assert source.get("a.mp3").error is None


def test_queued_recording_is_transcribed_first_and_checked_again_afterwards(source, handlers, service, reply):
    source.put("a.mp3")
    source.sync()
    handlers.queue()
    source.put("a.txt", b"Good morning.")
    assert source.sync() == {"listed": 1}
    assert source.get("a.mp3").status is Status.QUEUED
    service.replies = [reply(status=400)]
    handlers.process()
    assert source.sync() == {"listed": 1, "completed": 1}


def test_sidecar_metadata_takes_precedence_over_the_file_name(source, list_recordings):
    name = "2026/11/18/out-+12025550199-102-20261118-093012-1795012212.17"
    source.put(f"{name}.mp3")
    source.sync()
    recording = source.get(f"{name}.mp3")
    assert (recording.metadata.direction, recording.metadata.caller) == (Direction.OUTBOUND, "102")
    assert recording.metadata.provenance["caller"] is Provenance.NAME
    assert recording.recorded_at.isoformat() == "2026-11-18T14:30:12+00:00"  # from the epoch in the name
    source.put(f"{name}.json", json.dumps(METADATA).encode())
    assert source.sync() == {"listed": 1, "updated": 1}
    recording = source.get(f"{name}.mp3")
    assert recording.sort_key == pending_sort_key(recording.recorded_at)
    assert (recording.metadata.direction, recording.metadata.caller, recording.metadata.callee) == (
        "inbound",
        "+12025550143",
        "101",
    )
    assert recording.metadata.provenance["caller"] is Provenance.SIDECAR
    assert recording.metadata.call_id == "1795012212.17"
    assert recording.recorded_at.isoformat() == "2026-11-18T08:30:12+00:00"
    assert source.sync() == {"listed": 1}
    source.delete(f"{name}.json")
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.get(f"{name}.mp3").metadata.caller == "102"


INDEX = "file_name,caller_num,callee_num,create_time,duration\n"


@pytest.mark.parametrize("first", ["audio", "index"])
def test_index_adds_metadata_as_it_grows(source, first):
    index, row = ".rd_files_netdisk_2026-04.csv", "call.mp3,1000,0488930190,1714132800,150\n"
    if first == "audio":
        source.put("2026-04/call.mp3")
        source.put("2026-04/late.mp3")
        assert source.sync() == {"listed": 2, "added": 2}
    source.put(index, (INDEX + row).encode())
    source.put("2026-04/call.mp3")
    source.put("2026-04/late.mp3")
    source.sync()
    call, late = source.get("2026-04/call.mp3"), source.get("2026-04/late.mp3")
    assert (call.metadata.caller, call.metadata.provenance["caller"]) == ("1000", Provenance.INDEX)
    assert call.recorded_at.isoformat() == "2024-04-26T12:00:00+00:00"
    assert late.metadata.caller is None
    assert source.sync() == {"listed": 2}
    source.put(index, (INDEX + row + "late.mp3,101,0488930199,1714132900,10\n").encode())
    assert source.sync() == {"listed": 2, "updated": 1}
    assert source.get("2026-04/late.mp3").metadata.caller == "101"
    assert source.sync() == {"listed": 2}


def test_indexes_of_many_months_are_listed_before_all_of_their_folders(source):
    months = [f"2026-{month:02}" for month in range(1, 9)]
    for number, month in enumerate(months):
        line = f"call.mp3,100{number},0488930190,1714132800,1\n"
        source.put(f"rec/.rd_files_netdisk_{month}.csv", f"{INDEX}{line}".encode())
        source.put(f"rec/{month}/call.mp3")
    assert source.sync() == {"listed": 8, "added": 8}
    callers = [source.get(f"rec/{month}/call.mp3").metadata.caller for month in months]
    assert callers == [f"100{number}" for number in range(8)]
    assert source.sync() == {"listed": 8}


@pytest.mark.parametrize("sidecar", ["a.txt", "a.json", ".rd_files_netdisk_2026-04.csv"])
def test_sidecar_that_cannot_be_opened_is_read_by_the_next_scan(source, monkeypatch, sidecar):
    bodies = {"a.txt": b"Hello there.", "a.json": json.dumps(METADATA).encode()}
    source.put("2026-04/a.mp3")
    source.put("2026-04/a.xml", b"<call><start>2026-11-18T09:30:12.123456Z</start></call>")
    source.put(
        sidecar if sidecar.startswith(".") else f"2026-04/{sidecar}",
        bodies.get(sidecar, f"{INDEX}a.mp3,1000,0488930190,1714132800,1\n".encode()),
    )
    source_class = S3Source if source.kind == "s3" else FolderSource
    original_open = source_class.open

    def open_other_files(self, key):
        if key.endswith(sidecar):
            raise RetryableError("S3 could not be reached.", code="audio_unreadable")
        return original_open(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(source_class, "open", open_other_files)
        assert source.sync() == {"listed": 1, "added": 1, "sidecars_unreadable": 1}
        assert source.sync() == {"listed": 1, "sidecars_unreadable": 1}
    assert source.sync() == {"listed": 1, "completed" if sidecar == "a.txt" else "updated": 1}
    before = source.get("2026-04/a.mp3").metadata
    assert sidecar == "a.txt" or before.caller
    source.put("2026-04/a.mp3", AUDIO * 2)
    with monkeypatch.context() as patch:
        patch.setattr(source_class, "open", open_other_files)
        source.sync()
    assert source.get("2026-04/a.mp3").metadata == before  # nothing is lost
    source.sync()
    assert source.sync() == {"listed": 1}


@pytest.mark.parametrize("sidecar", ["a_metadata.json", ".rd_files_netdisk_2026-04.csv"])
def test_upload_event_reads_the_same_files_as_a_full_scan(handlers, put, stack, sidecar):
    """Otherwise the two would keep overwriting each other's record."""
    folder = "" if sidecar.startswith(".") else "2026-04/"
    body = json.dumps(METADATA) if folder else f"{INDEX}a.mp3,{METADATA['caller']},0488930190,1714132800,1\n"
    put(f"{folder}{sidecar}", body.encode())
    for name in ("a", "b"):
        put(f"2026-04/{name}.mp3", AUDIO)
    id_ = recording_id(f"s3://{stack.buckets['RecordingsBucket']}", "2026-04/a.mp3")
    assert handlers.sync(**upload_event(stack, "2026-04/a.mp3"))["counts"]["added"] == 1
    assert recordings.get(id_).metadata.caller == METADATA["caller"]
    assert sync_counts(handlers) == {"listed": 2, "added": 1}
    for name in ("a", "b"):
        assert handlers.sync(**upload_event(stack, f"2026-04/{name}.mp3"))["counts"]["updated"] == 0
    assert sync_counts(handlers) == {"listed": 2}
    assert recordings.get(id_).metadata.caller == METADATA["caller"]


def test_freeswitch_record_of_leg_a_is_read_when_the_recording_is_found(source):
    uuid = "6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11"
    record = (
        b'<cdr core-uuid="1"><variables><start_epoch>1684333530</start_epoch>'
        b"<hangup_cause>OK</hangup_cause></variables>"
        b"<callflow><caller_profile><caller_id_number>1001</caller_id_number></caller_profile></callflow></cdr>"
    )
    source.put(f"archive/a_{uuid}.cdr.xml", record)
    source.put(f"archive/{uuid}.mp3")
    source.put(f"archive/{uuid.replace('6f', '7f')}.mp3")
    assert source.sync() == {"listed": 2, "added": 2}
    assert source.get(f"archive/{uuid}.mp3").metadata.caller == "1001"
    assert source.get(f"archive/{uuid}.mp3").recorded_at.isoformat() == "2023-05-17T14:25:30+00:00"
    assert source.sync() == {"listed": 2}


@pytest.mark.parametrize("body", [b"{", b"\0\xff" * 50, b"[" * 100_000, b'{"transcript": 5}'])
def test_recording_is_ingested_despite_an_invalid_sidecar(source, body):
    source.put("a.mp3")
    source.put("a.json", body)
    assert source.sync()["added"] == 1
    assert source.get("a.mp3").status is Status.PENDING
    source.put("a.json", json.dumps(METADATA).encode())
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.get("a.mp3").metadata.caller == METADATA["caller"]


def test_recording_waits_for_a_sidecar_that_is_being_written(handlers, tmp_path):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    folder.put("a.mp3")
    folder.put("a.txt", b"Good mor", age=5)
    assert sync_counts(handlers) == {"listed": 1, "waiting": 1}
    handlers.advance_clock(minutes=1)
    assert sync_counts(handlers) == {"listed": 1, "completed": 1}


def test_upload_of_a_sidecar_ingests_its_recording_in_either_order(handlers, put, list_recordings, stack):
    put("a.json", json.dumps(TRANSCRIPT).encode())
    assert handlers.sync(**upload_event(stack, "a.json"))["counts"]["listed"] == 0
    put("a.mp3", AUDIO)
    assert handlers.sync(**upload_event(stack, "a.mp3"))["counts"]["completed"] == 1
    put("b.mp3", AUDIO)
    assert handlers.sync(**upload_event(stack, "b.mp3"))["counts"]["added"] == 1
    put("b.txt", b"Hello there.")
    assert handlers.sync(**upload_event(stack, "b.txt"))["counts"]["completed"] == 1
    assert {item["transcriptionStatus"] for item in list_recordings().values()} == {"completed"}


def test_recording_completed_by_a_sidecar_is_published_to_eventbridge(source, handlers, monkeypatch):
    put_events = Mock(return_value={"FailedEntryCount": 0})
    client = aws.client
    events = SimpleNamespace(put_events=put_events)
    monkeypatch.setattr(aws, "client", lambda service: events if service == "events" else client(service))
    for number in range(12):
        source.put(f"{number}.mp3")
        source.put(f"{number}.txt", b"Hello there.")
    assert source.sync()["completed"] == 12
    entries = [entry for request in put_events.call_args_list for entry in request.kwargs["Entries"]]
    assert [entry["DetailType"] for entry in entries] == ["Transcription Completed"] * 12


def test_audio_tags_are_read_by_the_transcription_and_searchable(source, handlers, service):
    tags = {"title": "A call", "comment": "From: +12025550143; To: 101"}
    source.put("call-7.mp3", encode("mp3", tone(1, 8000), tags=tags))
    source.put("call-7.json", b'{"callee": "205"}')
    source.sync()
    assert source.get("call-7.mp3").metadata.caller is None
    handlers.queue()
    assert handlers.process()["counts"]["completed"] == 1
    (item,) = handlers.api("GET", "/api/call-recordings", query="phoneNumber=5550143").json["items"]
    assert (item["caller"], item["metadataOrigins"]["caller"]) == ("+12025550143", "tags")
    assert (item["callee"], item["metadataOrigins"]["callee"]) == ("205", "sidecar")
    assert source.sync() == {"listed": 1}
    source.put("call-7.json", b'{"callee": "206"}')
    assert source.sync() == {"listed": 1, "updated": 1}
    metadata = source.get("call-7.mp3").metadata
    assert (metadata.caller, metadata.callee) == ("+12025550143", "206")
