"""The test of the module call-recordings: it says in a person's words whether recordings can be found."""

import pytest

from callscribe.ingest import AUDIO
from functions.api import invoke
from functions.sync.check import tried

TEST = "/api/modules/call-recordings/test"


@pytest.fixture
def bucket(stack, handlers):
    handlers.queue()  # S3 is asked as the functions ask it
    return f"s3://{stack.buckets['RecordingsBucket']}/"


def test_a_bucket_with_recordings_is_as_it_should_be(bucket, put):
    put("in/a.wav")
    put("in/a.json", b"{}")
    verdict = tried(bucket, AUDIO)
    assert (verdict["ok"], verdict["code"]) == (True, "ok")
    assert "of its first 2 files, 1 are recordings" in verdict["message"]


def test_an_empty_one_is_no_fault_and_one_without_recordings_is(bucket, put):
    assert tried(bucket, AUDIO)["code"] == "empty"
    put("a.wav")
    verdict = tried(bucket, frozenset(["mp3"]))
    assert (verdict["ok"], verdict["code"]) == (False, "no_recordings")
    assert "extensions" in verdict["message"]


@pytest.mark.parametrize("path", ["s3://no-such-bucket-of-ours/", "/no/such/folder", "recordings", ""])
def test_a_path_that_cannot_be_listed_says_so(handlers, bucket, path):
    verdict = tried(path, AUDIO)
    assert verdict["ok"] is False
    assert verdict["code"] in ("source", "configuration")
    assert verdict["message"].endswith(".")


def test_the_api_asks_the_function_that_looks_for_recordings(handlers, monkeypatch):
    asked = []
    verdict = {"ok": True, "code": "empty", "message": "Nothing yet."}
    monkeypatch.setattr(invoke, "call", lambda _, payload: asked.append(payload) or verdict)
    answer = handlers.api("POST", TEST)
    assert (answer.status, answer.json) == (200, verdict)
    assert asked == [{"trigger": "test"}]
    monkeypatch.setattr(invoke, "call", lambda *_: None)
    assert handlers.api("POST", TEST).status == 504
