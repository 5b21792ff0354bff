"""Recordings in a folder: on EFS, or on a local disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from callscribe.errors import PermanentError, RetryableError, SourceError
from callscribe.sources import Audio, Source, SourceFile


class FolderAudio:
    """A file on disk as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.length = os.fstat(file.fileno()).st_size
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise RetryableError(
                f"Reading the audio file broke off ({error.strerror}).", code="audio_unreadable"
            ) from error


class FolderSource:
    """Keys are absolute paths without the leading slash, so that a narrower path finds the same records."""

    location = "file://"
    grows = True

    def __init__(self, path: str) -> None:
        self._root = Path(os.path.normpath(path))
        self.prefix = f"{self._root}/".lstrip("/")

    def files(self) -> Iterator[SourceFile]:
        if not self._root.is_dir():
            what = "is not a folder" if self._root.exists() else "does not exist"
            raise SourceError(
                f"The recordings folder '{self._root}' {what}. "
                "Check RecordingsPath, and that the file system is mounted."
            )
        try:
            yield from self._walk(self._root)
        except OSError as error:
            raise SourceError(
                f"The recordings folder '{self._root}' cannot be listed ({error.strerror}). Check its permissions."
            ) from error

    def _walk(self, folder: Path) -> Iterator[SourceFile]:
        """A folder's entries in the order of their keys: `a-b/x` before `a/x`, for `-` sorts before `/`."""
        with os.scandir(folder) as entries:
            found = [(os.fsencode(entry.name) + (b"/" if entry.is_dir() else b""), entry) for entry in entries]
        for name, entry in sorted(found, key=lambda each: each[0]):
            if name.endswith(b"/"):
                if not entry.is_symlink():  # a link may lead out of the source, or round in a circle
                    yield from self._walk(Path(entry.path))
                continue
            try:
                stat = entry.stat()
            except FileNotFoundError:  # deleted since it was listed, or a link to nothing
                continue
            if entry.is_file():
                yield SourceFile(
                    key=entry.path.lstrip("/"),
                    size=stat.st_size,
                    modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
                )

    def contains(self, other: Source) -> bool:
        # wherever links lead
        return Path(f"/{other.prefix}").resolve().is_relative_to(self._root.resolve())

    @contextmanager
    def open(self, key: str) -> Iterator[Audio]:
        try:
            file = Path(f"/{key}").open("rb")  # noqa: SIM115 — closed below
        except FileNotFoundError as error:
            raise PermanentError(
                "The audio file is gone from the folder. Put it back, then retry.", code="audio_missing"
            ) from error
        except OSError as error:
            raise RetryableError(
                f"The audio file cannot be opened ({error.strerror}). Check that the function's user may read it.",
                code="audio_unreadable",
            ) from error
        with file:
            yield FolderAudio(file)
