"""Test of the source: whether recordings can be listed at the configured path, and read. Nothing is ingested."""

from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from callscribe.errors import ConfigurationError, SourceError, TranscriptionError
from callscribe.sources import ARCHIVED, open_source
from callscribe.sources.file_types import FileKind, classify

SAMPLE_SIZE = 1000
"""Files that are listed: one request to S3."""

NO_FILES_MESSAGE = (
    "The recordings path can be listed, but it is empty. Configure the phone system to store its recordings there."
)
NO_RECORDINGS_MESSAGE = (
    "The recordings path can be listed, but none of its first {total} files is named like a recording. "
    "Check the path, and the file extensions in the settings of this module."
)
LISTED_MESSAGE = "The recordings path can be listed."
OK_MESSAGE = (
    "The recordings path can be listed, and its newest recording can be read: {recordings} of its first {total} files "
    "are named like recordings."
)
ARCHIVED_MESSAGE = (
    "{archived} of them are archived (S3 Glacier). They are counted as archived and are not sent. To have them "
    "transcribed, restore them."
)


def test_source(path: str, extensions: AbstractSet[str]) -> dict[str, Any]:
    """Return the result as the API shows it: `ok`, a `code` for programs, and a `message` that says what to do."""
    try:
        source = open_source(path)
        files = list(islice(source.list_files(), SAMPLE_SIZE))
        recordings = [file for file in files if classify(file.key, None, extensions) is FileKind.AUDIO]
        readable = [file for file in recordings if not file.is_archived]
        if readable:
            with source.open(max(readable, key=lambda file: file.modified_at).key) as audio:
                audio.read(1)
    except (ConfigurationError, SourceError, TranscriptionError) as error:
        return {"ok": False, "code": error.code, "message": error.message}
    if not files:
        return {"ok": True, "code": "empty", "message": NO_FILES_MESSAGE}
    if not recordings:
        return {"ok": False, "code": "no_recordings", "message": NO_RECORDINGS_MESSAGE.format(total=len(files))}
    message = OK_MESSAGE.format(recordings=len(recordings), total=len(files))
    archived_message = ARCHIVED_MESSAGE.format(archived=len(recordings) - len(readable))
    if not readable:
        return {"ok": False, "code": ARCHIVED, "message": f"{LISTED_MESSAGE} {archived_message}"}
    return {"ok": True, "code": "ok", "message": message if readable == recordings else f"{message} {archived_message}"}
