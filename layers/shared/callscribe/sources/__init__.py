"""Recording sources: list and open recordings in S3 or in a folder, behind one interface. Nothing else opens audio."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callscribe.errors import ConfigurationError
from callscribe.recordings.recording import MAX_KEY_BYTES

ARCHIVED = "archived"
"""The error code of a file that S3 has archived."""

AUDIO_MISSING = "audio_missing"
"""The error code of a file that does not exist."""

PATH_ADVICE = "It must be s3://BUCKET/PREFIX/ or the absolute path of a folder such as /mnt/recordings"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as its source lists it. `size` in bytes, `modified_at` in UTC, `etag` only from S3.

    `is_archived`: S3 does not return its contents until somebody restores it.
    """

    key: str
    size: int
    modified_at: datetime
    etag: str | None = None
    is_archived: bool = False

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def fingerprint(self) -> str:
        """Changes when the file is replaced or modified."""
        return f"{self.size} {self.etag or self.modified_at.timestamp()}"


class Audio(Protocol):
    """An upload body: its length in bytes, and a `read` that keeps at most `size` bytes in memory."""

    length: int

    def read(self, size: int = -1, /) -> bytes: ...


class AudioFile(Audio, Protocol):
    """An open file: a stream from its beginning, with additional random access."""

    is_local: bool
    """Whether `read_at` reads from a disk. Otherwise each call is a request to AWS."""

    def read_at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`, fewer only at the end of the file. Does not move the position of `read`.

        Raises: RetryableError.
        """


class OpenFile(AudioFile, Protocol):
    """An open file of a source, in the version that was opened."""

    def stat(self, key: str) -> SourceFile:
        """The opened version, as its source would list it under this key."""


class Source(Protocol):
    """A source of recordings. `location` and a key address a file.

    A source lists and opens only keys that begin with `prefix`.
    """

    location: str
    prefix: str
    may_be_partial: bool
    """Whether a listed file may change without notice: in a folder yes, in S3 only by another upload."""
    unreadable_count: int
    """How many entries `list_files` has skipped so far because it could not read them."""

    def list_files(self, under: str = "", after: str = "") -> Iterator[SourceFile]:
        """All files whose key begins with the source's prefix and with `under`, and is greater than `after`.

        Sorted by the UTF-8 bytes of the key, which is how Python sorts texts.

        Raises: SourceError.
        """

    def stat(self, key: str) -> SourceFile | None:
        """The current state of a file; None if it does not exist.

        Raises: RetryableError.
        """

    def read_at(self, file: SourceFile, offset: int, size: int) -> bytes | None:
        """At most `size` bytes of a listed file from `offset`; None if it has changed since. One request to S3.

        Raises: as `open`.
        """

    def open(self, key: str) -> AbstractContextManager[OpenFile]:
        """Open a file.

        Raises: PermanentError, if the file does not exist; AudioRefused, if a permission is missing or the file is
        archived; RetryableError, if it cannot be read now.
        """

    def presigned_url(self, key: str, expires_in: int, *, content_type: str, disposition: str) -> str | None:
        """A URL to download the file without credentials, valid for `expires_in` seconds; None if not supported.

        The response has these headers. No request is made, so the file may not exist.
        """

    def key_for_path(self, path: str) -> str:
        """The key of the file with this full path, which is inside the source."""

    def subsource(self, other: "Source") -> "Source | None":
        """A source for `other`, which has the same location, if it is inside this one; otherwise None."""


def open_source(path: str) -> Source:
    """The source at `path`: `s3://bucket/prefix/` or the absolute path of a folder.

    Raises: ConfigurationError, for any other path.
    """
    if not _is_valid_path(path):
        raise ConfigurationError(f"The recordings path contains an invalid character. {PATH_ADVICE}.")
    if path.startswith("s3://"):
        from callscribe.sources.s3 import S3Source

        return S3Source(path)
    if path.startswith("/"):
        from callscribe.sources.folder import FolderSource

        return FolderSource(path)
    problem = f"The recordings path '{path}' is invalid" if path else "The recordings path is not set"
    raise ConfigurationError(f"{problem}. {PATH_ADVICE}.")


def open_for_recording(location: str) -> Source:
    """The source of a known recording, by its `location`."""
    return open_source(location.removeprefix("file://") or "/")


def open_subsource(root: str, path: str) -> Source:
    """The source at `path`, which must be inside the configured recordings path `root`.

    Raises: ConfigurationError, if it is outside or either path is invalid.
    """
    if subsource := _find_subsource(root, path):
        return subsource
    raise ConfigurationError(f"'{path}' is outside the configured recordings path. Name a folder inside it.")


def _find_subsource(root: str, path: str) -> Source | None:
    outer, inner = open_source(root), open_source(path)
    return outer.subsource(inner) if inner.location == outer.location else None


def resolve_key(root: str, path: str) -> str:
    """The key of the file at `path`, which must be inside the configured recordings path `root`.

    Raises: ConfigurationError, if it is outside or the path is invalid.
    """
    folder, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise ConfigurationError(f"'{path}' names no file. Enter its full path, such as s3://BUCKET/2026/call.wav.")
    if not _is_valid_path(name):
        raise ConfigurationError("The path contains an invalid character.")
    subsource = _find_subsource(root, f"{folder}/")
    if subsource is None:
        raise ConfigurationError(f"'{path}' is outside the configured recordings path. Name a file inside it.")
    key = subsource.key_for_path(path)
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ConfigurationError(f"The path is too long. The maximum is {MAX_KEY_BYTES} bytes.")
    return key


def _is_valid_path(path: str) -> bool:
    """Neither S3 nor a file system accepts a NUL or a lone surrogate."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in path
