"""The admin page's words for numbers, times and states: pure functions, called in the browser that they are for."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

FILES = Path(__file__).parents[2] / "functions" / "api" / "admin"
CALL = "async ([name, args]) => (await import('/words.js'))[name](...args)"
NOW = 1_795_822_200_000
"""2026-11-28, 00:30 in Berlin, as JavaScript counts."""


@pytest.fixture(scope="module")
def words(browser: Browser) -> Iterator[Callable[..., Any]]:
    """Calls one of them by its name."""
    with browser.new_context(locale="en-GB", timezone_id="Europe/Berlin") as context:
        context.clock.set_fixed_time(datetime.fromtimestamp(NOW / 1000, UTC))
        page = context.new_page()
        page.route("**", lambda route: route.fulfill(path=FILES / urlsplit(route.request.url).path[1:]))
        page.goto("http://words.test/icon.svg")
        yield lambda name, *args: page.evaluate(CALL, [name, args])


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("span", {0: "0.0 s", 0.04: "0.0 s", 1.25: "1.3 s", 9.96: "10.0 s", 10: "10 s", 59.6: "1 min", 60: "1 min",
                  61: "1 min 1 s", 3599.7: "1 h", 3600: "1 h", 3661: "1 h 1 min", 7322: "2 h 2 min", 86400: "1 d",
                  90000: "1 d 1 h", 31536000: "365 d"}),
        ("clock", {0: "0:00", 6.96: "0:06", 754: "12:34", 3723.5: "1:02:03"}),
        ("bytes", {0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 49152: "49 kB", 5760044: "5.8 MB", 2e9: "2.0 GB"}),
        ("utc", {"2026-11-18T10:30:12.5+01:00": "2026-11-18 09:30:12 UTC"}),
        # the day is given where it is not today
        ("near", {"2026-11-28T13:05:00Z": "14:05", "2026-11-26T12:00:00Z": "26 Nov 2026, 13:00"}),
    ],
)  # fmt: skip
def test_spans_places_sizes_and_moments_are_written_briefly(words, name, texts):
    assert {value: words(name, value) for value in texts} == texts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (-1, "1 second ago"), (-59, "59 seconds ago"), (-61, "1 minute ago"), (7200, "in 2 hours"),
     (-86400, "yesterday")],
)  # fmt: skip
def test_how_long_ago_something_was_is_said_in_one_unit(words, seconds, text):
    assert words("relative", NOW + 1000 * seconds, NOW) == text


FAILED = {"code": "service_error", "httpStatus": 503, "message": "The service failed (503)."}


SINCE = "2026-11-27T23:05:00Z"


@pytest.mark.parametrize(
    ("recording", "parts"),
    [
        ({"transcriptionStatus": "pending"}, ["found", "queued at the next run"]),
        ({"transcriptionStatus": "queued"}, [["in line since", SINCE]]),
        ({"transcriptionStatus": "queued", "attempts": 1, "error": FAILED},
         [["in line since", SINCE], "attempt 2 comes", "last 503"]),
        ({"transcriptionStatus": "processing", "attempts": 1}, ["attempt 1 of 5", ["since", SINCE]]),
        ({"transcriptionStatus": "processing", "attempts": 1, "jobStartedAt": "2026-11-26T12:00:00Z"},
         ["attempt 1 of 5", ["the service works on it since", "2026-11-26T12:00:00Z"]]),
        ({"transcriptionStatus": "failed", "attempts": 2, "error": FAILED, "nextAttemptAt": "2026-11-28T13:05:00Z"},
         ["attempt 2 of 5", "503", ["next", "2026-11-28T13:05:00Z"]]),
        ({"transcriptionStatus": "failed", "attempts": 2, "error": FAILED, "nextAttemptAt": "2026-11-27T23:29:00Z"},
         ["attempt 2 of 5", "503", "next once the line is empty"]),
        ({"transcriptionStatus": "failed", "attempts": 1, "error": {"code": "not_audio", "httpStatus": None}},
         ["attempt 1 of 5", "not audio", "waits for a person"]),
        ({"transcriptionStatus": "failed", "attempts": 7, "error": FAILED},
         ["attempt 7 of 7", "503", "waits for a person"]),
        ({"transcriptionStatus": "completed"}, [["transcribed", SINCE]]),
        ({"transcriptionStatus": "completed", "transcript": {"noSpeech": True, "partial": True}},
         [["transcribed", SINCE], "nobody speaks", "one channel is missing"]),
    ],
)  # fmt: skip
def test_the_way_of_a_recording_says_where_it_is_and_what_comes_next(words, recording, parts):
    rest = {"attempts": 0, "maxAttempts": 5, "error": None, "statusSince": SINCE, "nextAttemptAt": None}
    assert words("way", {**rest, "jobStartedAt": None, "transcript": None, **recording}, NOW) == parts


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ({"caller": "2025550143", "callee": "102"}, "2025550143 → 102"),
        ({"caller": "2025550143"}, "2025550143 → unknown"),
        ({"remoteNumber": "2025550143", "extension": "101"}, "2025550143 – 101"),
        ({"extension": "101"}, "101"),
        ({}, None),
    ],
)
def test_an_arrow_stands_only_where_it_is_known_who_called(words, known, text):
    assert words("between", {"caller": None, "callee": None, "remoteNumber": None, "extension": None, **known}) == text
