"""When `--once` is done, and when it gives up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.run_until_done import TaskError, run_until_done

IDLE = {"completed": 0, "failed": 0}
SYNCED = {"waiting": 0, "path_too_long": 0, "unreadable": 0}
WAITING = [{"path": "/calls/a.wav", "reason": "It is empty."}]
EMPTY = {"pending": 0, "queued": 0, "processing": 0, "completed": 0, "failed": 0, "outage": None}


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only in `sleep`."""
    now = [0.0]
    monkeypatch.setattr("local.run_until_done.time.monotonic", lambda: now[0])
    monkeypatch.setattr("local.run_until_done.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


class Scripted:
    """Tasks and an API that answer as they are told; the last answer of a task is repeated."""

    def __init__(self, counts=(EMPTY,), failed=(), processing=(), **runs):
        self.runs = {"sync": [{"status": "succeeded", "counts": SYNCED}], "queue": [{}], **runs}
        self.invoked = []
        self.said = []
        self.verdict = {"ok": False, "code": "connection_refused", "message": "It refuses."}
        self._counts = list(counts)
        self._items = {"failed": failed, "processing": processing}

    def invoke(self, task):
        self.invoked.append(task)
        run = self.runs[task].pop(0) if len(self.runs[task]) > 1 else self.runs[task][0]
        if isinstance(run, Exception):
            raise run
        return run

    def summary(self):
        return self._counts.pop(0) if len(self._counts) > 1 else self._counts[0]

    def recordings(self, status=None):
        return iter(self._items[status])

    def test_service(self):
        return self.verdict

    def drive(self: Any):
        return run_until_done(self.invoke, self, lambda: None, self.said.append)


def processed(completed=0, failed=0):
    return {"status": "succeeded", "errorCode": None, "counts": {"completed": completed, "failed": failed}}


def outage(status="failed", code="service_unavailable"):
    return {"status": status, "errorCode": code, "error": "Nobody is there.", "counts": IDLE}


def waiting(**later):
    """An outage whose next try is so much later."""
    return {**EMPTY, "outage": {"nextTryAt": (datetime.now(UTC) + timedelta(**later)).isoformat()}}


@pytest.mark.parametrize(
    "scripted",
    [
        {"process": [processed(completed=1), processed(failed=1), processed()]},
        {"counts": [{**EMPTY, "failed": 1}], "failed": [{"nextAttemptAt": None}], "process": [processed()]},
        {"process": [outage(), outage("skipped"), outage(), processed(completed=1), processed()]},
        {"process": [outage(code="endpoint_not_found"), processed(completed=1), processed()]},
        {"counts": [waiting(minutes=4)] * 31 + [EMPTY], "process": [outage(), *[outage("skipped")] * 30, processed()]},
        {"process": [TaskError("process died."), processed(completed=1), processed()]},
    ],
    ids=["processed", "failed for good", "short outage", "wrong address at first", "next try in four minutes", "death"],
)
def test_it_processes_until_nothing_is_left(clock, scripted):
    assert Scripted(**scripted).drive() is None


@pytest.mark.parametrize(
    ("counts", "items"),
    [
        ({"failed": 1}, {"failed": [{"nextAttemptAt": "soon"}]}),
        ({"pending": 1}, {}),
        ({"processing": 1}, {"processing": [{"jobStartedAt": "before"}]}),
    ],
    ids=["a retry that will come", "more than one run queues", "a job at the service"],
)
def test_what_is_left_is_waited_for_without_a_word(clock, counts, items):
    scripted = Scripted([EMPTY | counts, EMPTY], **items, process=[processed()])
    assert scripted.drive() is None
    assert scripted.invoked.count("queue") == 2
    assert scripted.said == []


def test_a_recording_in_other_hands_is_waited_for_and_that_is_said_once(clock):
    counts = [{**EMPTY, "processing": 1}, {**EMPTY, "processing": 1}, EMPTY]
    scripted = Scripted(counts, processing=[{"jobStartedAt": None}], process=[processed()])
    assert scripted.drive() is None
    assert len(scripted.said) == 1


def test_a_long_outage_is_reported(clock):
    scripted = Scripted(process=[outage()])
    assert scripted.drive() == "Nobody is there. (See --whisperx.) Recordings wait in the queue; none was lost."
    assert len(scripted.said) == 1
    assert 20 < clock[0] < 25


def test_a_service_that_asks_to_be_left_alone_for_long_is_not_waited_for(clock):
    scripted = Scripted([waiting(minutes=4), waiting(minutes=6)], process=[outage(), outage("skipped")])
    assert scripted.drive()
    assert clock[0] < 10


def test_a_server_of_another_dialect_is_recognised_by_the_connection_test(clock):
    scripted = Scripted(process=[outage()])
    scripted.verdict = {"ok": False, "code": "wrong_dialect", "message": "It speaks otherwise."}
    assert "It speaks otherwise. (See --dialect.)" in scripted.drive()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("failed", "configuration_error"),
        ("skipped", "paused"),
        ("failed", "authentication_failed"),
        ("failed", "invalid_options"),
    ],
)
def test_what_needs_an_operator_is_reported_at_once(clock, status, code):
    assert Scripted(process=[outage(status, code)]).drive().startswith("Nobody is there.")
    assert clock[0] == 0


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_sync_that_does_nothing_ends_it(clock, status):
    assert Scripted(sync=[{"status": status, "error": "No such folder."}]).drive() == "No such folder."


def test_a_function_that_dies_each_time_is_given_up(clock):
    with pytest.raises(TaskError):
        Scripted(process=[TaskError("process died.")]).drive()


def test_files_that_are_not_complete_are_waited_for_and_then_named(clock):
    incomplete = {"status": "succeeded", "counts": {**SYNCED, "waiting": 2}, "waiting": WAITING}
    done = {"status": "succeeded", "counts": SYNCED}
    assert Scripted(sync=[incomplete, done], process=[processed()]).drive() is None
    scripted = Scripted(sync=[incomplete], process=[processed()])
    assert scripted.drive().startswith("2 file(s) are still not complete")
    assert len(scripted.said) == 1
    assert 60 < clock[0] < 120


def test_what_sync_passed_over_is_reported(clock):
    ignored = {"status": "succeeded", "counts": {**SYNCED, "path_too_long": 2, "unreadable": 1}}
    trouble = Scripted(sync=[ignored], process=[processed()]).drive()
    assert "2 file(s) have a path" in trouble
    assert "1 file(s) or folder(s) cannot be read" in trouble
