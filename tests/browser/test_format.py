"""The pure functions of format.js, called in the browser: numbers, times, progress and titles as text."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from functions.sync.scan import COUNTS

pytestmark = pytest.mark.slow

FILES = Path(__file__).parents[2] / "functions" / "api" / "admin"
CALL = "async ([name, args]) => (await import('/format.js'))[name](...args)"
NOW_MS = 1_795_822_200_000
"""2026-11-28, 00:30 in Berlin, in milliseconds since the epoch."""


@pytest.fixture(scope="module")
def call(browser: Browser) -> Iterator[Callable[..., Any]]:
    """Calls a function of format.js by its name."""
    with browser.new_context(locale="en-GB", timezone_id="Europe/Berlin") as context:
        context.clock.set_fixed_time(datetime.fromtimestamp(NOW_MS / 1000, UTC))
        page = context.new_page()
        page.route("**", lambda route: route.fulfill(path=FILES / urlsplit(route.request.url).path[1:]))
        page.goto("http://format.test/icon.svg")
        yield lambda name, *args: page.evaluate(CALL, [name, args])


@pytest.mark.parametrize(
    ("function", "texts"),
    [
        ("formatDuration",
         {0: "0.0 s", 0.04: "0.0 s", 1.25: "1.3 s", 9.96: "10.0 s", 10: "10 s", 59.6: "1 min", 60: "1 min",
          61: "1 min 1 s", 3599.7: "1 h", 3600: "1 h", 3661: "1 h 1 min", 7322: "2 h 2 min", 86400: "1 d",
          90000: "1 d 1 h", 31536000: "365 d"}),
        ("formatPosition", {0: "0:00", 6.96: "0:06", 754: "12:34", 3723.5: "1:02:03"}),
        ("formatBytes",
         {0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 49152: "49 kB", 5760044: "5.8 MB", 2e9: "2.0 GB"}),
        ("formatUtc", {"2026-11-18T10:30:12.5+01:00": "2026-11-18 09:30:12 UTC"}),
        # with its date if that is not today
        ("formatShortDateTime", {"2026-11-28T13:05:00Z": "14:05", "2026-11-26T12:00:00Z": "26 Nov 2026, 13:00"}),
    ],
)  # fmt: skip
def test_durations_sizes_and_times_are_short(call, function, texts):
    assert {value: call(function, value) for value in texts} == texts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (-1, "1 second ago"), (-59, "59 seconds ago"), (-61, "1 minute ago"), (7200, "in 2 hours"),
     (-86400, "yesterday")],
)  # fmt: skip
def test_relative_time_has_one_unit(call, seconds, text):
    assert call("formatRelativeTime", NOW_MS + 1000 * seconds, NOW_MS) == text


ERROR = {"code": "service_error", "httpStatus": 503, "message": "The WhisperX server failed (503)."}
SINCE = "2026-11-27T23:05:00Z"


@pytest.mark.parametrize(
    ("recording", "parts"),
    [
        ({"transcriptionStatus": "pending"}, ["found", "will be queued at the next run"]),
        ({"transcriptionStatus": "queued"}, [["queued since", SINCE]]),
        ({"transcriptionStatus": "queued", "attempts": 1, "error": ERROR},
         [["queued since", SINCE], "next: attempt 2", "last error: 503"]),
        ({"transcriptionStatus": "processing", "attempts": 1}, ["attempt 1 of 5", ["since", SINCE]]),
        ({"transcriptionStatus": "processing", "attempts": 1, "jobStartedAt": "2026-11-26T12:00:00Z",
          "jobPresumedLostAt": "2026-11-26T12:10:00Z", "jobDeadline": "2026-11-26T12:40:00Z"},
         ["attempt 1 of 5", ["its job may be lost, waiting for it until", "2026-11-26T12:40:00Z"]]),
        ({"transcriptionStatus": "processing", "attempts": 1, "jobStartedAt": "2026-11-26T12:00:00Z"},
         ["attempt 1 of 5", ["job running since", "2026-11-26T12:00:00Z"]]),
        ({"transcriptionStatus": "failed", "attempts": 2, "error": ERROR, "nextAttemptAt": "2026-11-28T13:05:00Z"},
         ["attempt 2 of 5", "503", ["next attempt", "2026-11-28T13:05:00Z"]]),
        ({"transcriptionStatus": "failed", "attempts": 2, "error": ERROR, "nextAttemptAt": "2026-11-27T23:29:00Z"},
         ["attempt 2 of 5", "503", "retries when the queue is empty"]),
        ({"transcriptionStatus": "failed", "attempts": 1, "error": {"code": "not_audio", "httpStatus": None}},
         ["attempt 1 of 5", "not audio", "needs manual retry"]),
        ({"transcriptionStatus": "failed", "attempts": 7, "error": ERROR},
         ["attempt 7 of 7", "503", "needs manual retry"]),
        ({"transcriptionStatus": "completed"}, [["transcribed", SINCE]]),
        ({"transcriptionStatus": "completed", "transcript": {"noSpeech": True, "partial": True}},
         [["transcribed", SINCE], "no speech", "one channel is missing"]),
    ],
)  # fmt: skip
def test_progress_says_what_has_happened_and_what_happens_next(call, recording, parts):
    defaults = {"attempts": 0, "maxAttempts": 5, "error": None, "statusSince": SINCE, "nextAttemptAt": None}
    assert call("progressSummary", {**defaults, "jobStartedAt": None, "transcript": None, **recording}, NOW_MS) == parts


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ({"caller": "2025550143", "callee": "102"}, "2025550143 → 102"),
        ({"caller": "2025550143"}, "2025550143 → unknown"),
        ({"caller": "דוד", "callee": "102"}, "\u200e\u2068דוד\u2069 → 102"),
        ({"remoteNumber": "2025550143", "extension": "101"}, "2025550143 – 101"),
        ({"extension": "101"}, "101"),
        ({}, None),
    ],
)
def test_call_title_has_an_arrow_only_if_the_direction_is_known(call, metadata, title):
    unknown = {"caller": None, "callee": None, "remoteNumber": None, "extension": None}
    assert call("callTitle", {**unknown, **metadata}) == title


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"listed": 1200, "added": 1, "completed": 0, "waiting": 3}, "1,200 listed, 1 added, 3 incomplete"),
        ({"listed": 2, "incomplete": 1}, "2 listed, stopped early: the next scan finds the rest"),
        ({"completed": 2, "jobs_pending": 1, "audio_seconds": 125},
         "2 completed, 1 in progress on the server, 2 min 5 s of audio"),
        ({"queued": 0, "conflicts": 0}, "nothing to do"),
        ({}, "nothing to do"),
    ],
)  # fmt: skip
def test_run_summary_lists_the_counts_that_are_not_zero(call, counts, text):
    assert call("runSummary", counts).replace("\u00a0", " ") == text


def test_run_summary_has_words_for_every_count_of_a_scan(call):
    summary = call("runSummary", dict.fromkeys(COUNTS, 2))
    assert len(summary.split(", ")) == len(COUNTS)
    assert "_" not in summary
