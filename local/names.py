"""`python -m local names`: what is read out of the names of recordings, one JSON object a line."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata, format_started_at, format_utc_offset
from callscribe.phone_systems import extract_metadata
from callscribe.phone_systems.custom_patterns import CustomPattern
from callscribe.recordings.run import Run, Task
from callscribe.sidecars import group_key, parse_sidecar_name
from callscribe.sources import SourceFile
from callscribe.sources.file_types import classify
from callscribe.sources.folder import FolderSource, path_to_key
from functions.sync.metadata_reader import MetadataReader


def print_names(paths: Sequence[str], system: str, patterns: Sequence[CustomPattern]) -> int:
    """Prints a line for each path: a file, all files below a folder, or a mere name. Its exit status."""
    for path in paths:
        for row in _read_rows(path, system, patterns):
            print(_to_json(row))
    return 0


def _to_json(row: dict[str, Any]) -> str:
    """Legible where the terminal can show it; else, and for names that are not UTF-8, escaped as JSON does."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return json.dumps(row)
    return text


def _read_rows(path: str, system: str, patterns: Sequence[CustomPattern]) -> Iterator[dict[str, Any]]:
    """What sync would read of a file or of all below a folder; of a mere name, what it tells."""
    kind = _path_kind(path)
    if not kind:
        yield to_row(path, None, extract_metadata(path, system, patterns))
        return
    key = path_to_key(os.path.abspath(path))  # noqa: PTH100 — as it is spelled: links in it are not resolved
    folder, _, _ = key.rpartition("/")
    if kind == "folder":
        parent_folder, source = folder, FolderSource(f"/{key}")
        files = list(source.list_files())
        displayed = [(each, str(Path(path, each.key.removeprefix(source.prefix)))) for each in files]
    else:
        parent_folder, _, _ = folder.rpartition("/")
        files = list(FolderSource(f"/{folder}").list_files(under=group_key(key)))
        displayed = [(each, path) for each in files if each.key == key]
    sidecars = defaultdict[str, list[SourceFile]](list)
    for each in files:
        if each.size and parse_sidecar_name(each.key):
            sidecars[group_key(each.key)].append(each)
    # the index of a month lies above its folder
    source = FolderSource(f"/{parent_folder}")
    now = datetime.now(UTC)
    run = Run(task=Task.SYNC, id="", trigger="names", started_at=now, deadline=now)
    reader = MetadataReader(
        source=source, run=run, phone_system=system, patterns=patterns, zone=UTC, look_up_indexes=True
    )
    for each in files:
        reader.register_index(each)
    for each, path_text in displayed:
        yield to_row(path_text, each.size, reader.read(each, sidecars[group_key(each.key)]).metadata)


def to_row(path: str, size: int | None, metadata: CallMetadata) -> dict[str, Any]:
    """What is printed of a path; null for what is not known. `size` in bytes, where the file exists."""
    return {
        "path": path,
        "file_kind": classify(path, size),
        "phone_system": metadata.phone_system,
        "direction": metadata.direction,
        "caller": metadata.caller,
        "callee": metadata.callee,
        "extension": metadata.extension,
        "started_at": None if metadata.started_at is None else format_started_at(metadata.started_at),
        "utc_offset": None if metadata.utc_offset is None else format_utc_offset(metadata.utc_offset),
        "call_id": metadata.call_id,
        "remote_number": metadata.remote_number,
        "kind": metadata.kind,
        "party": metadata.party,
        "provenance": dict(sorted(metadata.provenance.items())),
    }


def _path_kind(path: str) -> str | None:
    """`file`, `folder`, or None for a mere name."""
    try:
        candidate = Path(path)
        return (
            "folder" if candidate.is_dir() else "file" if candidate.is_file() and not candidate.is_symlink() else None
        )
    except (OSError, ValueError):  # no name of this machine's: too long, say
        return None
