"""`python -m local names`: what is read out of the names of recordings, one JSON object a line."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callscribe.ingest import classify
from callscribe.metadata import CallMetadata, as_written, offset_text
from callscribe.phone_systems import read
from callscribe.phone_systems.site_patterns import SitePattern
from callscribe.run import Run, Task
from callscribe.sidecars import sidecar_of, stem_of
from callscribe.sources import SourceFile
from callscribe.sources.folder import FolderSource, key_of
from functions.sync.reading import Reader


def names(paths: Sequence[str], system: str, patterns: Sequence[SitePattern]) -> int:
    """Prints a line for each path: a file, all files below a folder, or a mere name. Its exit status."""
    for path in paths:
        for told in _lines(path, system, patterns):
            print(_json(told))
    return 0


def _json(told: dict[str, Any]) -> str:
    """Legible where the terminal can show it; else, and for names that are not UTF-8, escaped as JSON does."""
    text = json.dumps(told, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return json.dumps(told)
    return text


def _lines(path: str, system: str, patterns: Sequence[SitePattern]) -> Iterator[dict[str, Any]]:
    """What sync would read of a file or of all below a folder; of a mere name, what it tells."""
    kind = _kind(path)
    if not kind:
        yield line(path, None, read(path, system, patterns))
        return
    key = key_of(os.path.abspath(path))  # noqa: PTH100 — as it is spelled: links in it are not resolved
    folder, _, _ = key.rpartition("/")
    if kind == "folder":
        above, source = folder, FolderSource(f"/{key}")
        found = list(source.files())
        shown = [(each, str(Path(path, each.key.removeprefix(source.prefix)))) for each in found]
    else:
        above, _, _ = folder.rpartition("/")
        found = list(FolderSource(f"/{folder}").files(under=stem_of(key)))
        shown = [(each, path) for each in found if each.key == key]
    sidecars = defaultdict[str, list[SourceFile]](list)
    for each in found:
        if each.size and sidecar_of(each.key):
            sidecars[stem_of(each.key)].append(each)
    # the index of a month lies above its folder
    source = FolderSource(f"/{above}")
    now = datetime.now(UTC)
    run = Run(task=Task.SYNC, id="", trigger="names", started_at=now, ends_by=now)
    reader = Reader(source=source, run=run, phone_system=system, patterns=patterns, zone=UTC, looks=True)
    for each in found:
        reader.saw(each)
    for each, as_given in shown:
        yield line(as_given, each.size, reader.read(each, sidecars[stem_of(each.key)]).metadata)


def line(path: str, size: int | None, call: CallMetadata) -> dict[str, Any]:
    """What is printed of a path; null for what is not known. `size` in bytes, where the file exists."""
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


def _kind(path: str) -> str | None:
    """`file`, `folder`, or None for a mere name."""
    try:
        given = Path(path)
        return "folder" if given.is_dir() else "file" if given.is_file() and not given.is_symlink() else None
    except (OSError, ValueError):  # no name of this machine's: too long, say
        return None
