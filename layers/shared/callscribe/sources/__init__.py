"""Where recordings lie: the only rooms that list and open audio. One module a kind of place, behind one interface."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callscribe.errors import ConfigurationError
from callscribe.recordings.recording import MAX_KEY_BYTES

PATH_ADVICE = "It must be s3://BUCKET/PREFIX/ or the absolute path of a folder such as /mnt/recordings"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as its source lists it. `size` in bytes, `modified_at` in UTC, `etag` only where the source has one."""

    key: str
    size: int
    modified_at: datetime
    etag: str | None = None

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def fingerprint(self) -> str:
        """Tells this file from another one that lies there later."""
        return f"{self.size} {self.etag or self.modified_at.timestamp()}"


class Audio(Protocol):
    """What is sent: its length in bytes, and a `read` that holds no more of it than asked for."""

    length: int

    def read(self, size: int = -1, /) -> bytes: ...


class AudioFile(Audio, Protocol):
    """An opened file: it is read once from its beginning, and looked into anywhere besides."""

    is_local: bool
    """Whether `read_at` reads a disk; where it does not, each call is a request to AWS."""

    def read_at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on, fewer only at the end. `read` goes on where it was.

        Raises RetryableError.
        """


class OpenFile(AudioFile, Protocol):
    """A file of a source, as it was when it was opened."""

    def stat(self, key: str) -> SourceFile:
        """As its source lists it, under this key."""


class Source(Protocol):
    """`location` and a key together address a file; a source lists and opens only keys that begin with `prefix`."""

    location: str
    prefix: str
    may_be_partial: bool
    """Whether a file can be seen while it is still being written: in a folder yes, in S3 never."""
    unreadable_count: int
    """Entries that could not be looked at while `files` went on, so far."""

    def list_files(self, under: str = "", after: str = "") -> Iterator[SourceFile]:
        """Everything whose key begins with the prefix, and with `under`; only what lies behind the key `after`.

        Sorted by the UTF-8 bytes of the key, as texts sort in Python. Raises SourceError.
        """

    def stat(self, key: str) -> SourceFile | None:
        """The file as it is at this moment, asked for by its name; None if there is none. Raises RetryableError."""

    def open(self, key: str) -> AbstractContextManager[OpenFile]:
        """Raises PermanentError when the file is gone, RetryableError when it cannot be read now."""

    def presigned_url(self, key: str, expires_in: int, *, content_type: str, disposition: str) -> str | None:
        """An address that hands out the file to anybody for so long, with these headers; None where there is no such.

        Nothing is asked for: whether the file is there is not known.
        """

    def key_for_path(self, path: str) -> str:
        """The key of the file that is shown with this path of the source."""

    def subsource(self, other: "Source") -> "Source | None":
        """The other source of the same location as a part of this one; None where it is none."""


def open_source(path: str) -> Source:
    """The source at `path`: `s3://bucket/prefix/`, or a folder. Raises ConfigurationError for anything else."""
    if not _is_valid_path(path):
        raise ConfigurationError(f"The recordings path holds a character that no path can hold. {PATH_ADVICE}.")
    if path.startswith("s3://"):
        from callscribe.sources.s3 import S3Source

        return S3Source(path)
    if path.startswith("/"):
        from callscribe.sources.folder import FolderSource

        return FolderSource(path)
    raise ConfigurationError(
        f"The recordings path '{path}' is none. {PATH_ADVICE}."
        if path
        else f"There is no recordings path. {PATH_ADVICE}."
    )


def open_for_recording(location: str) -> Source:
    """The source of a recording that is known, by its `location`."""
    return open_source(location.removeprefix("file://") or "/")


def open_subsource(root: str, path: str) -> Source:
    """The source at `path`, which must lie inside the configured one at `root`. Raises ConfigurationError."""
    outer, inner = open_source(root), open_source(path)
    subsource = outer.subsource(inner) if inner.location == outer.location else None
    if subsource is None:
        raise ConfigurationError(f"'{path}' lies outside of the configured recordings path. Name a folder within it.")
    return subsource


def resolve_key(root: str, path: str) -> str:
    """The key of the file at `path`, which must lie inside the source at `root`. Raises ConfigurationError."""
    folder, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise ConfigurationError(f"'{path}' names no file. Give its whole path, such as s3://BUCKET/2026/call.wav.")
    if not _is_valid_path(name):
        raise ConfigurationError("The path holds a character that no path can hold.")
    key = open_subsource(root, f"{folder}/").key_for_path(path)
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ConfigurationError(f"The path is too long: {MAX_KEY_BYTES} bytes are allowed.")
    return key


def _is_valid_path(path: str) -> bool:
    """Neither S3 nor a file system can be asked for a NUL, or for half of a UTF-16 pair."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in path
