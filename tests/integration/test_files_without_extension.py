"""Recordings without an extension, which the setting `AudioExtensions` accepts as `none`."""

import pytest

from callscribe.recordings.recording import Status
from testing.made_audio import encode, tone
from tests.integration.storage import upload_event

KEY = "2026/1684333530.12"


@pytest.fixture(autouse=True)
def accept_files_without_extension(handlers):
    handlers.overrides["AUDIO_EXTENSIONS"] = "mp3 none"


def test_recording_without_an_extension_is_ingested_with_its_sidecars_and_transcribed(source, handlers, service):
    source.put(KEY, encode("mp3", tone(1, 8_000, 300)))
    source.put(f"{KEY}.json", b'{"caller": "100"}')
    source.put("2026/1684333530.13", encode("mp3", tone(1, 8_000, 300)))
    source.put("2026/README", b"not a call")
    assert source.sync() == {"listed": 2, "added": 2, "ignored": 1}
    assert source.sync() == {"listed": 2, "ignored": 1}
    assert (source.get(KEY).metadata.caller, source.get("2026/1684333530.13").metadata.caller) == ("100", None)
    handlers.overrides["RECORDINGS_PER_RUN"] = "2"
    assert handlers.transcribe()["counts"]["completed"] == 2
    assert all(b'.wav"' in received.body for received in service.received)
    source.put(f"{KEY}.txt", b"Good morning.")
    source.sync()
    assert source.get(KEY).status is Status.COMPLETED


def test_numbers_after_a_dot_in_the_name_are_not_sent_as_an_extension(source, handlers, service):
    key = "20230517142530-1684333530.12-5551234567-102-Inbound"
    source.put(key, encode("mp3", tone(1, 8_000, 300)))
    source.put(f"{key}.json", b'{"party": "Ann"}')
    assert source.sync() == {"listed": 1, "added": 1}
    assert (source.get(key).metadata.caller, source.get(key).metadata.party) == ("5551234567", "Ann")
    handlers.queue()
    handlers.process()
    assert source.get(key).status is Status.COMPLETED
    assert b'.wav"' in service.received[0].body
    assert b"5551234567" not in service.received[0].body


def test_upload_event_ingests_the_same_files_as_a_scan(handlers, put, stack):
    put(KEY, b"ID3" + bytes(200))
    put(f"{KEY}.json", b'{"caller": "100"}')
    assert handlers.sync(**upload_event(stack, KEY))["counts"]["added"] == 1
    assert handlers.sync(**upload_event(stack, f"{KEY}.json"))["counts"]["updated"] == 0
    assert handlers.sync()["counts"]["updated"] == 0
