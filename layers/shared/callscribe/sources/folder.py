"""Recordings in a folder, on EFS or on a local disk."""

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

from callscribe.errors import AudioRefused, PermanentError, RetryableError, SourceError
from callscribe.observability import logger
from callscribe.sources import AUDIO_MISSING, Source, SourceFile
from callscribe.sources.folder_keys import escape_name, key_to_path

MAX_NAMES_IN_MEMORY = 50_000
"""Names of one folder, about 10 MB. More are sorted on disk."""

MAX_DEPTH = 64
"""Nested folders that are listed. Each stays open while its contents are listed, and a process may have 1,024 open."""


class FolderAudio:
    """An open file on disk."""

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
    """A folder with recordings. Keys are absolute paths without the leading slash, so a subfolder has the same keys.

    Symbolic links in the configured path belong to the operator, and are followed. Below it, anyone who can write
    recordings can create links at any time, so none is followed there, even if it has just replaced a folder.
    """

    location = "file://"
    may_be_partial = True

    def __init__(self, path: str, *, configured_prefix: str | None = None) -> None:
        """`configured_prefix`: that of the configured source, if `path` is a subfolder of it."""
        self.unreadable_count = 0
        self._root = f"/{os.path.normpath(path).lstrip('/')}"
        self.prefix = f"{self._root}/".lstrip("/")
        self._configured_prefix = self.prefix if configured_prefix is None else configured_prefix

    def list_files(self, under: str = "", after: str = "") -> Iterator[SourceFile]:
        """All files in the order of their keys: `a-b/x` before `a/x`, because `-` sorts before `/`.

        Symbolic links are ignored: they may lead out of the source or form a loop. Entries that cannot be read are
        counted, and do not prevent the others from being listed.
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
                    stat_result = os.stat(_entry_name(key), dir_fd=folder_fd, follow_symlinks=False)
                    file = _source_file(key, stat_result) if stat.S_ISREG(stat_result.st_mode) else None
                if file:
                    yield file

    def stat(self, key: str) -> SourceFile | None:
        # opened, because NFS and EFS report attributes that are up to a minute old unless the file is opened
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
        except (FileNotFoundError, NotADirectoryError):  # deleted, or replaced by a link, since it was listed
            pass
        except (OSError, OverflowError, ValueError) as error:  # unreadable, or modified in the year 11476
            self.unreadable_count += 1
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            logger.warning("folder entry unreadable", reason=reason)

    def _open_top(self, top: str, stack: ExitStack) -> tuple[int, Iterable[str]]:
        """The descriptor of the folder `top`, and the keys in it; none if `top` is a subfolder that does not exist.

        Raises: SourceError.
        """
        try:
            folder_fd = self._open_parent(top, stack)
            return folder_fd, sorted_keys(top, folder_fd)
        except (FileNotFoundError, NotADirectoryError) as error:
            if top != self.prefix:
                return -1, ()
            problem = (
                "does not exist. Check the recordings path, and that the file system is mounted"
                if isinstance(error, FileNotFoundError)
                else "is not a folder. Correct the recordings path"
            )
            raise SourceError(f"The recordings folder '{self._root}' {problem}.") from error
        except OSError as error:
            raise SourceError(
                f"The recordings folder '{self._root}' cannot be listed ({error.strerror}). Check its permissions."
            ) from error

    def presigned_url(self, key: str, expires_in: int, *, content_type: str, disposition: str) -> str | None:  # noqa: ARG002
        return None

    def key_for_path(self, path: str) -> str:
        return os.path.normpath(path).lstrip("/")  # a displayed path has its escapes already

    def subsource(self, other: Source) -> Source | None:
        # compared as written: with a resolved path, the files would get different keys and a second record
        if not other.prefix.startswith(self.prefix):
            return None
        folder = self.prefix
        for name in other.prefix.removeprefix(self.prefix).split("/")[:-1]:
            folder += name
            if os.path.islink(key_to_path(folder)):  # noqa: PTH114 — pathlib's raises for a name that is too long
                return None
            folder += "/"
        return FolderSource(f"/{other.prefix}", configured_prefix=self._configured_prefix)

    def _open_parent(self, key: str, stack: ExitStack) -> int:
        """Open the folder that contains `key`, or that `key` names with a slash at its end.

        Each folder below the configured path is opened relative to its parent, so that no link is followed, no matter
        when it was created.

        Raises: OSError; NotADirectoryError for a folder that is a link.
        """
        folder_fd = stack.enter_context(_open_folder(key_to_path(self._configured_prefix)))
        for name in key.removeprefix(self._configured_prefix).split("/")[:-1]:
            folder_fd = stack.enter_context(_open_folder(_entry_name(name), folder_fd))
        return folder_fd

    def _open_file(self, key: str) -> BinaryIO:
        """Open a file without following links below the configured path. Raises: OSError."""
        if not self._configured_prefix:  # the root, from which a known recording is opened
            return open(key_to_path(key), "rb", opener=_open_nonblocking)
        with ExitStack() as stack:
            opener = partial(_open_nonblocking, dir_fd=self._open_parent(key, stack))
            return open(_entry_name(key.rpartition("/")[2]), "rb", opener=opener)

    def read_at(self, file: SourceFile, offset: int, size: int) -> bytes | None:
        with self.open(file.key) as audio:
            return audio.read_at(offset, size) if audio.stat(file.key) == file else None

    @contextmanager
    def open(self, key: str) -> Iterator[FolderAudio]:
        try:
            file = self._open_file(key)
        except (FileNotFoundError, NotADirectoryError) as error:  # the latter if its folder was replaced by a file
            raise PermanentError(
                "The file does not exist any more. Restore it, then retry.", code=AUDIO_MISSING
            ) from error
        except OSError as error:
            message = (
                "The audio file was replaced by a link, and links are not followed. Restore the file."
                if error.errno == errno.ELOOP
                else f"The audio file cannot be opened ({error.strerror}). Check that the function's user may read it."
            )
            if isinstance(error, PermissionError):
                raise AudioRefused(message) from error
            raise RetryableError(message, code="audio_unreadable") from error
        with file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RetryableError("The audio file was replaced by something else.", code="audio_unreadable")
            yield FolderAudio(file)


@contextmanager
def _map_read_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RetryableError(f"Reading the audio file failed ({error.strerror}).", code="audio_unreadable") from error


@contextmanager
def _open_folder(path: str, parent_fd: int | None = None, *, remaining_depth: int = MAX_DEPTH) -> Iterator[int]:
    """Open a folder; in an open one (`parent_fd`), only if it is not a link. Raises: OSError."""
    if not remaining_depth:
        raise OSError(errno.ENAMETOOLONG, "Too many nested folders")
    nofollow_flag = 0 if parent_fd is None else os.O_NOFOLLOW
    folder_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | nofollow_flag, dir_fd=parent_fd)
    try:
        yield folder_fd
    finally:
        os.close(folder_fd)


def sorted_keys(folder: str, folder_fd: int) -> Iterable[str]:
    """The sorted keys of the entries of an open folder with this key; those of folders end with a slash.

    At most about MAX_NAMES_IN_MEMORY keys are in memory: more are sorted in batches on disk. Raises: OSError.
    """
    batches = batched(_iter_keys(folder, folder_fd), MAX_NAMES_IN_MEMORY, strict=False)
    first_batch, second_batch = sorted(next(batches, ())), next(batches, None)
    return (
        first_batch
        if second_batch is None
        else merge(*map(_external_sort_run, chain((first_batch,), map(sorted, chain((second_batch,), batches)))))
    )


def _entry_name(key: str) -> str:
    """The name of the file or folder with this key, in its parent folder."""
    return key_to_path(key.rstrip("/").rpartition("/")[2])[1:]


def _iter_keys(folder: str, folder_fd: int) -> Iterator[str]:
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            if not entry.is_symlink():
                name = escape_name(entry.name)
                yield f"{folder}{name}/" if entry.is_dir(follow_symlinks=False) else folder + name


def _external_sort_run(keys: list[str]) -> Iterator[str]:
    """Write sorted keys to a temporary file and iterate over it. A key has no NUL, but it may contain a newline."""
    file = TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115 — closed when iteration ends
    file.writelines(key.replace("\n", "\0") + "\n" for key in keys)
    file.seek(0)
    return _iter_run(file)


def _iter_run(file: IO[str]) -> Iterator[str]:
    with file:
        for line in file:
            yield line[:-1].replace("\0", "\n")


def _source_file(key: str, stat_result: os.stat_result) -> SourceFile:
    # A program can set st_mtime to a time in the future, and the file would be incomplete until then. st_ctime is when
    # it did so, by the clock of the file system, and the contents have not changed since.
    modified_timestamp = min(stat_result.st_mtime, stat_result.st_ctime)
    return SourceFile(key=key, size=stat_result.st_size, modified_at=datetime.fromtimestamp(modified_timestamp, UTC))


def _is_not_regular_file(key: str) -> bool:
    """Whether a folder, a link or a pipe has replaced the file."""
    try:
        return not stat.S_ISREG(os.lstat(key_to_path(key)).st_mode)
    except OSError:
        return False


def _open_nonblocking(path: str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a file that may have been replaced: a pipe would block until it has a writer, a link could lead anywhere."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=dir_fd)
