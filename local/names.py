"""`python -m local names`: what is read out of the names of recordings, one JSON object a line."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from callscribe.ingest import classify
from callscribe.metadata import CallMetadata, as_written, offset_text
from callscribe.phone_systems import read
from callscribe.phone_systems.site_patterns import SitePattern


def names(paths: Sequence[str], system: str, patterns: Sequence[SitePattern]) -> int:
    """Prints a line for each path: a file, all files below a folder, or a mere name. Its exit status."""
    for path in paths:
        for each in _files(path):
            print(_json(line(each, system, patterns)))
    return 0


def _json(told: dict[str, Any]) -> str:
    """Legible where the terminal can show it; else, and for names that are not UTF-8, escaped as JSON does."""
    text = json.dumps(told, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return json.dumps(told)
    return text


def line(path: str, system: str = "", patterns: Sequence[SitePattern] = ()) -> dict[str, Any]:
    """What the name tells, and what lies beside it if the file exists; null for what is not known."""
    try:
        size = Path(path).stat().st_size if Path(path).is_file() else None
    except (OSError, ValueError):  # no name of this machine's: too long, say
        size = None
    call = beside(path).over(read(path, system, patterns))
    return {
        "path": path,
        "ingest": classify(path, size),
        "phone_system": call.phone_system,
        "direction": call.direction,
        "caller": call.caller,
        "callee": call.callee,
        "extension": call.extension,
        "started_at": None if call.started_at is None else as_written(call.started_at),
        "utc_offset": None if call.utc_offset is None else offset_text(call.utc_offset),
        "call_id": call.call_id,
        "remote_number": call.remote_number,
        "kind": call.kind,
        "party": call.party,
        "origins": dict(sorted(call.origins.items())),
    }


def beside(path: str) -> CallMetadata:  # noqa: ARG001 — the seam for callscribe.sidecars
    """What a sidecar or an index beside the file tells of it. SEAM: nothing yet; `callscribe.sidecars` reads them."""
    return CallMetadata()


def _files(path: str) -> Iterator[str]:
    """The path itself, or all that lies below it, in order."""
    if not _is_folder(path):
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            yield str(Path(folder) / name)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False
