"""Recordings in a folder: on EFS, or on a local disk."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from callscribe.errors import PermanentError, RetryableError, SourceError
from callscribe.sources import AudioFile, Source, SourceFile
from callscribe.telemetry import logger


class FolderAudio:
    """A file on disk as it is read."""

    local = True

    def __init__(self, file: BinaryIO) -> None:
        self.length = os.fstat(file.fileno()).st_size
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        with _reading():
            return self._file.read(size)

    def read_at(self, offset: int, size: int) -> bytes:
        with _reading():
            return os.pread(self._file.fileno(), size, offset)


class FolderSource:
    """Keys are absolute paths without the leading slash, so that a narrower path finds the same records."""

    location = "file://"
    grows = True

    def __init__(self, path: str) -> None:
        self.unreadable = 0
        self._root = Path(os.path.normpath(path))
        self.prefix = f"{self._root}/".lstrip("/")

    def files(self) -> Iterator[SourceFile]:
        """In the order of the keys: `a-b/x` before `a/x`, for `-` sorts before `/`.

        Links are passed over: they may lead out of the source, or round in a circle. What cannot be looked at is
        counted and does not keep the rest from being found.
        """
        under_way = [iter(self._root_entries())]
        while under_way:
            entry = next(under_way[-1], None)
            if entry is None:
                under_way.pop()
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    under_way.append(iter(_entries(entry.path)))
                elif entry.is_file(follow_symlinks=False):
                    yield _source_file(entry)
            except FileNotFoundError:  # deleted since it was listed
                continue
            except (OSError, OverflowError, ValueError) as error:  # not readable, or of the year 11476
                self.unreadable += 1
                reason = error.strerror if isinstance(error, OSError) else type(error).__name__
                logger.warning("a part of the recordings folder cannot be read", reason=reason)

    def _root_entries(self) -> list[os.DirEntry[str]]:
        try:
            return _entries(self._root)
        except FileNotFoundError as error:
            raise SourceError(
                f"The recordings folder '{self._root}' does not exist. "
                "Check RecordingsPath, and that the file system is mounted."
            ) from error
        except NotADirectoryError as error:
            raise SourceError(f"The recordings folder '{self._root}' is not a folder. Check RecordingsPath.") from error
        except OSError as error:
            raise SourceError(
                f"The recordings folder '{self._root}' cannot be listed ({error.strerror}). Check its permissions."
            ) from error

    def contains(self, other: Source) -> bool:
        # wherever links lead
        try:
            return Path(f"/{other.prefix}").resolve().is_relative_to(self._root.resolve())
        except OSError:  # a name that is too long, say
            return False

    @contextmanager
    def open(self, key: str) -> Iterator[AudioFile]:
        try:
            file = open(f"/{key}", "rb", opener=_without_waiting)  # noqa: SIM115 — closed below
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
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RetryableError("Where the audio was is no file any more.", code="audio_unreadable")
            yield FolderAudio(file)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RetryableError(
            f"Reading the audio file broke off ({error.strerror}).", code="audio_unreadable"
        ) from error


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not entry.is_symlink()]
    return sorted(found, key=_order)


def _order(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _source_file(entry: os.DirEntry[str]) -> SourceFile:
    status = entry.stat(follow_symlinks=False)
    return SourceFile(
        key=entry.path.lstrip("/"), size=status.st_size, modified_at=datetime.fromtimestamp(status.st_mtime, UTC)
    )


def _without_waiting(path: str, flags: int) -> int:
    """What was a file when it was listed may be a pipe by now, whose opening would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)
