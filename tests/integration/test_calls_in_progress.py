"""Recordings that are uploaded, or ingested, while the call is still going on: nothing of the call is lost."""

import struct

import pytest

from callscribe.recordings.recording import Status
from functions.sync.ingestion import HEADER_GRACE, NOT_FINALIZED
from functions.sync.record_updates import GROWTH_WINDOW
from testing.made_audio import encode, fmt, riff, tone, wav
from tests.integration.storage import Folder, sync_counts, upload_event

PCM = fmt(1, 1, 8000, 16)
CALL = wav(tone(4, 8000))
NAME = "in-5550001-101-20261128-120000-1795867200.1.wav"


def unfinished(seconds: float, data_size: int = 0, riff_size: int = 0) -> bytes:
    """The first seconds of the call, with the header of a recorder that has not closed the file."""
    samples = CALL[44 : 44 + int(16_000 * seconds)]
    file = riff((b"fmt ", PCM), (b"data", samples), size=riff_size)
    return file[:40] + struct.pack("<I", data_size) + file[44:]


UNFINISHED_SIZES = {
    "zeros, as Asterisk writes them": (0, 0),
    "header of an empty file": (0, 36),
    "FFmpeg": (0xFFFFFFFF, 0xFFFFFFFF),
    "SoX": (0x7FFFF000, 0x7FFFF024),
    "arecord": (0x80000000, 0x80000024),
    "size of an earlier moment": (8_000, 8_036),
    "size of the whole call": (64_000, 64_036),
}


@pytest.fixture
def complete(handlers, source):
    """Queues and transcribes what is pending, and returns the record of a file."""

    def complete(name=NAME):
        handlers.queue()
        handlers.process()
        return source.get(name)

    return complete


@pytest.mark.parametrize("sizes", UNFINISHED_SIZES.values(), ids=UNFINISHED_SIZES)
def test_object_with_an_unfinished_header_waits_for_the_rest_of_the_call(handlers, put, stack, sizes, list_recordings):
    put(NAME, unfinished(1, *sizes))
    run = handlers.sync()
    assert (run["counts"]["waiting"], run["counts"]["added"]) == (1, 0)
    assert run["waiting"][0]["reason"] == NOT_FINALIZED
    assert handlers.sync(**upload_event(stack, NAME))["counts"]["waiting"] == 1
    put(NAME, CALL)
    assert handlers.sync(**upload_event(stack, NAME))["counts"]["added"] == 1
    assert list_recordings()[NAME]["size"] == len(CALL)


def test_file_without_an_extension_waits_if_it_is_an_unfinished_wav(handlers, tmp_path):
    folder = Folder(tmp_path)
    handlers.overrides |= {"RECORDINGS_PATH": folder.path, "AUDIO_EXTENSIONS": "wav none"}
    folder.put("1795867200.12", unfinished(1), age=600)
    folder.put("1795867200.13", encode("mp3", tone(1, 16_000)), age=600)
    assert sync_counts(handlers) == {"listed": 2, "waiting": 1, "added": 1}
    folder.put("1795867200.12", CALL, age=600)
    assert sync_counts(handlers) == {"listed": 2, "added": 1}


def test_call_that_was_transcribed_from_an_unfinished_file_is_transcribed_again_once(
    source, handlers, complete, service
):
    source.put(NAME, unfinished(1))
    handlers.advance_clock(seconds=HEADER_GRACE.total_seconds() + 1)
    assert source.sync() == {"listed": 1, "added": 1}
    first = complete()
    assert first.status is Status.COMPLETED
    assert source.sync() == {"listed": 1}
    source.put(NAME, CALL)
    handlers.advance_clock(hours=1)
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    waiting = source.get(NAME)
    assert (waiting.status, waiting.attempts, waiting.transcript) == (Status.PENDING, 0, first.transcript)
    assert source.sync() == {"listed": 1}
    second = complete()
    assert (second.status, second.size, second.source_changed) == (Status.COMPLETED, len(CALL), None)
    assert second.transcript.version != first.transcript.version
    assert source.sync() == {"listed": 1}
    assert len(service.received) == 2


def test_transcript_is_kept_if_the_whole_call_cannot_be_transcribed(source, handlers, complete, service, reply):
    service.replies = [reply(), reply(status=400)]
    source.put(NAME, unfinished(1))
    handlers.advance_clock(hours=2)
    source.sync()
    first = complete()
    source.put(NAME, CALL)
    source.sync()
    failed = complete()
    assert (failed.status, failed.transcript) == (Status.FAILED, first.transcript)
    assert failed.is_terminal


