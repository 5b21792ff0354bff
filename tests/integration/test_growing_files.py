"""Files that a phone system is still writing while sync scans their folder."""

import struct
from pathlib import Path

import pytest

from callscribe.recordings.recording import Status, recording_id
from callscribe.store import recordings
from functions.sync.ingestion import HEADER_GRACE
from testing.made_audio import tone, wav

AGE = 900
"""MIN_FILE_AGE_SECONDS. Longer than any test takes: only the test itself advances the clock this far."""

AUDIO = b"\x01\x02" * 4000


def header(size: int) -> bytes:
    """Return the header of a WAV file with `size` bytes of audio."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", size
    )


def write(path: Path, pieces: int, declared: int | None = None) -> None:
    """Write that many pieces of audio. `declared`: the number in the header of a WAV file, if it is not closed yet."""
    head = header(len(AUDIO) * (pieces if declared is None else declared)) if path.suffix == ".wav" else b""
    path.write_bytes(head + AUDIO * pieces)


@pytest.fixture
def folder(handlers, tmp_path):
    handlers.overrides |= {"RECORDINGS_PATH": str(tmp_path), "MIN_FILE_AGE_SECONDS": str(AGE)}
    handlers.queue()  # configures the tables
    return tmp_path


def get_record(path):
    return recordings.get(recording_id("file://", str(path).lstrip("/")))


def test_file_is_not_ingested_until_it_is_old_enough(handlers, folder):
    path = folder / "steady.mp3"
    for pieces in range(1, 4):
        write(path, pieces)
        handlers.sync()
        assert get_record(path) is None
    handlers.after(seconds=2 * AGE).sync()
    assert get_record(path).size == path.stat().st_size


def test_wav_without_a_length_in_its_header_is_not_ingested_even_if_it_is_old(handlers, folder):
    path = folder / "header.wav"
    handlers.advance_clock(seconds=2 * AGE)
    for pieces in range(3):
        write(path, pieces, declared=0)
        handlers.sync()
        assert get_record(path) is None
    write(path, 3)
    handlers.sync()
    assert get_record(path).size == path.stat().st_size


def test_reopened_wav_is_not_updated_until_it_is_closed_again(handlers, folder):
    path = folder / "grows.wav"
    write(path, 1)
    handlers.after(seconds=2 * AGE).sync()
    before = get_record(path).size
    for pieces in range(2, 5):
        write(path, pieces, declared=1)
        handlers.sync()
        assert get_record(path).size == before
    write(path, 4)
    handlers.sync()
    assert get_record(path).size == path.stat().st_size > before
    assert get_record(path).status is Status.PENDING


def test_wav_without_a_length_in_its_header_is_ingested_after_an_hour_without_a_change(handlers, folder):
    body = bytearray(wav(tone(1, 8000)))
    body[4:8] = body[40:44] = b"\xff\xff\xff\xff"  # as written by a program that cannot seek, into a pipe
    path = folder / "piped.wav"
    path.write_bytes(body)
    run = handlers.after(seconds=2 * AGE).sync()
    assert (run["counts"]["waiting"], run["counts"]["added"]) == (1, 0)
    assert "header" in run["waiting"][0]["reason"]
    assert run["waiting"][0]["path"] == str(path)
    assert handlers.after(seconds=HEADER_GRACE.total_seconds() - 3 * AGE).sync()["counts"]["added"] == 0
    assert handlers.after(seconds=2 * AGE).sync()["counts"]["added"] == 1
