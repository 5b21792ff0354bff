"""Test of the source: whether recordings can be listed at the configured path. Nothing is ingested."""

from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from callscribe.errors import ConfigurationError, SourceError
from callscribe.sources import open_source
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
OK_MESSAGE = "The recordings path can be listed: {recordings} of its first {total} files are named like recordings."


def test_source(path: str, extensions: AbstractSet[str]) -> dict[str, Any]:
    """Return the result as the API shows it: `ok`, a `code` for programs, and a `message` that says what to do."""
    try:
        kinds = [classify(file.key, None, extensions) for file in islice(open_source(path).list_files(), SAMPLE_SIZE)]
    except (ConfigurationError, SourceError) as error:
        return {"ok": False, "code": error.code, "message": error.message}
    recordings = kinds.count(FileKind.AUDIO)
    if not kinds:
        return {"ok": True, "code": "empty", "message": NO_FILES_MESSAGE}
    if not recordings:
        return {"ok": False, "code": "no_recordings", "message": NO_RECORDINGS_MESSAGE.format(total=len(kinds))}
    message = OK_MESSAGE.format(recordings=recordings, total=len(kinds))
    return {"ok": True, "code": "ok", "message": message}
