"""The watcher prints a line for each status change of a recording."""

import math
from typing import Any, cast

import pytest

from local import watch
from local.watch import Watcher, format_item
from testing.waiting import wait_until

ITEM = {
    "id": "a",
    "path": "/calls/a.wav",
    "statusSince": "2026-11-22T12:00:00Z",
    "attempts": 0,
    "error": None,
    "transcript": None,
    "nextAttemptAt": None,
}
ERROR = {"code": "service_error", "message": "It broke."}


class ScriptedApi:
    def __init__(self, *listings):
        self._listings = list(listings)

    def recordings(self):
        return iter(self._listings.pop(0))


@pytest.mark.parametrize(
    ("item", "expected_end"),
    [
        ({"transcriptionStatus": "pending"}, "pending     a.wav"),
        ({"transcriptionStatus": "queued"}, "queued      a.wav"),
        ({"transcriptionStatus": "queued", "error": ERROR}, "queued      a.wav  requeued: It broke."),
        ({"transcriptionStatus": "processing", "attempts": 2}, "processing  a.wav  attempt 2"),
        ({"transcriptionStatus": "completed", "transcript": {"noSpeech": True}}, "completed   a.wav  (no speech)"),
        (
            {"transcriptionStatus": "completed", "transcript": {"noSpeech": False, "preview": "hello"}},
            'completed   a.wav  "hello"',
        ),
        (
            {"transcriptionStatus": "failed", "attempts": 5, "error": ERROR},
            "failed      a.wav  attempts: 5, no more retries: It broke.",
        ),
        ({"transcriptionStatus": "pending", "path": "/calls/x\n\x1b[31m.wav"}, r"pending     x\n\x1b[31m.wav"),
    ],
)
def test_line_shows_status_name_and_outcome(item, expected_end):
    line = format_item({**ITEM, **item})
    assert line.endswith(expected_end)
    assert line.isprintable()


def test_each_change_is_printed_once_including_a_claim_between_two_refreshes():
    lines: list[str] = []
    queued = {**ITEM, "transcriptionStatus": "queued"}
    done = {
        **ITEM,
        "transcriptionStatus": "completed",
        "statusSince": "2026-11-22T12:00:01Z",
        "attempts": 1,
        "transcript": {"noSpeech": True},
    }
    api = ScriptedApi([queued], [queued], [done], [done])
    watcher = Watcher(cast("Any", api), lines.append, lambda _: None, lambda: True)
    for _ in range(4):
        watcher.refresh()
    assert [line.split()[1] for line in lines] == ["queued", "processing", "completed"]


def test_what_an_earlier_stack_has_finished_is_counted_and_the_rest_is_printed():
    lines: list[str] = []
    no_speech = {"transcriptionStatus": "completed", "transcript": {"noSpeech": True}}
    failed = {"transcriptionStatus": "failed", "error": ERROR, "attempts": 5}
    earlier = [{**ITEM, **no_speech, "id": str(number)} for number in range(3000)]
    earlier.append({**ITEM, **failed, "id": "failed"})
    retried = {**ITEM, **failed, "id": "retried", "nextAttemptAt": "2026-11-22T13:00:00Z"}
    queued = {**ITEM, "id": "queued", "transcriptionStatus": "queued"}
    just_completed = {**ITEM, **no_speech, "id": "new", "statusSince": "2999-01-01T00:00:00Z"}
    again = {**earlier[0], "transcriptionStatus": "queued", "statusSince": "2999-01-01T00:00:00Z"}
    api = ScriptedApi([*earlier, retried, queued, just_completed], [again, *earlier[1:], retried, queued])
    watcher = Watcher(cast("Any", api), lines.append, lambda _: None, lambda: True)
    watcher.refresh()
    assert lines[0] == "3,000 recording(s) were already completed, 1 had failed for good."
    assert [line.split()[1] for line in lines[1:]] == ["failed", "queued", "completed"]
    watcher.refresh()
    assert [line.split()[1] for line in lines[4:]] == ["queued"]


class CountingApi:
    """Counts the checks for activity; `refreshes` has the number of checks before each refresh."""

    def __init__(self):
        self.checks, self.refreshes = 0, []

    def recordings(self):
        self.refreshes.append(self.checks)
        return iter(())

    def is_busy(self):
        self.checks += 1
        return self.checks == 50


def test_idle_stack_is_refreshed_after_a_function_has_run_and_after_an_interval(monkeypatch):
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(watch, "IDLE_POLL_SECONDS", math.inf)
    api: Any = CountingApi()
    with Watcher(api, print, lambda _: None, api.is_busy):
        wait_until(lambda: api.checks > 100)
        assert api.refreshes == [1, 50]
        monkeypatch.setattr(watch, "IDLE_POLL_SECONDS", 0)
        wait_until(lambda: len(api.refreshes) > 4)


def test_refresh_that_would_take_too_long_is_left_to_the_background_thread():
    """With thousands of recordings, a task must not wait until all of them are listed."""
    lines: list[str] = []
    items = [{**ITEM, "transcriptionStatus": "queued"}]
    watcher = Watcher(cast("Any", ScriptedApi(items, items)), lines.append, lambda _: None, lambda: False)
    watcher.refresh(max_seconds=0.0)
    assert lines == []
    watcher.refresh()
    assert len(lines) == 1
