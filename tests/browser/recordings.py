"""Further recordings in the bucket of a served stack, and what the API says of recordings."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import count
from typing import Any
from urllib.parse import urlencode

import numpy as np

from testing.made_audio import wav
from tests.e2e.served import Served

FOLDER = "2026/11/18"
"""Where Served puts the samples."""

BEHIND_UTC = timedelta(hours=5)
"""So far is the clock of the phone system that names the samples, as their own names tell."""

TINY = wav(np.full(800, 0.1))
"""A tenth of a second: what is never sent need not say anything."""

_serial = count(1)


def call_name(caller: str, at: datetime) -> str:
    """As the phone system of the samples names a call from this number at this time."""
    local = f"{at - BEHIND_UTC:%Y%m%d-%H%M%S}"
    return f"in-2025550100-{caller}-{local}-{int(at.timestamp())}.{next(_serial)}.wav"


def put(served: Served, files: Mapping[str, bytes]) -> None:
    """Beside the samples."""
    for name, content in files.items():
        served.store(f"{FOLDER}/{name}", content)


def recordings(served: Served, **query: str) -> list[dict[str, Any]]:
    """All that match, newest first."""
    items: list[dict[str, Any]] = served.ask(f"call-recordings?{urlencode({'limit': 500, **query})}")["items"]
    return items


def recording(served: Served, name: str) -> dict[str, Any]:
    """The one whose file is called so; `name` is a pattern, as those of the samples are."""
    (found,) = [each for each in recordings(served) if fnmatchcase(each["path"].rpartition("/")[2], name)]
    return found


def address_of(served: Served, name: str) -> str:
    """Where the page shows it."""
    return f"/admin/recordings/{recording(served, name)['id']}"
