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

PAUSE = 0.05
"""Seconds between syncs: often enough to catch a file at any moment, and the other tests have a core to run on."""

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
        time.sleep(1.5 * age)   # somebody lets it ring
    for _ in range(3):
        file.write(b"\\x01\\x02" * 4000)
        time.sleep(1.5 * age if kind != "mp3" else age / 3)
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
        time.sleep(1.5 * age)
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
        """Waits for its end."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture
def folder(handlers, tmp_path):
    handlers.overrides |= {"RECORDINGS_PATH": str(tmp_path), "MIN_FILE_AGE_SECONDS": str(int(AGE))}
    handlers.queue()  # binds the models to the tables
    return tmp_path


def record_of(path):
    return recordings.get(recording_id("file://", str(path).lstrip("/")))


@pytest.fixture
def writers(folder):
    """Three of them at once: with pauses longer than the age where the header tells, and shorter ones where not."""
    kinds = {"header.wav": "wav", "steady.mp3": "mp3", "grows.wav": "reopened"}
    made = {name: Writer(folder / name, kind) for name, kind in kinds.items()}
    yield made
    for writer in made.values():
        writer.end()


def synced_until(handlers, done):
    """Runs sync until `done` says so, for half a minute; how often it ran before."""
    deadline, times = time.monotonic() + 30, 0
    while not done():
        assert time.monotonic() < deadline
        handlers.sync()
        times += 1
        time.sleep(PAUSE)
    return times


def test_a_file_is_never_taken_before_its_writer_has_closed_it(handlers, writers):
    early = []

    def all_are_closed():
        early.extend(
            name for name, writer in writers.items() if record_of(writer.path) and not writer.has_said("closed")
        )
        return all(writer.has_said("closed") for writer in writers.values())

    assert synced_until(handlers, all_are_closed) > 3
    assert early == []
    synced_until(handlers, lambda: all(record_of(writer.path) for writer in writers.values()))
    for writer in writers.values():
        assert record_of(writer.path).size == writer.path.stat().st_size

    grows = writers["grows.wav"]
    before = grows.path.stat().st_size
    grows.go_on()

    def appended():
        early.extend(["grows.wav"] * (record_of(grows.path).size != before and not grows.has_said("appended")))
        return grows.has_said("appended")

    synced_until(handlers, appended)
    assert early == []
    synced_until(handlers, lambda: record_of(grows.path).size != before)
    assert record_of(grows.path).size == grows.path.stat().st_size > before
    assert record_of(grows.path).status is Status.PENDING


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
