"""The handlers on a stack of their own, for the tables that `python -m tests.e2e.…` prints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.cloud.aws import serve_aws
from local.cloud.stack import deploy
from testing.handlers import ROOT, Handlers, client


@contextmanager
def serve_handlers(**overrides: str) -> Iterator[Handlers]:
    """Deploy the template to a simulated AWS. `overrides` are environment variables of the functions."""
    with serve_aws() as endpoint, pytest.MonkeyPatch.context() as monkeypatch:
        stack = deploy(ROOT / "template.yaml", endpoint, {"WhisperXUrl": "http://127.0.0.1:9", "RetryBaseSeconds": "1"})
        handlers = Handlers(stack, monkeypatch)
        handlers.clear_caches()
        # nothing listens at port 9, so asynchronous invocations fail and functions wait for their schedule
        handlers.overrides |= {"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9", **overrides}
        yield handlers
        handlers.clear_caches()


def put_recordings(handlers: Handlers, folder: str, count: int, audio: bytes = b"") -> None:
    """Put recordings into the bucket, and queue them. Without `audio`, each has other bytes, which are no audio."""
    s3 = client("s3", handlers.stack.endpoint)
    for number in range(count):
        s3.put_object(
            Bucket=handlers.stack.buckets["RecordingsBucket"],
            Key=f"{folder}/{number}.wav",
            Body=audio or f"RIFF of {folder} {number}".encode() * 10,
        )
    handlers.sync_and_queue()


def delete_recordings(handlers: Handlers, folder: str) -> None:
    """Delete the records and the files of a folder."""
    s3 = client("s3", handlers.stack.endpoint)
    bucket = handlers.stack.buckets["RecordingsBucket"]
    for item in list_recordings(handlers, folder):
        s3.delete_object(Bucket=bucket, Key=f"{folder}/{item['path'].rsplit('/', 1)[-1]}")
        handlers.api("DELETE", f"/api/call-recordings/{item['id']}")


def list_recordings(handlers: Handlers, folder: str) -> list[dict[str, Any]]:
    """Return the recordings of a folder as the API lists them."""
    items = handlers.api("GET", "/api/call-recordings", query="limit=500").json["items"]
    return sorted((item for item in items if f"/{folder}/" in item["path"]), key=lambda item: item["path"])
