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
from callscribe.observability import logger
from callscribe.sources import Source, SourceFile

MAX_NAMES_IN_MEMORY = 50_000
"""Names of one folder that are held in memory: some 10 MB."""

MAX_DEPTH = 64
"""So many folders in one another are looked into. Each is held open meanwhile, of which a process may have 1,024."""

_PRIVATE_USE_BASE = 0x10FD00
ESCAPE_DECODE = {_PRIVATE_USE_BASE + byte: 0xDC00 + byte for byte in range(0x80, 0x100)}
"""Linux takes any bytes for a name, DynamoDB only UTF-8. Each byte that is none has a character of private use in the
key that stands for it; in Python it is a lone surrogate."""
ESCAPE_ENCODE = {surrogate: private for private, surrogate in ESCAPE_DECODE.items()} | {
    private: "".join(chr(_PRIVATE_USE_BASE + byte) for byte in chr(private).encode()) for private in ESCAPE_DECODE
}
"""The way back; a name that holds such a character itself has each of its bytes stood for."""


class FolderAudio:
    """A file on disk as it is read."""

    is_local = True

    def __init__(self, file: BinaryIO) -> None:
        self._stat_result = os.fstat(file.fileno())
        self.length = self._stat_result.st_size
        self._file = file

    def stat(self, key: str) -> SourceFile:
        return _source_file(key, self._stat_result)

    def read(self, size: int = -1, /) -> bytes:
        with _map_read_errors():
            return self._file.read(size)

    def read_at(self, offset: int, size: int) -> bytes:
        with _map_read_errors():
            return os.pread(self._file.fileno(), size, offset)


class FolderSource:
    """Keys are absolute paths without the leading slash, so that a narrower path finds the same records.

    Links above and in the configured path are the operator's, and followed. Below it, whoever may leave recordings may
    leave links too, at any moment: none is followed there, not even where a folder became one since it was looked at.
    """

    location = "file://"
    may_be_partial = True

    def __init__(self, path: str, *, configured_prefix: str | None = None) -> None:
        """`within`: the prefix of the configured source that this one is a part of."""
        self.unreadable_count = 0
        self._root = f"/{os.path.normpath(path).lstrip('/')}"
        self.prefix = f"{self._root}/".lstrip("/")
        self._configured_prefix = self.prefix if configured_prefix is None else configured_prefix

    def list_files(self, under: str = "", after: str = "") -> Iterator[SourceFile]:
        """In the order of the keys: `a-b/x` before `a/x`, for `-` sorts before `/`.

        Links are passed over: they may lead out of the source, or round in a circle. What cannot be looked at is
        counted and does not keep the rest from being found.
        """
        prefix = max(self.prefix, under, key=len)
        with ExitStack() as stack:
            folder_fd, keys = self._open_top(prefix[: prefix.rfind("/") + 1], stack)
            yield from self._walk(folder_fd, keys, prefix, after, MAX_DEPTH)

    def _walk(
        self, folder_fd: int, keys: Iterable[str], prefix: str, after: str, remaining_depth: int
    ) -> Iterator[SourceFile]:
        for key in keys:
            if key.endswith("/"):
                if key.startswith(prefix) and (key > after or after.startswith(key)):
                    with (
                        self._skip_unreadable(),
                        _open_folder(_entry_name(key), folder_fd, remaining_depth=remaining_depth) as child_fd,
                    ):
                        yield from self._walk(child_fd, sorted_keys(key, child_fd), prefix, after, remaining_depth - 1)
            elif key.startswith(prefix) and key > after:
                file = None
                with self._skip_unreadable():
                    file = _stat_entry(key, folder_fd)
                if file:
                    yield file

    def stat(self, key: str) -> SourceFile | None:
        # opened, for NFS and EFS tell of a file as it was up to a minute ago, unless it is opened
        try:
            with self.open(key) as audio:
                return audio.stat(key)
        except PermanentError:
            return None
        except RetryableError:
            if _is_not_regular_file(key):
                return None
            raise

    @contextmanager
    def _skip_unreadable(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):  # deleted, or become a link, since it was listed
            pass
        except (OSError, OverflowError, ValueError) as error:  # not readable, or of the year 11476
            self.unreadable_count += 1
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            logger.warning("a part of the recordings folder cannot be read", reason=reason)

    def _open_top(self, top: str, stack: ExitStack) -> tuple[int, Iterable[str]]:
        """The folder `top` as it is opened, and what lies in it."""
        try:
            folder_fd = stack.enter_context(_open_folder(key_to_path(self._configured_prefix)))
            for name in top.removeprefix(self._configured_prefix).split("/")[:-1]:
                folder_fd = stack.enter_context(_open_folder(_entry_name(name), folder_fd))
            return folder_fd, sorted_keys(top, folder_fd)
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

    def presigned_url(self, key: str, expires_in: int, *, content_type: str, disposition: str) -> str | None:  # noqa: ARG002
        return None

    def key_for_path(self, path: str) -> str:
        return os.path.normpath(path).lstrip("/")  # as it is shown, bytes that are no UTF-8 are stood for already

    def subsource(self, other: Source) -> Source | None:
        # As it is spelled: by another spelling, its files would get other keys, and second records.
        if not other.prefix.startswith(self.prefix):
            return None
        folder = self.prefix
        for name in other.prefix.removeprefix(self.prefix).split("/")[:-1]:
            folder += name
            if os.path.islink(key_to_path(folder)):  # noqa: PTH114 — pathlib's raises for a name that is too long
                return None
            folder += "/"
        return FolderSource(f"/{other.prefix}", configured_prefix=self._configured_prefix)

    def _open_beneath(self, key: str) -> BinaryIO:
        """Below the configured path from folder to folder, so that no link is followed, whenever it was made.

        Raises OSError; for a folder that is a link NotADirectoryError.
        """
        if not self._configured_prefix:  # the root, from which a recording that is known is opened
            return open(key_to_path(key), "rb", opener=_open_nonblocking)
        *folders, name = key.removeprefix(self._configured_prefix).split("/")
        with ExitStack() as stack:
            folder_fd = stack.enter_context(_open_folder(key_to_path(self._configured_prefix)))
            for each in folders:
                folder_fd = stack.enter_context(_open_folder(_entry_name(each), folder_fd))
            return open(_entry_name(name), "rb", opener=partial(_open_nonblocking, dir_fd=folder_fd))

    @contextmanager
    def open(self, key: str) -> Iterator[FolderAudio]:
        try:
            file = self._open_beneath(key)
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
def _map_read_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RetryableError(
            f"Reading the audio file broke off ({error.strerror}).", code="audio_unreadable"
        ) from error


