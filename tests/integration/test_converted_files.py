"""A call whose file is converted or renamed in place stays one recording."""

import pytest

from callscribe.recordings.recording import Status
from testing.made_audio import encode, tone, wav
from tests.integration.storage import upload_event
from tests.integration.store_assertions import all_recordings

STEM = "2026/11/18/in-5550100-101-20261118-093012-1795012212.23"
WAV, MP3 = wav(tone(2, 8000)), encode("mp3", tone(2, 16_000))


@pytest.fixture
def only_record():
    """Returns the only record there is."""

    def only_record():
        (recording,) = all_recordings().values()
        return recording

    return only_record


def convert(source, old, new, body=MP3):
    source.put(new, body)
    source.delete(old)


def test_record_of_a_completed_recording_moves_to_the_converted_file(source, handlers, service, only_record):
    source.put(f"{STEM}.wav", WAV)
    source.sync()
    handlers.queue()
    handlers.process()
    before = only_record()
    convert(source, f"{STEM}.wav", f"{STEM}.mp3")
    assert source.sync() == {"listed": 1, "moved": 1}
    after = only_record()
    assert (after.id, after.status, after.transcript) == (before.id, Status.COMPLETED, before.transcript)
    assert after.key.endswith(f"{STEM}.mp3")
    assert (after.source_missing, after.source_changed, after.size) == (None, None, len(MP3))
    assert after.metadata == before.metadata
    assert source.sync() == {"listed": 1}
    assert handlers.api("GET", f"/api/call-recordings/{after.id}/audio").status in (200, 302)
    found = handlers.api("GET", "/api/call-recordings", query=f"search={STEM.rpartition('/')[2]}.mp3").json["items"]
    assert [item["id"] for item in found] == [after.id]
    assert len(service.received) == 1
    # the record is found by its new file when that changes, and when it is gone
    source.put(f"{STEM}.mp3", MP3[:-100])
    assert source.sync() == {"listed": 1, "updated": 1}
    source.delete(f"{STEM}.mp3")
    assert source.sync() == {"missing": 1}
    assert only_record().source_missing
    source.put(f"{STEM}.wav", WAV)
    assert source.sync() == {"listed": 1, "moved": 1}
    assert (only_record().key.endswith(".wav"), only_record().source_missing) == (True, None)
    assert source.sync() == {"listed": 1}


@pytest.mark.parametrize("queued", [False, True])
def test_recording_is_transcribed_from_the_converted_file(source, handlers, service, only_record, queued):
    source.put(f"{STEM}.wav", WAV)
    source.sync()
    if queued:
        handlers.queue()
    convert(source, f"{STEM}.wav", f"{STEM}.mp3")
    assert source.sync() == {"listed": 1, "moved": 1}
    handlers.queue()
    handlers.process()
    assert only_record().status is Status.COMPLETED
    assert len(service.received) == 1


def test_recording_that_failed_because_it_was_converted_is_transcribed(source, handlers, service, only_record):
    source.put(f"{STEM}.wav", WAV)
    source.sync()
    handlers.queue()
    convert(source, f"{STEM}.wav", f"{STEM}.mp3")
    handlers.process()
    failed = only_record()
    assert (failed.error.code, failed.is_terminal, failed.attempts) == ("audio_missing", False, 0)
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    handlers.queue()
    handlers.process()
    assert (only_record().status, len(service.received)) == (Status.COMPLETED, 1)


def test_recording_fails_for_good_when_its_file_is_still_gone_an_hour_later(source, handlers, only_record):
    source.put(f"{STEM}.wav", WAV)
    source.sync()
    handlers.queue()
    source.delete(f"{STEM}.wav")
    handlers.process()
    assert not only_record().is_terminal
    handlers.advance_clock(minutes=61)
    handlers.process()
    assert (only_record().error.code, only_record().is_terminal) == ("audio_missing", True)


def test_converted_file_that_appears_after_a_scan_takes_the_place_of_the_missing_one(
    source, handlers, service, only_record
):
    source.put(f"{STEM}.wav", WAV)
    source.sync()
    handlers.queue()
    handlers.process()
    before = only_record()
    source.delete(f"{STEM}.wav")
    assert source.sync() == {"missing": 1}
    assert only_record().source_missing
    assert source.sync() == {}
    handlers.advance_clock(hours=20)
    source.put(f"{STEM}.mp3", MP3)
    assert source.sync() == {"listed": 1, "moved": 1}
    after = only_record()
    assert (after.id, after.transcript, after.source_missing) == (before.id, before.transcript, None)
    assert source.sync() == {"listed": 1}
    assert len(service.received) == 1


def test_file_that_is_back_is_not_missing_any_more(source, handlers, only_record):
    for hours in (1, 30):
        source.put(f"{STEM}.wav", WAV)
        source.sync()
        source.delete(f"{STEM}.wav")
        assert source.sync() == {"missing": 1}
        handlers.advance_clock(hours=hours)
        assert source.sync() == {}
        assert (only_record().index_key is None) == (hours == 30)
        source.put(f"{STEM}.wav", WAV)
        assert source.sync() == {"listed": 1, "updated": 1}
        assert only_record().source_missing is None


