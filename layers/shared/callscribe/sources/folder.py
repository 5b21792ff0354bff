"""Recordings in a folder: on EFS, or on a local disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from callscribe.errors import PermanentError, RetryableError, SourceError
from callscribe.sources import Audio, Source, SourceFile
from callscribe.telemetry import logger


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
        self.unreadable = 0
        self._root = Path(os.path.normpath(path))
        self.prefix = f"{self._root}/".lstrip("/")

    def files(self) -> Iterator[SourceFile]:
        if not self._root.is_dir():
            what = "is not a folder" if self._root.exists() else "does not exist"
            raise SourceError(
                f"The recordings folder '{self._root}' {what}. "
                "Check RecordingsPath, and that the file system is mounted."
            )
        yield from self._walk(self._root)

    def _walk(self, folder: Path) -> Iterator[SourceFile]:
        """A folder's entries in the order of their keys: `a-b/x` before `a/x`, for `-` sorts before `/`.

        Links are passed over: they may lead out of the source, or round in a circle. What cannot be looked at is
        counted and does not keep the rest from being found.
        """
        try:
            with os.scandir(folder) as entries:
                found = [entry for entry in entries if not entry.is_symlink()]
        except OSError as error:
            if folder == self._root:
                raise SourceError(
                    f"The recordings folder '{folder}' cannot be listed ({error.strerror}). Check its permissions."
                ) from error
            self._pass_over(error)
            return
        for entry in sorted(found, key=_order):
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                try:
                    stat = entry.stat(follow_symlinks=False)
                except OSError as error:
                    self._pass_over(error)
                    continue
                yield SourceFile(
                    key=entry.path.lstrip("/"),
                    size=stat.st_size,
                    modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
                )

    def _pass_over(self, error: OSError) -> None:
        if isinstance(error, FileNotFoundError):  # deleted since it was listed
            return
        self.unreadable += 1
        logger.warning("a part of the recordings folder cannot be read", reason=error.strerror)

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


def _order(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")
