"""Whether recordings can be found where they should lie, tried from where they are looked for. Nothing is taken up."""

from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from callscribe.errors import ConfigurationError, SourceError
from callscribe.sources import open_source
from callscribe.sources.file_types import FileKind, classify

SAMPLE_SIZE = 1000
"""Files: one request to S3."""

NO_FILES_MESSAGE = (
    "The recordings path can be listed, and nothing lies there yet. Let the phone system put its recordings there."
)
NO_RECORDINGS_MESSAGE = (
    "The recordings path can be listed, but no name among its first {found} files is that of a recording. "
    "Look at the path, and at the extensions in the settings of this module."
)
OK_MESSAGE = "The recordings path can be listed: of its first {found} files, {audio} are recordings by their names."


def test_source(path: str, extensions: AbstractSet[str]) -> dict[str, Any]:
    """As the API answers with it: `ok`, a `code` for programs, and a `message` that tells a person what to do."""
    try:
        kinds = [classify(file.key, None, extensions) for file in islice(open_source(path).list_files(), SAMPLE_SIZE)]
    except (ConfigurationError, SourceError) as error:
        return {"ok": False, "code": error.code, "message": error.message}
    audio_count = kinds.count(FileKind.AUDIO)
    if not kinds:
        return {"ok": True, "code": "empty", "message": NO_FILES_MESSAGE}
    if not audio_count:
        return {"ok": False, "code": "no_recordings", "message": NO_RECORDINGS_MESSAGE.format(found=len(kinds))}
    return {"ok": True, "code": "ok", "message": OK_MESSAGE.format(found=len(kinds), audio=audio_count)}
