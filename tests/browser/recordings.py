"""Adds recordings to the bucket of a served stack, and finds recordings through the API."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import count
from typing import Any
from urllib.parse import urlencode

import numpy as np

from callscribe.store.control_items import ADMISSION
from local.cloud.client import aws_client
from testing.made_audio import wav
from tests.e2e.served import ServedStack

FOLDER = "2026/11/18"
"""The prefix that ServedStack uploads the samples to."""

BEHIND_UTC = timedelta(hours=5)
"""The UTC offset of the phone system that named the samples: their names contain both local time and epoch."""

TINY = wav(np.full(800, 0.1))
"""A tenth of a second of audio, for recordings that are never sent."""

_serial = count(1)


def call_name(caller: str, at: datetime) -> str:
    """A file name like those of the samples, for a call from this number at this time."""
    local = f"{at - BEHIND_UTC:%Y%m%d-%H%M%S}"
    return f"in-2025550100-{caller}-{local}-{int(at.timestamp())}.{next(_serial)}.wav"


def upload(served: ServedStack, files: Mapping[str, bytes]) -> None:
    """Upload files, by name, next to the samples."""
    for name, content in files.items():
        served.store(f"{FOLDER}/{name}", content)


def list_recordings(served: ServedStack, **query: str) -> list[dict[str, Any]]:
    """All matching recordings, newest first."""
    items: list[dict[str, Any]] = served.request(f"call-recordings?{urlencode({'limit': 500, **query})}")["items"]
    return items


def find_recording(served: ServedStack, name_pattern: str) -> dict[str, Any]:
    """The one recording whose file name matches this pattern, such as those of the samples."""
    (recording,) = [
        each for each in list_recordings(served) if fnmatchcase(each["path"].rpartition("/")[2], name_pattern)
    ]
    return recording


def recording_address(served: ServedStack, name_pattern: str) -> str:
    """The address of its page."""
    return f"/admin/recordings/{find_recording(served, name_pattern)['id']}"


def forget_refusals(served: ServedStack) -> None:
    """Forget which recordings the server has refused, as after a success: five in a row would pause the queue."""
    dynamodb = aws_client("dynamodb", served.stack.endpoint)
    dynamodb.update_item(
        TableName=served.stack.tables["ControlTable"],
        Key={"name": {"S": ADMISSION}},
        UpdateExpression="REMOVE refusals",
    )
