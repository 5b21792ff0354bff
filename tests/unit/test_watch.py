"""What the terminal shows of a recording's way."""

import math
from typing import Any, cast

import pytest

from local import watch
from local.watch import Watcher, format_item
from testing.waiting import wait_until

SEEN = {
    "id": "a",
    "path": "/calls/a.wav",
    "statusSince": "2026-11-22T12:00:00Z",
    "attempts": 0,
    "error": None,
    "transcript": None,
    "nextAttemptAt": None,
}
ERROR = {"code": "service_error", "message": "It broke."}


class Api:
    def __init__(self, *looks):
        self._looks = list(looks)

    def recordings(self):
        return iter(self._looks.pop(0))


@pytest.mark.parametrize(
    ("item", "ends"),
    [
        ({"transcriptionStatus": "pending"}, "pending     a.wav"),
        ({"transcriptionStatus": "queued"}, "queued      a.wav"),
        ({"transcriptionStatus": "queued", "error": ERROR}, "queued      a.wav  again: It broke."),
        ({"transcriptionStatus": "processing", "attempts": 2}, "processing  a.wav  attempt 2"),
        ({"transcriptionStatus": "completed", "transcript": {"noSpeech": True}}, "completed   a.wav  (no speech)"),
        (
            {"transcriptionStatus": "completed", "transcript": {"noSpeech": False, "preview": "hello"}},
            'completed   a.wav  "hello"',
        ),
        (
            {"transcriptionStatus": "failed", "attempts": 5, "error": ERROR},
            "failed      a.wav  for good, after 5 attempt(s): It broke.",
        ),
        ({"transcriptionStatus": "pending", "path": "/calls/x\n\x1b[31m.wav"}, r"pending     x\n\x1b[31m.wav"),
    ],
)
def test_a_line_says_what_became_of_a_recording(item, ends):
    assert format_item({**SEEN, **item}).endswith(ends)
    assert format_item({**SEEN, **item}).isprintable()


def test_each_change_is_said_once_and_a_claim_too_short_to_be_seen_as_well():
    said: list[str] = []
    queued = {**SEEN, "transcriptionStatus": "queued"}
    done = {
        **SEEN,
        "transcriptionStatus": "completed",
        "statusSince": "2026-11-22T12:00:01Z",
        "attempts": 1,
        "transcript": {"noSpeech": True},
    }
    watcher = Watcher(cast("Any", Api([queued], [queued], [done], [done])), said.append, lambda _: None, lambda: True)
    for _ in range(4):
        watcher.refresh()
    assert [each.split()[1] for each in said] == ["queued", "processing", "completed"]


class Counted:
    """An API that counts the looks, and how many times the watcher has checked for activity."""

    def __init__(self):
        self.asked, self.looks = 0, []

    def recordings(self):
        self.looks.append(self.asked)
        return iter(())

    def is_busy(self):
        self.asked += 1
        return self.asked == 50


def test_an_idle_stack_is_looked_at_when_a_function_has_run_and_after_a_while(monkeypatch):
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(watch, "IDLE_POLL_SECONDS", math.inf)
    api: Any = Counted()
    with Watcher(api, print, lambda _: None, api.is_busy):
        wait_until(lambda: api.asked > 100)
        assert api.looks == [1, 50]
        monkeypatch.setattr(watch, "IDLE_POLL_SECONDS", 0)
        wait_until(lambda: len(api.looks) > 4)
