"""What came of it: the JSON of `--json`, and the last lines in the terminal."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from local.api_client import ApiClient
from local.watch import printable

METADATA = ("size", "recordedAt", "modifiedAt", "createdAt", "statusSince", "nextAttemptAt")


def records(api: ApiClient) -> list[dict[str, Any]]:
    """Every recording, in the order of its path, with its transcript if it has one."""
    items = sorted(api.recordings(), key=lambda each: str(each["path"]))
    return [
        {
            "id": item["id"],
            "path": item["path"],
            "status": item["transcriptionStatus"],
            "attempts": item["attempts"],
            "error": item["error"],
            "metadata": {name: item[name] for name in METADATA},
            "transcript": api.transcript(item["id"]) if item["transcript"] else None,
        }
        for item in items
    ]


def write_json(path: Path, recordings: list[dict[str, Any]]) -> None:
    """Writes the file whole or not at all."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(json.dumps(recordings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def summary(recordings: list[dict[str, Any]]) -> list[str]:
    """Counts, and the name and reason of each recording that is not completed."""
    completed = sum(recording["status"] == "completed" for recording in recordings)
    lines = [f"{completed} of {len(recordings)} recordings completed."]
    for recording in recordings:
        if recording["status"] != "completed":
            reason = f": {recording['error']['message']}" if recording["error"] else ""
            lines.append(printable(f"{recording['status']}: {PurePosixPath(recording['path']).name}{reason}"))
    return lines
