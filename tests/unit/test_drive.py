"""When `--once` is done, and when it gives up."""

from datetime import UTC, datetime, timedelta

import pytest

from local import drive as module
from local.drive import Ending, TaskError, drive

IDLE = {"completed": 0, "failed": 0}
SYNCED = {"waiting": 0, "refused": 0, "unreadable": 0}
WAITING = [{"path": "/calls/a.wav", "why": "It is empty."}]
EMPTY = {"pending": 0, "queued": 0, "processing": 0, "completed": 0, "failed": 0, "outage": None}


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only in `sleep`."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


class Scripted:
    """Tasks and an API that answer as they are told; the last answer of a task is repeated."""

    def __init__(self, counts=(EMPTY,), failed=(), processing=(), **runs):
        self.runs = {"sync": [{"status": "succeeded", "counts": SYNCED}], "queue": [{}], **runs}
        self.invoked = []
        self.said = []
        self.verdict = {"ok": False, "code": "refused", "message": "It refuses."}
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

    def drive(self):
        return drive(self.invoke, self, lambda: None, self.said.append)


def processed(completed=0, failed=0):
    return {"status": "succeeded", "errorCode": None, "counts": {"completed": completed, "failed": failed}}


def outage(status="failed", code="service_unavailable"):
    return {"status": status, "errorCode": code, "error": "Nobody is there.", "counts": IDLE}


def test_it_processes_until_nothing_is_left(clock):
    scripted = Scripted(process=[processed(completed=1), processed(failed=1), processed()])
    assert scripted.drive() == Ending()
    assert scripted.invoked == ["sync", "queue", "process", "process", "process"]


def test_it_waits_for_a_retry_that_will_come(clock):
    counts = [{**EMPTY, "failed": 1}, EMPTY]
    scripted = Scripted(counts, [{"nextAttemptAt": "soon"}], process=[processed(), processed(completed=1), processed()])
    assert scripted.drive() == Ending()


def test_what_failed_for_good_is_not_waited_for(clock):
    scripted = Scripted([{**EMPTY, "failed": 1}], [{"nextAttemptAt": None}], process=[processed()])
    assert scripted.drive() == Ending()


def test_more_than_one_run_queues_is_queued_again(clock):
    scripted = Scripted([{**EMPTY, "pending": 1}, EMPTY], process=[processed(completed=1), processed(), processed()])
    assert scripted.drive() == Ending()
    assert scripted.invoked.count("queue") == 2


def test_a_short_outage_is_sat_out_and_a_long_one_is_told(clock):
    pause = outage("skipped")
    assert Scripted(process=[outage(), pause, outage(), processed(completed=1), processed()]).drive() == Ending()
    scripted = Scripted(process=[outage()])
    assert scripted.drive().trouble == "Nobody is there. Recordings wait in the queue; none was lost."
    assert scripted.said == ["Nobody is there. It is tried again."]
    assert 20 < clock[0] < 25


def test_a_service_that_wants_to_be_left_alone_for_long_is_not_waited_for(clock):
    def summary(**later):
        at = (datetime.now(UTC) + timedelta(**later)).isoformat()
        return {**EMPTY, "outage": {"nextTryAt": at}}

    runs = [outage(), outage("skipped")]
    scripted = Scripted([summary(minutes=4), summary(minutes=6)], process=runs)
    assert scripted.drive().trouble
    assert clock[0] < 10
    scripted = Scripted([summary(minutes=4)], process=[outage(), *[outage("skipped")] * 200, processed()])
    scripted._counts.append(EMPTY)
    assert scripted.drive() == Ending()


def test_an_address_that_may_be_right_in_a_moment_is_tried_again(clock):
    runs = [outage(code="wrong_address"), processed(completed=1), processed()]
    assert Scripted(process=runs).drive() == Ending()


def test_a_server_that_is_another_one_is_told_by_the_connection_test(clock):
    scripted = Scripted(process=[outage()])
    scripted.verdict = {"ok": False, "code": "wrong_dialect", "message": "It speaks otherwise."}
    assert "It speaks otherwise." in scripted.drive().trouble


@pytest.mark.parametrize(
    ("status", "code"),
    [("failed", "configuration"), ("skipped", "paused"), ("failed", "key_refused"), ("failed", "wrong_settings")],
)
def test_what_a_person_has_to_put_right_is_told_at_once(clock, status, code):
    assert Scripted(process=[outage(status, code)]).drive().trouble.startswith("Nobody is there.")
    skipped = {"status": "skipped", "error": "The task is paused.", "counts": {}}
    assert Scripted(sync=[skipped]).drive() == Ending("The task is paused.")
    assert clock[0] == 0


def test_a_run_that_dies_is_followed_by_another_but_not_for_ever(clock):
    died = TaskError("process died.")
    assert Scripted(process=[died, processed(completed=1), processed()]).drive() == Ending()
    with pytest.raises(TaskError):
        Scripted(process=[died]).drive()


def test_a_sync_that_fails_ends_it(clock):
    assert Scripted(sync=[{"status": "failed", "error": "No such folder."}]).drive() == Ending("No such folder.")


def test_files_that_are_not_complete_are_waited_for_and_then_named(clock):
    waiting = {"status": "succeeded", "counts": {**SYNCED, "waiting": 2}, "waiting": WAITING}
    done = {"status": "succeeded", "counts": SYNCED}
    assert Scripted(sync=[waiting, done], process=[processed()]).drive() == Ending()
    scripted = Scripted(sync=[waiting], process=[processed()])
    ending = scripted.drive()
    assert len(scripted.said) == 1
    assert ending.trouble.startswith("2 file(s) are still not complete")
    assert 60 < clock[0] < 120


def test_what_sync_passed_over_is_told(clock):
    passed_over = {"status": "succeeded", "counts": {**SYNCED, "refused": 2, "unreadable": 1}}
    ending = Scripted(sync=[passed_over], process=[processed()]).drive()
    assert "2 file(s) have a path" in ending.trouble
    assert "1 file(s) or folder(s) cannot be read" in ending.trouble


def test_a_recording_in_other_hands_is_waited_for_and_that_is_said(clock):
    counts = [{**EMPTY, "processing": 1}, {**EMPTY, "processing": 1}, EMPTY]
    scripted = Scripted(counts, processing=[{"jobSince": None}], process=[processed()])
    assert scripted.drive() == Ending()
    assert len(scripted.said) == 1


def test_a_job_at_the_service_is_polled_without_a_word(clock):
    counts = [{**EMPTY, "processing": 1}, {**EMPTY, "processing": 1}, EMPTY]
    scripted = Scripted(counts, processing=[{"jobSince": "before"}], process=[processed()])
    assert scripted.drive() == Ending()
    assert scripted.said == []