@pytest.mark.parametrize(("extension", "kind"), [("mp3", "mp3"), ("ogg", "ogg"), ("wav", None)])
def test_file_that_grew_soon_after_its_transcription_is_transcribed_again(
    source, complete, service, handlers, extension, kind
):
    def audio(seconds):
        return encode(kind, tone(seconds, 16_000 if kind == "mp3" else 48_000)) if kind else wav(tone(seconds, 8000))

    name = f"call.{extension}"
    source.put(name, audio(1))
    source.sync()
    complete(name)
    source.put(name, audio(3))
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    assert complete(name).size == len(audio(3))
    assert source.sync() == {"listed": 1}
    source.put(name, audio(2))  # shorter: this is not the rest of the call
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.get(name).source_changed
    assert len(service.received) == 2


def test_finished_wav_with_new_tags_is_not_transcribed_again(source, complete, service):
    source.put(NAME, CALL)
    source.sync()
    complete()
    source.put(NAME, CALL + b"LIST" + struct.pack("<I", 12) + b"INFOISFT\0\0\0\0")
    assert source.sync() == {"listed": 1, "updated": 1}
    complete()
    assert source.get(NAME).source_changed
    assert len(service.received) == 1


def test_mp3_with_new_tags_is_not_transcribed_again(source, complete, service):
    audio, longer = tone(2, 16_000), tone(3, 16_000)
    source.put("call.mp3", encode("mp3", audio))
    source.sync()
    complete("call.mp3")
    source.put("call.mp3", encode("mp3", audio, tags={"title": "Call with Ann", "comment": "x" * 5_000}))
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.get("call.mp3").source_changed
    source.put("call.mp3", encode("mp3", longer, tags={"title": "Call with Ann", "comment": "x" * 5_000}))
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    complete("call.mp3")
    assert len(service.received) == 2


def test_mp3_with_a_picture_that_has_grown_is_transcribed_again(source, complete, service):
    picture = {"comment": "x" * 60_000}
    source.put("call.mp3", encode("mp3", tone(2, 16_000), tags=picture))
    source.sync()
    complete("call.mp3")
    source.put("call.mp3", encode("mp3", tone(8, 16_000), tags=picture))
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    complete("call.mp3")
    assert len(service.received) == 2


def test_file_that_grew_much_later_is_only_marked_as_changed(handlers, put, stack, list_recordings):
    put("call.mp3", b"ID3" + bytes(200), age=GROWTH_WINDOW.total_seconds() + 60)
    handlers.transcribe()
    put("call.mp3", b"ID3" + bytes(400))
    run = handlers.sync()
    assert (run["counts"]["transcribed_again"], run["counts"]["updated"]) == (0, 1)
    assert list_recordings()["call.mp3"]["sourceChanged"]


def test_recording_that_failed_for_good_gets_another_chance_when_its_file_changes(source, complete, service, reply):
    service.replies = [reply(status=400), reply()]
    source.put(NAME, wav(tone(1, 8000)))
    source.sync()
    assert complete().is_terminal
    assert source.sync() == {"listed": 1}
    source.put(NAME, CALL)
    assert source.sync() == {"listed": 1, "transcribed_again": 1}
    assert complete().status is Status.COMPLETED


def test_old_objects_are_ingested_without_a_request_for_each(handlers, put, count_requests):
    put("old.wav", unfinished(1), age=HEADER_GRACE.total_seconds() + 60)
    put("new.mp3")
    with count_requests() as requests:
        assert handlers.sync()["counts"]["added"] == 2
    assert requests["GET S3"] == 1  # the listing


@pytest.mark.parametrize(
    "file",
    [
        riff((b"fmt ", PCM), (b"data", CALL[44:])) + bytes(2048),
        riff((b"fmt ", PCM), (b"data", CALL[44:])) + b"LIST" + struct.pack("<I", 12) + b"INFOISFT\0\0\0\0",
        CALL[:40] + struct.pack("<I", len(CALL)) + CALL[44:],
        CALL[:4] + struct.pack("<II", 0, 0)[:4] + CALL[8:],
        CALL[:40] + bytes(4) + CALL[44:],
        CALL[:4] + struct.pack("<I", len(CALL)) + CALL[8:40] + struct.pack("<I", len(CALL)) + CALL[44:],
        riff((b"fmt ", PCM), (b"data", CALL[44:] + b"\0")),
        CALL + b"\0",
    ],
    ids=[
        *("padded", "tags after the RIFF chunk", "data is the size of the file", "no RIFF size", "no data size"),
        *("both are the size of the file", "odd size", "one byte more"),
    ],
)
def test_header_that_a_recorder_writes_wrongly_does_not_delay_a_file(source, file):
    source.put(NAME, file)
    assert source.sync() == {"listed": 1, "added": 1}
