"""`python -m local names`: prints the metadata read from the names of recordings, one JSON object per line."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callscribe.call_metadata.metadata import CallMetadata, format_started_at, format_utc_offset
from callscribe.phone_systems import extract_metadata
from callscribe.phone_systems.custom_patterns import CustomPattern
from callscribe.recordings.run import Run, Task, Trigger
from callscribe.sidecars import group_key, parse_sidecar_name
from callscribe.sources import SourceFile
from callscribe.sources.file_types import AUDIO_EXTENSIONS, classify
from callscribe.sources.folder import FolderSource
from callscribe.sources.folder_keys import path_to_key
from functions.sync.metadata_reader import MetadataReader


def print_names(
    paths: Sequence[str],
    system: str,
    patterns: Sequence[CustomPattern],
    extensions: AbstractSet[str] = AUDIO_EXTENSIONS,
) -> int:
    """Print a line for each path: a file, all files below a folder, or only a name. Returns exit status 0."""
    for path in paths:
        for row in _read_rows(path, system, patterns, extensions):
            print(_to_json(row))
    return 0


def _to_json(row: dict[str, Any]) -> str:
    """Serialise readably if the terminal can show it; otherwise, and for names that are not UTF-8, with escapes."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return json.dumps(row)
    return text


def _read_rows(
    path: str, system: str, patterns: Sequence[CustomPattern], extensions: AbstractSet[str]
) -> Iterator[dict[str, Any]]:
    """Yield what sync would read of a file, or of all files below a folder; of a name only, what is in the name."""
    kind = _path_kind(path)
    if not kind:
        yield to_row(path, None, extract_metadata(_audio_path(path), system, patterns), extensions)
        return
    key = path_to_key(os.path.abspath(path))  # noqa: PTH100 — without resolving links
    folder, _, _ = key.rpartition("/")
    if kind == "folder":
        parent_folder, source = folder, FolderSource(f"/{key}")
        files = list(source.list_files())
        displayed = [(file, str(Path(path, file.key.removeprefix(source.prefix)))) for file in files]
    else:
        parent_folder, _, _ = folder.rpartition("/")
        files = list(FolderSource(f"/{folder}").list_files(under=group_key(key, extensions)))
        displayed = [(file, path) for file in files if file.key == key]
    sidecars = defaultdict[str, list[SourceFile]](list)
    for file in files:
        if file.size and parse_sidecar_name(file.key):
            sidecars[group_key(file.key, extensions)].append(file)
    # the index of a month is in the parent folder
    source = FolderSource(f"/{parent_folder}")
    now = datetime.now(UTC)
    run = Run(task=Task.SYNC, id="", trigger=Trigger.API, started_at=now, deadline=now)
    reader = MetadataReader(
        source=source, run=run, phone_system=system, patterns=patterns, zone=UTC, look_up_indexes=True
    )
    for file in files:
        reader.register_index(file)
    for file, path_text in displayed:
        yield to_row(
            path_text, file.size, reader.read(file, sidecars[group_key(file.key, extensions)]).metadata, extensions
        )


def _audio_path(path: str) -> str:
    """The path of the audio that a sidecar of this name describes: the name of `a.wav.txt` is that of `a.wav`."""
    sidecar_name = parse_sidecar_name(path)
    return sidecar_name.audio_stem if sidecar_name else path


def to_row(
    path: str, size: int | None, metadata: CallMetadata, extensions: AbstractSet[str] = AUDIO_EXTENSIONS
) -> dict[str, Any]:
    """The printed fields of a path; null if unknown. `size` in bytes, None if the file does not exist."""
    return {
        "path": path,
        "file_kind": classify(path, size, extensions),
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
    """`file`, `folder`, or None if there is only a name."""
    try:
        candidate = Path(path)
        return (
            "folder" if candidate.is_dir() else "file" if candidate.is_file() and not candidate.is_symlink() else None
        )
    except (OSError, ValueError):  # not a valid path on this machine, for example too long
        return None
