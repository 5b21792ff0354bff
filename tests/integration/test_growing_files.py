"""Files that are being written while sync looks, as a phone system writes them."""

import os
import struct
from pathlib import Path

import pytest

from callscribe.recording import Status, recording_id
from callscribe.store import recordings
from functions.sync.complete import ABANDONED
from testing.made_audio import tone, wav

AGE = 3600
"""Seconds that a file must have rested. They only pass when the test says so: no machine is as slow as that."""

AUDIO = b"\x01\x02" * 4000


def header(size: int) -> bytes:
    """Of a WAV file with so many bytes of audio."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", size
    )


class Writer:
    """Writes a file bit by bit. A WAV file gets the right header when it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._has_header = path.suffix == ".wav"
        self._open("wb")
        if self._has_header:
            self.write(header(0))

    def write(self, content: bytes = AUDIO) -> None:
        self._file.write(content)

    def close(self) -> None:
        if self._has_header:
            size = self._file.tell()
            self._file.seek(0)
            self._file.write(header(size - len(header(0))))
        self._file.close()

    def abandon(self) -> None:
        self._file.close()

    def reopen(self) -> None:
        self._open("r+b")
        self._file.seek(0, os.SEEK_END)

    def _open(self, mode: str) -> None:
        self._file = self.path.open(mode, buffering=0)


@pytest.fixture
def folder(handlers, tmp_path):
    handlers.overrides |= {"RECORDINGS_PATH": str(tmp_path), "MIN_FILE_AGE_SECONDS": str(AGE)}
    handlers.queue()  # binds the models to the tables
    return tmp_path


def record_of(path):
    return recordings.get(recording_id("file://", str(path).lstrip("/")))


@pytest.fixture
def write(folder):
    """Begins to write a file of this name."""
    writers = []

    def write(name):
        writers.append(Writer(folder / name))
        return writers[-1]

    yield write
    for each in writers:
        each.abandon()


def test_a_file_is_not_taken_before_it_has_rested(handlers, write):
    writer = write("steady.mp3")
    for _ in range(3):
        writer.write()
        handlers.sync()
        assert record_of(writer.path) is None
    writer.close()
    handlers.sync()
    assert record_of(writer.path) is None
    handlers.after(seconds=2 * AGE).sync()
    assert record_of(writer.path).size == writer.path.stat().st_size


def test_a_file_whose_header_is_not_filled_in_is_not_taken_however_long_it_rests(handlers, write):
    writer = write("header.wav")
    for _ in range(3):
        handlers.after(seconds=2 * AGE).sync()
        assert record_of(writer.path) is None
        writer.write()
    writer.close()
    handlers.sync()
    assert record_of(writer.path).size == writer.path.stat().st_size


def test_a_file_that_is_reopened_is_not_taken_again_before_it_is_closed_again(handlers, write):
    writer = write("grows.wav")
    writer.write()
    writer.close()
    handlers.after(seconds=2 * AGE).sync()
    before = record_of(writer.path).size
    writer.reopen()
    for _ in range(3):
        writer.write()
        handlers.after(seconds=2 * AGE).sync()
        assert record_of(writer.path).size == before
    writer.close()
    handlers.after(seconds=2 * AGE).sync()
    assert record_of(writer.path).size == writer.path.stat().st_size > before
    assert record_of(writer.path).status is Status.PENDING


def test_a_header_that_is_never_filled_in_is_taken_after_a_day(handlers, folder):
    made = bytearray(wav(tone(1, 8000)))
    made[4:8] = made[40:44] = b"\xff\xff\xff\xff"  # as a program writes that cannot go back: a pipe
    path = folder / "piped.wav"
    path.write_bytes(made)
    run = handlers.after(seconds=2 * AGE).sync()
    assert (run["counts"]["waiting"], run["counts"]["added"]) == (1, 0)
    assert "header" in run["waiting"][0]["why"]
    assert run["waiting"][0]["path"] == str(path)
    assert handlers.after(seconds=ABANDONED.total_seconds() - 3 * AGE).sync()["counts"]["added"] == 0
    assert handlers.after(seconds=2 * AGE).sync()["counts"]["added"] == 1
