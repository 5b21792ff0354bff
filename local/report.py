"""The result of `up`: the JSON file of `--json`, and the last lines on the console."""

import json
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from local.api_client import ApiClient
from local.options import describe_error
from local.watch import escape_unprintable

UNFINISHED = ("failed", "processing", "queued", "pending")
"""The statuses of recordings that are named at the end, in this order."""
MAX_NAMED = 20
METADATA_FIELDS = (
    *("size", "audio", "recordedAt", "modifiedAt", "createdAt", "statusSince", "nextAttemptAt"),
    *("phoneSystem", "direction", "caller", "callee", "extension", "remoteNumber", "party", "callId", "kind"),
    *("startedAt", "utcOffset", "metadataOrigins", "sourceChanged", "sourceMissing"),
)


def collect_records(api: ApiClient) -> list[dict[str, Any]]:
    """Return all recordings in the order of their paths, each with its transcript if it has one."""
    items = sorted(api.recordings(), key=lambda item: str(item["path"]))
    return [
        {
            "id": item["id"],
            "path": item["path"],
            "status": item["transcriptionStatus"],
            "attempts": item["attempts"],
            "error": item["error"],
            "metadata": {name: item[name] for name in METADATA_FIELDS},
            "transcript": _get_transcript(api, item),
        }
        for item in items
    ]


def _get_transcript(api: ApiClient, item: dict[str, Any]) -> dict[str, Any] | None:
    """Return the transcript document; only its preview if it is too large for the API."""
    if item["transcript"] is None:
        return None
    try:
        return api.transcript(item["id"])
    except requests.HTTPError:
        return {"text": item["transcript"]["preview"], "truncated": True}


def write_json(path: Path, recordings: list[dict[str, Any]]) -> None:
    """Write the file atomically, following a symbolic link; write directly to a pipe or device."""
    path = path.resolve()
    text = json.dumps(recordings, ensure_ascii=False, indent=2) + "\n"
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    temporary_path = path.with_name(f"{path.name}.part")
    try:
        temporary_path.write_text(text, encoding="utf-8", errors="replace")
        temporary_path.replace(path)
    finally:
        temporary_path.unlink(missing_ok=True)


def summary_lines(api: ApiClient) -> list[str]:
    """Return the count of completed recordings, and the name and error of the first of the others.

    Takes a few requests, however many recordings there are.
    """
    summary = api.summary()
    counts = {status: summary[status] for status in ("completed", *UNFINISHED)}
    total, others = sum(counts.values()), sum(counts[status] for status in UNFINISHED)
    lines = [f"{counts['completed']} of {total} recordings completed."]
    unfinished = chain.from_iterable(api.recordings(status, MAX_NAMED) for status in UNFINISHED if counts[status])
    for recording in islice(unfinished, MAX_NAMED):
        status, error = recording["transcriptionStatus"], recording["error"]
        reason = f": {describe_error(error)}" if error else ""
        lines.append(escape_unprintable(f"{status}: {PurePosixPath(recording['path']).name}{reason}"))
    if others > MAX_NAMED:
        lines.append(f"… and {others - MAX_NAMED} more.")
    return lines
