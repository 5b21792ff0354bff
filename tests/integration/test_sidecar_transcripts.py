"""A transcript that came from a sidecar follows its sidecar; one of the WhisperX server does not."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from callscribe import aws
from callscribe.recordings.recording import Status
from tests.integration.storage import AUDIO
from tests.integration.store_assertions import assert_counts_are_right


@pytest.fixture
def current_text(source, handlers):
    def current_text():
        response = handlers.api("GET", f"/api/call-recordings/{source.get('a.mp3').id}/transcript")
        assert response.status == 200, response.json
        return response.json["text"]

    return current_text


@pytest.mark.parametrize("name", ["a.txt", "a.json"])
def test_recording_follows_its_sidecar_from_a_placeholder_to_a_text_and_back(
    source, handlers, service, current_text, name
):
    def put(text):
        source.put(name, text.encode() if name == "a.txt" else json.dumps({"transcription": text}).encode())

    source.put("a.mp3")
    put("pending")
    assert source.sync() == {"listed": 1, "added": 1}
    assert source.get("a.mp3").status is Status.PENDING
    put("Good morning.")
    assert source.sync() == {"listed": 1, "completed": 1}
    put("Good morning, how can I help?")
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.get("a.mp3").transcript.preview == current_text() == "Good morning, how can I help?"
    assert source.get("a.mp3").status is Status.COMPLETED
    assert source.sync() == {"listed": 1}
    put("Transcription in progress")
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    assert source.get("a.mp3").status is Status.PENDING
    assert current_text() == "Good morning, how can I help?"  # until there is a new one
    assert_counts_are_right()
    assert source.sync() == {"listed": 1}
    assert handlers.transcribe()["counts"]["completed"] == 1
    assert len(service.received) == 1
    put("Good afternoon to you.")
    assert source.sync() == {"listed": 1, "updated": 1}
    assert current_text() != "Good afternoon to you."  # the server's transcript stays
    assert_counts_are_right()


@pytest.mark.parametrize("change", ["deleted", "truncated", "without the field"])
def test_transcript_stays_if_its_sidecar_has_nothing_to_say(source, current_text, change):
    source.put("a.mp3")
    source.put("a.json", b'{"transcription": "Good morning."}')
    assert source.sync() == {"listed": 1, "completed": 1}
    if change == "deleted":
        source.delete("a.json")
    else:
        source.put("a.json", b'{"caller": "100"' if change == "truncated" else b'{"caller": "100"}')
    assert source.sync()["updated"] == 1
    assert (source.get("a.mp3").status, current_text()) == (Status.COMPLETED, "Good morning.")
    assert source.sync() == {"listed": 1}


def test_user_who_transcribes_again_keeps_the_new_transcript(source, handlers, current_text):
    source.put("a.mp3")
    source.put("a.txt", b"Good morning.")
    source.sync()
    path = f"/api/call-recordings/{source.get('a.mp3').id}/transcribe"
    assert handlers.api("POST", path, body={"force": True}).status < 300
    assert handlers.process()["counts"]["completed"] == 1
    text = current_text()
    source.put("a.txt", b"pending")
    assert source.sync() == {"listed": 1, "updated": 1}
    assert (source.get("a.mp3").status, current_text()) == (Status.COMPLETED, text)


def test_recording_whose_audio_changed_as_well_is_transcribed_from_the_new_audio(source):
    source.put("a.mp3")
    source.put("a.txt", b"Good morning.")
    source.sync()
    source.put("a.mp3", AUDIO * 2)
    source.put("a.txt", b"queued")
    source.sync()
    recording = source.get("a.mp3")
    assert (recording.status, recording.size, recording.source_changed) == (Status.PENDING, 2 * len(AUDIO), None)
    assert source.sync() == {"listed": 1}


def test_event_is_published_again_for_the_new_text(source, monkeypatch):
    put_events = Mock(return_value={"FailedEntryCount": 0})
    client = aws.client
    events = SimpleNamespace(put_events=put_events)
    monkeypatch.setattr(aws, "client", lambda service: events if service == "events" else client(service))
    source.put("a.mp3")
    versions = []
    for text in (b"Good morning.", b"Good evening to you."):
        source.put("a.txt", text)
        source.sync()
        (entry,) = put_events.call_args.kwargs["Entries"]
        versions.append(json.loads(entry["Detail"])["transcriptVersion"])
    assert versions[-1] == source.get("a.mp3").transcript.version
    assert len(set(versions)) == put_events.call_count == 2
