"""Whether recordings can be found where they should lie, tried from where they are looked for. Nothing is taken up."""

from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from callscribe.errors import ConfigurationError, SourceError
from callscribe.ingest import Ingest, classify
from callscribe.sources import open_source

LOOKED_AT = 1000
"""Files: one request to S3."""

NOTHING = (
    "The recordings path can be listed, and nothing lies there yet. Let the phone system put its recordings there."
)
NO_RECORDING = (
    "The recordings path can be listed, but no name among its first {found} files is that of a recording. "
    "Look at the path, and at the extensions in the settings of this module."
)
FOUND = "The recordings path can be listed: of its first {found} files, {audio} are recordings by their names."


def tried(path: str, extensions: AbstractSet[str]) -> dict[str, Any]:
    """As the API answers with it: `ok`, a `code` for programs, and a `message` that tells a person what to do."""
    try:
        kinds = [classify(file.key, None, extensions) for file in islice(open_source(path).files(), LOOKED_AT)]
    except (ConfigurationError, SourceError) as error:
        return {"ok": False, "code": error.code, "message": error.message}
    audio = kinds.count(Ingest.AUDIO)
    if not kinds:
        return {"ok": True, "code": "empty", "message": NOTHING}
    if not audio:
        return {"ok": False, "code": "no_recordings", "message": NO_RECORDING.format(found=len(kinds))}
    return {"ok": True, "code": "ok", "message": FOUND.format(found=len(kinds), audio=audio)}
