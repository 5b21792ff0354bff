"""Files that are being written while sync looks, as a phone system writes them."""

import struct
from pathlib import Path

import pytest

from callscribe.recordings.recording import Status, recording_id
from callscribe.store import recordings
from functions.sync.ingestion import HEADER_GRACE
from testing.made_audio import tone, wav

AGE = 3600
"""Seconds that a file must have rested. They only pass when the test says so: no machine is as slow as that."""

AUDIO = b"\x01\x02" * 4000


def header(size: int) -> bytes:
    """Of a WAV file with so many bytes of audio."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", size
    )


def write(path: Path, pieces: int, said: int | None = None) -> None:
    """So many pieces of audio; the header of a WAV says that there are `said`, and all of them once it is closed."""
    header_of = header(len(AUDIO) * (pieces if said is None else said)) if path.suffix == ".wav" else b""
    path.write_bytes(header_of + AUDIO * pieces)


@pytest.fixture
def folder(handlers, tmp_path):
    handlers.overrides |= {"RECORDINGS_PATH": str(tmp_path), "MIN_FILE_AGE_SECONDS": str(AGE)}
    handlers.queue()  # binds the models to the tables
    return tmp_path


def record_of(path):
    return recordings.get(recording_id("file://", str(path).lstrip("/")))


def test_a_file_is_not_taken_before_it_has_rested(handlers, folder):
    path = folder / "steady.mp3"
    for pieces in range(1, 4):
        write(path, pieces)
        handlers.sync()
        assert record_of(path) is None
    handlers.after(seconds=2 * AGE).sync()
    assert record_of(path).size == path.stat().st_size


def test_a_file_whose_header_is_not_filled_in_is_not_taken_however_long_it_rests(handlers, folder):
    path = folder / "header.wav"
    for pieces in range(3):
        write(path, pieces, said=0)
        handlers.after(seconds=2 * AGE).sync()
        assert record_of(path) is None
    write(path, 3)
    handlers.sync()
    assert record_of(path).size == path.stat().st_size


def test_a_file_that_is_reopened_is_not_taken_again_before_it_is_closed_again(handlers, folder):
    path = folder / "grows.wav"
    write(path, 1)
    handlers.after(seconds=2 * AGE).sync()
    before = record_of(path).size
    for pieces in range(2, 5):
        write(path, pieces, said=1)
        handlers.after(seconds=2 * AGE).sync()
        assert record_of(path).size == before
    write(path, 4)
    handlers.after(seconds=2 * AGE).sync()
    assert record_of(path).size == path.stat().st_size > before
    assert record_of(path).status is Status.PENDING


def test_a_header_that_is_never_filled_in_is_taken_after_a_day(handlers, folder):
    made = bytearray(wav(tone(1, 8000)))
    made[4:8] = made[40:44] = b"\xff\xff\xff\xff"  # as a program writes that cannot go back: a pipe
    path = folder / "piped.wav"
    path.write_bytes(made)
    run = handlers.after(seconds=2 * AGE).sync()
    assert (run["counts"]["waiting"], run["counts"]["added"]) == (1, 0)
    assert "header" in run["waiting"][0]["reason"]
    assert run["waiting"][0]["path"] == str(path)
    assert handlers.after(seconds=HEADER_GRACE.total_seconds() - 3 * AGE).sync()["counts"]["added"] == 0
    assert handlers.after(seconds=2 * AGE).sync()["counts"]["added"] == 1
