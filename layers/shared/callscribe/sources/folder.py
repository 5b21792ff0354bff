"""Recordings in a folder: on EFS, or on a local disk."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from heapq import merge
from itertools import batched, chain
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from callscribe.errors import PermanentError, RetryableError, SourceError
from callscribe.sources import Source, SourceFile
from callscribe.telemetry import logger

AT_ONCE = 50_000
"""Names of one folder that are held in memory: some 10 MB."""

DEEPEST = 64
"""So many folders in one another are looked into. Each is held open meanwhile, of which a process may have 1,024."""

_PRIVATE = 0x10FD00
BYTES = {_PRIVATE + byte: 0xDC00 + byte for byte in range(0x80, 0x100)}
"""Linux takes any bytes for a name, DynamoDB only UTF-8. Each byte that is none has a character of private use in the
key that stands for it; in Python it is a lone surrogate."""
STANDING = {surrogate: private for private, surrogate in BYTES.items()} | {
    private: "".join(chr(_PRIVATE + byte) for byte in chr(private).encode()) for private in BYTES
}
"""The way back; a name that holds such a character itself has each of its bytes stood for."""


class FolderAudio:
    """A file on disk as it is read."""

    local = True

    def __init__(self, file: BinaryIO) -> None:
        self._status = os.fstat(file.fileno())
        self.length = self._status.st_size
        self._file = file

    def listed(self, key: str) -> SourceFile:
        return _source_file(key, self._status)

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

    def __init__(self, path: str, *, within: str | None = None) -> None:
        """`within`: the prefix of the configured source that this one is a part of."""
        self.unreadable = 0
        self._root = f"/{os.path.normpath(path).lstrip('/')}"
        self.prefix = f"{self._root}/".lstrip("/")
        self._configured = self.prefix if within is None else within

    def files(self, under: str = "", after: str = "") -> Iterator[SourceFile]:
        """In the order of the keys: `a-b/x` before `a/x`, for `-` sorts before `/`.

        Links are passed over: they may lead out of the source, or round in a circle. What cannot be looked at is
        counted and does not keep the rest from being found.
        """
        prefix = max(self.prefix, under, key=len)
        with ExitStack() as opened:
            folder, keys = self._first(prefix[: prefix.rfind("/") + 1], opened)
            yield from self._below(folder, keys, prefix, after, DEEPEST)

    def _below(self, folder: int, keys: Iterable[str], prefix: str, after: str, levels: int) -> Iterator[SourceFile]:
        for key in keys:
            if key.endswith("/"):
                if key.startswith(prefix) and (key > after or after.startswith(key)):
                    with self._tolerating(), _opened(_name(key), folder, levels=levels) as deeper:
                        yield from self._below(deeper, sorted_keys(key, deeper), prefix, after, levels - 1)
            elif key.startswith(prefix) and key > after:
                found = None
                with self._tolerating():
                    found = _listed(key, folder)
                if found:
                    yield found

    def look(self, key: str) -> SourceFile | None:
        # opened, for NFS and EFS tell of a file as it was up to a minute ago, unless it is opened
        try:
            with self.open(key) as audio:
                return audio.listed(key)
        except PermanentError:
            return None
        except RetryableError:
            if _is_something_else(key):
                return None
            raise

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):  # deleted, or become a link, since it was listed
            pass
        except (OSError, OverflowError, ValueError) as error:  # not readable, or of the year 11476
            self.unreadable += 1
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            logger.warning("a part of the recordings folder cannot be read", reason=reason)

    def _first(self, top: str, opened: ExitStack) -> tuple[int, Iterable[str]]:
        """The folder `top` as it is opened, and what lies in it."""
        try:
            folder = opened.enter_context(_opened(path_of(self._configured)))
            for name in top.removeprefix(self._configured).split("/")[:-1]:
                folder = opened.enter_context(_opened(_name(name), folder))
            return folder, sorted_keys(top, folder)
        except FileNotFoundError as error:
            if top != self.prefix:
                return -1, ()
            raise SourceError(
                f"The recordings folder '{self._root}' does not exist. "
                "Check the recordings path, and that the file system is mounted."
            ) from error
        except NotADirectoryError as error:
            if top != self.prefix:
                return -1, ()
            raise SourceError(f"The recordings folder '{self._root}' is not a folder. Correct its path.") from error
        except OSError as error:
            raise SourceError(
                f"The recordings folder '{self._root}' cannot be listed ({error.strerror}). Check its permissions."
            ) from error

    def link(self, key: str, seconds: int, *, content_type: str, disposition: str) -> str | None:  # noqa: ARG002
        return None

    def key(self, path: str) -> str:
        return os.path.normpath(path).lstrip("/")  # as it is shown, bytes that are no UTF-8 are stood for already

    def part(self, other: Source) -> Source | None:
        # As it is spelled: by another spelling, its files would get other keys, and second records.
        if not other.prefix.startswith(self.prefix):
            return None
        folder = self.prefix
        for name in other.prefix.removeprefix(self.prefix).split("/")[:-1]:
            folder += name
            if os.path.islink(path_of(folder)):  # noqa: PTH114 — pathlib's raises for a name that is too long
                return None
            folder += "/"
        return FolderSource(f"/{other.prefix}", within=self._configured)

    def _open(self, key: str) -> BinaryIO:
        """Below the configured path from folder to folder, so that no link is followed, whenever it was made.

        Raises OSError; for a folder that is a link NotADirectoryError.
        """
        if not self._configured:  # the root, from which a recording that is known is opened
            return open(path_of(key), "rb", opener=_without_waiting)
        *folders, name = key.removeprefix(self._configured).split("/")
        with ExitStack() as opened:
            folder = opened.enter_context(_opened(path_of(self._configured)))
            for each in folders:
                folder = opened.enter_context(_opened(_name(each), folder))
            return open(_name(name), "rb", opener=partial(_without_waiting, dir_fd=folder))

    @contextmanager
    def open(self, key: str) -> Iterator[FolderAudio]:
        try:
            file = self._open(key)
        except (FileNotFoundError, NotADirectoryError) as error:  # the latter where its folder has become a file
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
def _opened(path: str, within: int | None = None, *, levels: int = DEEPEST) -> Iterator[int]:
    """A folder as it is opened: below an open one (`within`) only if it is no link. `levels`: how many more may be."""
    if not levels:
        raise OSError(errno.ENAMETOOLONG, "Too many folders in one another")
    no_link = 0 if within is None else os.O_NOFOLLOW
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | no_link, dir_fd=within)
    try:
        yield folder
    finally:
        os.close(folder)


def sorted_keys(folder: str, opened: int) -> Iterable[str]:
    """The keys of what lies directly in the open folder of this key, sorted; those of folders end with a slash.

    However many there are, no more than `AT_ONCE` are in memory: more are sorted in parts, on disk. Raises OSError.
    """
    parts = batched(_keys(folder, opened), AT_ONCE, strict=False)
    first, second = sorted(next(parts, ())), next(parts, None)
    return first if second is None else merge(*map(_spilled, chain((first,), map(sorted, chain((second,), parts)))))


def path_of(key: str) -> str:
    """The path of the file of this key."""
    return f"/{key if key.isascii() else key.translate(BYTES)}"


def key_of(path: str) -> str:
    """The key of the file at this absolute path."""
    key = path.lstrip("/")
    return key if key.isascii() else key.translate(STANDING)


def _name(key: str) -> str:
    """The name of the file or folder of this key, within the folder that it lies in."""
    return path_of(key.rstrip("/").rpartition("/")[2])[1:]


def _keys(folder: str, opened: int) -> Iterator[str]:
    with os.scandir(opened) as entries:
        for entry in entries:
            if not entry.is_symlink():
                name = entry.name if entry.name.isascii() else entry.name.translate(STANDING)
                yield f"{folder}{name}/" if entry.is_dir(follow_symlinks=False) else folder + name


def _spilled(keys: list[str]) -> Iterator[str]:
    """The same keys, from a file of our own. A key holds no NUL, but it may hold the end of a line."""
    file = TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115 — closed by who reads it
    file.writelines(key.replace("\n", "\0") + "\n" for key in keys)
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[str]) -> Iterator[str]:
    with file:
        for line in file:
            yield line[:-1].replace("\0", "\n")


def _listed(key: str, folder: int) -> SourceFile | None:
    status = os.stat(_name(key), dir_fd=folder, follow_symlinks=False)
    return _source_file(key, status) if stat.S_ISREG(status.st_mode) else None


def _source_file(key: str, status: os.stat_result) -> SourceFile:
    # A time of change that was set can lie in the future, and would keep a file waiting until then. When it was set is
    # known by the clock of the file system, and no content has changed since.
    written = min(status.st_mtime, status.st_ctime)
    return SourceFile(key=key, size=status.st_size, modified_at=datetime.fromtimestamp(written, UTC))


def _is_something_else(key: str) -> bool:
    """Whether a folder, a link or a pipe is where a file was."""
    try:
        return not stat.S_ISREG(os.lstat(path_of(key)).st_mode)
    except OSError:
        return False


def _without_waiting(path: str, flags: int, *, dir_fd: int | None = None) -> int:
    """What was a file when it was listed may be something else by now.

    A pipe, whose opening would wait for a writer; or a link, to what is nobody's recording.
    """
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=dir_fd)
