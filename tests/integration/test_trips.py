"""Trips: how many files of `functions/` and `layers/` the code passes through for one piece of work.

A reader has to follow the same path, so a trip over many files is hard to read even if each file is short. A budget may
be lowered; raising it needs a reason.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testing.handlers import ROOT
from testing.made_audio import tone, wav
from tests.integration.storage import upload_event

PRODUCT = tuple(f"{ROOT / folder}/" for folder in ("functions", "layers"))
NAME = "2026/11/18/in-2025550100-2025550143-20261118-093012-1795012210.17.wav"

MAX_FILES_OF_AN_UPLOAD = 29
MAX_FILES_OF_A_TRANSCRIPTION = 33
MAX_FILES_OF_A_STATUS_CHANGE = 14


@contextmanager
def count_calls() -> Iterator[Counter[str]]:
    """Count the calls into each file of the product, in the order of the first call, in this thread and in new ones.

    Calls of lambdas and comprehensions, and the imports of modules, are left out.
    """
    calls = Counter[str]()

    def record(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PRODUCT) and not code.co_name.startswith("<"):
            calls[code.co_filename.removeprefix(f"{ROOT}/")] += 1

    threading.setprofile(record)
    sys.setprofile(record)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def describe(calls):
    return f"{len(calls)} files: " + " > ".join(f"{path} ({number})" for path, number in calls.items())


@pytest.fixture
def warm_handlers(handlers, put):
    """The handlers after their first recording: what happens once per process is done."""
    put("warm.wav", wav(tone(2, 8_000)))
    handlers.transcribe()
    handlers.api("GET", "/api/call-recordings")
    return handlers


def test_uploaded_recording_is_pending_after_few_files(warm_handlers, stack, put):
    put(NAME, wav(tone(2, 8_000)))
    event = upload_event(stack, NAME)
    with count_calls() as calls:
        assert warm_handlers.sync(**event)["counts"]["added"] == 1
    assert len(calls) <= MAX_FILES_OF_AN_UPLOAD, describe(calls)


def test_recording_is_transcribed_by_few_files(warm_handlers, put):
    put(NAME, wav(tone(2, 8_000)))
    warm_handlers.sync_and_queue()
    with count_calls() as calls:
        assert warm_handlers.process()["counts"]["completed"] == 1
    assert len(calls) <= MAX_FILES_OF_A_TRANSCRIPTION, describe(calls)


def test_status_is_changed_by_few_files(warm_handlers, put, list_recordings, service, reply):
    service.replies = [reply(status=400)]
    put(NAME, wav(tone(2, 8_000)))
    warm_handlers.transcribe()
    failed = next(item for item in list_recordings().values() if item["transcriptionStatus"] == "failed")
    with count_calls() as calls:
        path = f"/api/call-recordings/{failed['id']}"
        assert warm_handlers.api("PUT", path, body={"transcriptionStatus": "queued"}).status == 200
    assert len(calls) <= MAX_FILES_OF_A_STATUS_CHANGE, describe(calls)