def test_call_that_was_transcribed_from_an_unfinished_file_is_transcribed_from_the_converted_one(
    source, handlers, service, only_record
):
    source.put(f"{STEM}.wav", WAV[:40] + bytes(4) + WAV[44:16_044])
    handlers.advance_clock(hours=2)
    source.sync()
    handlers.queue()
    handlers.process()
    assert only_record().audio.is_unfinished
    convert(source, f"{STEM}.wav", f"{STEM}.mp3")
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    handlers.queue()
    handlers.process()
    assert (only_record().status, len(service.received)) == (Status.COMPLETED, 2)


def test_transcript_that_comes_with_the_converted_file_is_used(source, only_record):
    source.put(f"{STEM}.wav", WAV)
    source.sync()
    convert(source, f"{STEM}.wav", f"{STEM}.mp3")
    source.put(f"{STEM}.txt", b"Good morning, how can I help you?")
    assert source.sync() == {"listed": 1, "moved": 1}
    assert source.sync() == {"listed": 1, "completed": 1}
    assert source.sync() == {"listed": 1}
    assert only_record().status is Status.COMPLETED


def test_no_second_record_is_made_while_both_files_exist(source, handlers, service, only_record):
    source.put(f"{STEM}.wav", WAV)
    source.sync()
    source.put(f"{STEM}.mp3", MP3)
    for _ in range(2):
        assert source.sync() == {"listed": 2, "duplicates": 1}
    handlers.queue()
    handlers.process()
    handlers.process()
    assert len(service.received) == 1
    source.delete(f"{STEM}.wav")
    assert source.sync() == {"listed": 1, "moved": 1}
    assert only_record().key.endswith(".mp3")


def test_call_that_is_new_in_two_formats_is_transcribed_once_from_the_better_one(source, only_record):
    source.put(f"{STEM}.mp3", MP3)
    source.put(f"{STEM}.wav", WAV)
    source.put(f"{STEM}.m4a", b"")
    assert source.sync() == {"listed": 3, "added": 1, "duplicates": 2}
    assert only_record().key.endswith(".wav")


def test_upload_events_of_both_formats_make_one_record(handlers, put, stack, only_record):
    put(f"{STEM}.mp3", MP3)
    assert handlers.sync(**upload_event(stack, f"{STEM}.mp3"))["counts"]["added"] == 1
    put(f"{STEM}.wav", WAV)
    assert handlers.sync(**upload_event(stack, f"{STEM}.wav"))["counts"]["duplicates"] == 1
    assert only_record().key.endswith(".mp3")


@pytest.mark.parametrize(
    ("old", "new"), [("call.wav", "call.WAV"), ("call.MP3", "call.mp3"), ("call.ogg", "call.opus")]
)
def test_renamed_extension_is_the_same_call(source, only_record, old, new):
    source.put(old, MP3)
    source.sync()
    before = only_record()
    convert(source, old, new)
    assert source.sync() == {"listed": 1, "moved": 1}
    assert (only_record().id, only_record().key.rpartition("/")[2]) == (before.id, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a/call.wav", "b/call.mp3"),
        ("call-in.wav", "call-out.mp3"),
        ("call.wav", "call.1.mp3"),
        ("Call.wav", "call.mp3"),
    ],
)
def test_file_with_another_stem_is_another_call(source, old, new):
    source.put(old, WAV)
    source.sync()
    convert(source, old, new)
    assert source.sync() == {"listed": 1, "added": 1, "missing": 1}
    assert len(all_recordings()) == 2


def test_record_waits_for_a_converted_file_that_is_incomplete(source, only_record):
    source.put("call.wav", WAV)
    source.sync()
    convert(source, "call.wav", "call.flac", b"")
    assert source.sync() == {"listed": 1, "waiting": 1, "missing": 1}
    source.put("call.flac", encode("flac", tone(1, 16_000)))
    source.sync()


def test_legs_of_a_call_are_recordings_of_their_own(source):
    for leg in ("in", "out"):
        source.put(f"call-{leg}.wav", WAV)
    assert source.sync() == {"listed": 2, "added": 2}
    for leg in ("in", "out"):
        convert(source, f"call-{leg}.wav", f"call-{leg}.mp3")
    assert source.sync() == {"listed": 2, "moved": 2}


def test_second_format_cannot_be_registered(handlers, put, stack, functions):
    put(f"{STEM}.wav", WAV)
    handlers.sync()
    put(f"{STEM}.mp3", MP3)
    path = f"s3://{stack.buckets['RecordingsBucket']}/{STEM}.mp3"
    response = handlers.api("POST", "/api/call-recordings", body={"path": path})
    assert (response.status, response.json["error"]["code"]) == (409, "conflict")
