"""Further recordings in the bucket of a served stack, and what the API says of recordings."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

import numpy as np
import requests

from local.cloud.client import aws_client
from tests.e2e.served import Served
from tests.made_audio import wav

FOLDER = "2026/11/18"
"""Where Served puts the samples."""

BEHIND_UTC = timedelta(hours=5)
"""So far is the clock of the phone system that names the samples, as their own names tell."""

TINY = wav(np.full(800, 0.1))
"""A tenth of a second: what is never sent need not say anything."""

SECONDS = 30
_serial = count(1)


def call_name(caller: str, at: datetime) -> str:
    """As the phone system of the samples names a call from this number at this time."""
    local = f"{at - BEHIND_UTC:%Y%m%d-%H%M%S}"
    return f"in-2025550100-{caller}-{local}-{int(at.timestamp())}.{next(_serial)}.wav"


def put(served: Served, files: Mapping[str, bytes]) -> None:
    """Beside the samples."""
    s3 = aws_client("s3", served.stack.endpoint)
    for name, body in files.items():
        s3.put_object(Bucket=served.stack.buckets["RecordingsBucket"], Key=f"{FOLDER}/{name}", Body=body)


def remove(served: Served, name: str) -> None:
    s3 = aws_client("s3", served.stack.endpoint)
    s3.delete_object(Bucket=served.stack.buckets["RecordingsBucket"], Key=f"{FOLDER}/{name}")


def answer(served: Served, path: str, **query: str) -> requests.Response:
    """The API's answer to a GET."""
    found = requests.get(f"{served.url}/api/{path}", params=query, headers=signed(served), timeout=SECONDS)
    found.raise_for_status()
    return found


def retry(served: Served, recording_id: str) -> None:
    """As somebody else does it who has the API's key."""
    url = f"{served.url}/api/call-recordings/{recording_id}"
    wish = {"transcriptionStatus": "queued"}
    requests.put(url, json=wish, headers=signed(served), timeout=SECONDS).raise_for_status()


def signed(served: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.key}"}


def recordings(served: Served, **query: str) -> list[dict[str, Any]]:
    """All that match, newest first."""
    items: list[dict[str, Any]] = answer(served, "call-recordings", limit="500", **query).json()["items"]
    return items


def recording(served: Served, name: str) -> dict[str, Any]:
    """The one whose file is called so; `name` is a pattern, as those of the samples are."""
    (found,) = [each for each in recordings(served) if fnmatchcase(each["path"].rpartition("/")[2], name)]
    return found
