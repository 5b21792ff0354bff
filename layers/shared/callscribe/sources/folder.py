"""Recordings in a folder: on EFS, or on a local disk."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from callscribe.errors import PermanentError, RetryableError, SourceError
from callscribe.sources import AudioFile, Source, SourceFile
from callscribe.telemetry import logger

DEEPEST = 64
"""So many folders in one another are looked into. Each is held open meanwhile, of which a process may have 1,024."""


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
    """Keys are absolute paths without the leading slash, so that a narrower path finds the same records.

    Links above and in the configured path are the operator's, and followed. Below it, whoever may leave recordings may
    leave links too, at any moment: none is followed there, not even where a folder became one since it was looked at.
    """

    location = "file://"
    grows = True

    def __init__(self, path: str, *, configured: Path | None = None) -> None:
        self.unreadable = 0
        self._root = Path(f"/{os.path.normpath(path).lstrip('/')}")
        self._configured = configured or self._root
        self.prefix = f"{self._root}/".lstrip("/")

    def files(self) -> Iterator[SourceFile]:
        """In the order of the keys: `a-b/x` before `a/x`, for `-` sorts before `/`.

        Links are passed over: they may lead out of the source, or round in a circle. What cannot be looked at is
        counted and does not keep the rest from being found.
        """
        with ExitStack() as opened:
            folder, entries = self._open_root(opened)
            yield from self._below(folder, entries, self.prefix, DEEPEST)

    def _below(self, folder: int, entries: list[os.DirEntry[str]], prefix: str, levels: int) -> Iterator[SourceFile]:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    with _opened(entry.name, folder, levels=levels) as deeper:
                        yield from self._below(deeper, _entries(deeper), f"{prefix}{entry.name}/", levels - 1)
                elif entry.is_file(follow_symlinks=False):
                    yield _source_file(entry, prefix)
            except (FileNotFoundError, NotADirectoryError):  # deleted, or become a link, since it was listed
                continue
            except (OSError, OverflowError, ValueError) as error:  # not readable, or of the year 11476
                self.unreadable += 1
                reason = error.strerror if isinstance(error, OSError) else type(error).__name__
                logger.warning("a part of the recordings folder cannot be read", reason=reason)

    def _open_root(self, opened: ExitStack) -> tuple[int, list[os.DirEntry[str]]]:
        try:
            folder = opened.enter_context(_opened(self._configured))
            for name in self._root.relative_to(self._configured).parts:
                folder = opened.enter_context(_opened(name, folder))
            return folder, _entries(folder)
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

    def part(self, other: Source) -> Source | None:
        # As it is spelled: by another spelling, its files would get other keys, and second records.
        if not other.prefix.startswith(self.prefix):
            return None
        folder = self._root
        for name in Path(other.prefix.removeprefix(self.prefix)).parts:
            folder /= name
            if os.path.islink(folder):  # noqa: PTH114 — pathlib's raises for a name that is too long
                return None
        return FolderSource(f"/{other.prefix}", configured=self._configured)

    @contextmanager
    def open(self, key: str) -> Iterator[AudioFile]:
        try:
            file = open(f"/{key}", "rb", opener=_without_waiting)  # noqa: SIM115 — closed below
        except FileNotFoundError as error:
            raise PermanentError(
                "The audio file is gone from the folder. Put it back, then retry.", code="audio_missing"
            ) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise RetryableError(
                    "Where the audio was is a link, and links are not followed. Put the file itself there.",
                    code="audio_unreadable",
                ) from error
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


@contextmanager
def _opened(path: str | Path, within: int | None = None, *, levels: int = DEEPEST) -> Iterator[int]:
    """A folder as it is opened: below an open one (`within`) only if it is no link. `levels`: how many more may be."""
    if not levels:
        raise OSError(errno.ENAMETOOLONG, "Too many folders in one another")
    no_link = 0 if within is None else os.O_NOFOLLOW
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | no_link, dir_fd=within)
    try:
        yield folder
    finally:
        os.close(folder)


def _entries(folder: int) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not entry.is_symlink()]
    return sorted(found, key=_order)


def _order(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _source_file(entry: os.DirEntry[str], prefix: str) -> SourceFile:
    """Its folder is open still."""
    status = entry.stat(follow_symlinks=False)
    return SourceFile(
        key=f"{prefix}{entry.name}", size=status.st_size, modified_at=datetime.fromtimestamp(status.st_mtime, UTC)
    )


def _without_waiting(path: str, flags: int) -> int:
    """What was a file when it was listed may be something else by now.

    A pipe, whose opening would wait for a writer; or a link, to what is nobody's recording.
    """
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
