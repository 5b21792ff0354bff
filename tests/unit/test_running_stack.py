"""What a running local stack leaves for other commands, and what it reports at the end."""

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local import LocalError
from local import invoke as local_invoke
from local.__main__ import main
from local.report import MAX_NAMED, summary_lines, write_json

STACK: Any = SimpleNamespace(endpoint="http://127.0.0.1:4566", rules=())


@pytest.fixture
def running_file(tmp_path, monkeypatch):
    file = tmp_path / "state" / "running.json"
    monkeypatch.setattr(local_invoke, "RUNNING_FILE", file)
    return file


def test_running_stack_is_announced_until_it_ends(running_file):
    with local_invoke.announce_stack(STACK, "http://127.0.0.1:8080"):
        assert json.loads(running_file.read_text())["url"] == "http://127.0.0.1:8080"
    assert list(running_file.parent.iterdir()) == []


def test_stack_that_cannot_be_announced_leaves_no_file(running_file, monkeypatch):
    def write(file, *_):
        file.touch()  # as far as it goes
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(OSError, match="No space"), local_invoke.announce_stack(STACK, "http://127.0.0.1:8080"):
        pass
    assert list(running_file.parent.iterdir()) == []


def test_file_of_a_later_stack_stays(running_file):
    with local_invoke.announce_stack(STACK, "http://127.0.0.1:8080"):
        running_file.write_text('{"url": "http://127.0.0.1:8081"}')
    assert running_file.exists()


@pytest.mark.parametrize("content", [None, "", "{", "{}"])
def test_without_a_complete_file_no_stack_is_running(running_file, content):
    running_file.parent.mkdir()
    if content is not None:
        running_file.write_text(content)
    with pytest.raises(LocalError, match="No stack is running"):
        local_invoke.invoke("sync", None)
    assert local_invoke.find_other_stack(STACK.endpoint) is None


class ManyRecordings:
    """An API with many recordings, which counts the requests for them. There are no transcripts to request."""

    def __init__(self, **counts):
        self.counts = {"pending": 0, "queued": 0, "processing": 0, "completed": 0, "failed": 0, **counts}
        self.listed = self.summaries = 0

    def summary(self):
        self.summaries += 1
        return self.counts

    def recordings(self, status, _page_size):
        for number in range(self.counts[status]):
            self.listed += 1
            error = {"code": "service_error", "message": "It failed."} if status == "failed" else None
            yield {"path": f"/calls/{number}.wav", "transcriptionStatus": status, "error": error}


def test_last_lines_need_few_requests_however_many_recordings_there_are():
    api: Any = ManyRecordings(completed=15_000, failed=2, queued=4998)
    first, failed, *_, last = summary_lines(api)
    assert first == "15000 of 20000 recordings completed."
    assert failed == "failed: 0.wav: It failed."
    assert last == f"… and {5000 - MAX_NAMED} more."
    assert api.listed <= MAX_NAMED + 1
    assert api.summaries == 1


def test_last_lines_of_a_finished_stack_are_one():
    api: Any = ManyRecordings(completed=3)
    assert summary_lines(api) == ["3 of 3 recordings completed."]


def test_full_disk_is_an_error_of_the_system_call():
    with pytest.raises(OSError, match="No space left"):
        write_json(Path("/dev/full"), [{"id": "x" * 100_000}])


def test_full_disk_is_explained(monkeypatch, capsys):
    def run_names(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/logs")

    monkeypatch.setattr("local.__main__.print_names", run_names)
    monkeypatch.setattr("local.__main__.signal.signal", lambda *_: None)
    assert main(["names", "x.wav"]) == 2
    assert "the disk is full at /data/logs. Free some space" in capsys.readouterr().err