@contextmanager
def _open_folder(path: str, parent_fd: int | None = None, *, remaining_depth: int = MAX_DEPTH) -> Iterator[int]:
    """A folder as it is opened: below an open one (`within`) only if it is no link. `levels`: how many more may be."""
    if not remaining_depth:
        raise OSError(errno.ENAMETOOLONG, "Too many folders in one another")
    nofollow_flag = 0 if parent_fd is None else os.O_NOFOLLOW
    folder_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | nofollow_flag, dir_fd=parent_fd)
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)


def sorted_keys(folder: str, folder_fd: int) -> Iterable[str]:
    """The keys of what lies directly in the open folder of this key, sorted; those of folders end with a slash.

    However many there are, no more than `AT_ONCE` are in memory: more are sorted in parts, on disk. Raises OSError.
    """
    batches = batched(_iter_keys(folder, folder_fd), MAX_NAMES_IN_MEMORY, strict=False)
    first_batch, second_batch = sorted(next(batches, ())), next(batches, None)
    return (
        first_batch
        if second_batch is None
        else merge(*map(_external_sort_run, chain((first_batch,), map(sorted, chain((second_batch,), batches)))))
    )


def key_to_path(key: str) -> str:
    """The path of the file of this key."""
    return f"/{key if key.isascii() else key.translate(ESCAPE_DECODE)}"


def path_to_key(path: str) -> str:
    """The key of the file at this absolute path."""
    key = path.lstrip("/")
    return key if key.isascii() else key.translate(ESCAPE_ENCODE)


def _entry_name(key: str) -> str:
    """The name of the file or folder of this key, within the folder that it lies in."""
    return key_to_path(key.rstrip("/").rpartition("/")[2])[1:]


def _iter_keys(folder: str, folder_fd: int) -> Iterator[str]:
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            if not entry.is_symlink():
                name = entry.name if entry.name.isascii() else entry.name.translate(ESCAPE_ENCODE)
                yield f"{folder}{name}/" if entry.is_dir(follow_symlinks=False) else folder + name


def _external_sort_run(keys: list[str]) -> Iterator[str]:
    """The same keys, from a file of our own. A key holds no NUL, but it may hold the end of a line."""
    file = TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115 — closed by who reads it
    file.writelines(key.replace("\n", "\0") + "\n" for key in keys)
    file.seek(0)
    return _iter_run(file)


def _iter_run(file: IO[str]) -> Iterator[str]:
    with file:
        for line in file:
            yield line[:-1].replace("\0", "\n")


def _stat_entry(key: str, folder_fd: int) -> SourceFile | None:
    stat_result = os.stat(_entry_name(key), dir_fd=folder_fd, follow_symlinks=False)
    return _source_file(key, stat_result) if stat.S_ISREG(stat_result.st_mode) else None


def _source_file(key: str, stat_result: os.stat_result) -> SourceFile:
    # A time of change that was set can lie in the future, and would keep a file waiting until then. When it was set is
    # known by the clock of the file system, and no content has changed since.
    modified_timestamp = min(stat_result.st_mtime, stat_result.st_ctime)
    return SourceFile(key=key, size=stat_result.st_size, modified_at=datetime.fromtimestamp(modified_timestamp, UTC))


def _is_not_regular_file(key: str) -> bool:
    """Whether a folder, a link or a pipe is where a file was."""
    try:
        return not stat.S_ISREG(os.lstat(key_to_path(key)).st_mode)
    except OSError:
        return False


def _open_nonblocking(path: str, flags: int, *, dir_fd: int | None = None) -> int:
    """What was a file when it was listed may be something else by now.

    A pipe, whose opening would wait for a writer; or a link, to what is nobody's recording.
    """
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=dir_fd)
