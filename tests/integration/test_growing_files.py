"""Files that are being written while sync looks: by a process of its own, as a phone system does it."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from callscribe.recording import Status, recording_id
from callscribe.store import recordings
from functions.sync.complete import ABANDONED
from tests.made_audio import tone, wav

AGE = 1.0
"""Seconds that a file must have rested in these tests."""

WRITER = """
import os, struct, sys, time
path, kind, age = sys.argv[1], sys.argv[2], float(sys.argv[3])

def header(size):
    form = (b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, *form, b"data", size)

def say(word):
    print(word, flush=True)

with open(path, "wb", buffering=0) as file:
    if kind != "mp3":
        file.write(header(0))
        time.sleep(2 * age)   # somebody lets it ring
    for _ in range(3):
        file.write(b"\\x01\\x02" * 4000)
        time.sleep(2 * age if kind != "mp3" else age / 3)
    size = file.tell()
    if kind != "mp3":
        file.seek(0)
        file.write(header(size - 44))
    file.flush()
    os.fsync(file.fileno())
    say("closed")
if kind == "reopened":
    sys.stdin.readline()
    with open(path, "r+b", buffering=0) as file:
        file.seek(0, 2)
        file.write(b"\\x01\\x02" * 4000)
        time.sleep(2 * age)
        say("appended")
        size = file.tell()
        file.seek(0)
        file.write(header(size - 44))
"""


class Writer:
    """A process that writes a file slowly, and says when it has closed it."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        command = [sys.executable, "-c", WRITER, str(path), kind, str(AGE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.set_blocking(self._process.stdout.fileno(), False)
        self.said = ""

    def has_said(self, word: str) -> bool:
        self.said += (self._process.stdout.read() or b"").decode()
        return word in self.said

    def go_on(self) -> None:
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture
def folder(handlers, tmp_path):
    handlers.overrides |= {"RECORDINGS_PATH": str(tmp_path), "MIN_FILE_AGE_SECONDS": str(int(AGE))}
    return tmp_path


def record_of(path):
    return recordings.get(recording_id("file://", str(path).lstrip("/")))


@pytest.mark.parametrize("kind", ["wav", "mp3", "reopened"])
def test_a_file_is_never_taken_before_its_writer_has_closed_it(handlers, folder, kind):
    """With pauses longer than the age where the header tells, and shorter ones where nothing else does."""
    path = folder / f"call.{'mp3' if kind == 'mp3' else 'wav'}"
    writer, syncs = Writer(path, kind), 0
    try:
        while not (closed := writer.has_said("closed")):
            run = handlers.sync()
            assert run["counts"]["added"] == 0 or writer.has_said("closed")
            syncs += 1
            time.sleep(0.05)
        assert closed
        assert syncs > 3
        deadline = time.monotonic() + 30
        while record_of(path) is None and time.monotonic() < deadline:
            handlers.sync()
        assert record_of(path).size == path.stat().st_size
        if kind == "reopened":
            before = path.stat().st_size
            writer.go_on()
            while not writer.has_said("appended"):
                handlers.sync()
                assert record_of(path).size == before or writer.has_said("appended")
            writer.end()
            deadline = time.monotonic() + 30
            while record_of(path).size == before and time.monotonic() < deadline:
                handlers.sync()
            assert record_of(path).size == path.stat().st_size > before
            assert record_of(path).status is Status.PENDING
    finally:
        writer.end()


def test_a_header_that_is_never_filled_in_is_taken_after_a_day(handlers, folder):
    made = bytearray(wav(tone(1, 8000)))
    made[4:8] = made[40:44] = b"\xff\xff\xff\xff"  # as a program writes that cannot go back: a pipe
    path = folder / "piped.wav"
    path.write_bytes(made)
    handlers.pass_time(seconds=2 * AGE)
    run = handlers.sync()
    assert (run["counts"]["waiting"], run["counts"]["added"]) == (1, 0)
    assert "header" in run["waiting"][0]["why"]
    assert run["waiting"][0]["path"] == str(path)
    handlers.pass_time(seconds=(ABANDONED - timedelta(minutes=1)).total_seconds())
    assert handlers.sync()["counts"]["added"] == 0
    handlers.pass_time(minutes=2)
    assert handlers.sync()["counts"]["added"] == 1
