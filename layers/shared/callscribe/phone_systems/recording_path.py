"""A recording's path, taken apart: the folders, the name, its ending. S3 keys, URLs and Windows paths alike."""

from dataclasses import dataclass

MAX_STEM_LENGTH = 1024
"""Characters of a name beyond which nobody is meant to read it: S3 allows no longer key, a file system 255 bytes."""

_MAX_EXTENSION_LENGTH = 5
"""Characters: wav49."""


_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class RecordingPath:
    """`/monitor/2023/05/17/out-1-2.wav` has the folders monitor, 2023, 05 and 17 and the stem `out-1-2`."""

    path: str
    folders: tuple[str, ...]
    stem: str

    def has_folder(self, folder: str) -> bool:
        """Whether one of its folders is of that name, in any case."""
        return any(each.casefold() == folder for each in self.folders)


def parse_path(path: str) -> RecordingPath:
    """A bucket's name is no folder. An escape such as `%2B` becomes what it stands for, within its part of the path."""
    scheme, url, rest = path.partition("://")
    if url and scheme.isalnum():
        path = rest.partition("/")[2]
    path = path.replace("\\", "/")
    parts = [_unquote(part) for part in path.split("/")]
    name = parts.pop()
    return RecordingPath("/".join([*parts, name]), tuple(part for part in parts if part), _strip_extension(name))


def _strip_extension(name: str) -> str:
    """Without the ending. `1684333530.12` has none: an ending is short, of letters and digits, and not digits alone."""
    stem, dot, extension = name.rpartition(".")
    if dot and extension.isalnum() and not extension.isdecimal() and len(extension) <= _MAX_EXTENSION_LENGTH:
        return stem
    return name


def _unquote(part: str) -> str:
    """Only where every escape is a whole one of UTF-8: a per cent sign can be meant."""
    if "%" not in part:
        return part
    prefix, *escapes = part.split("%")
    if not all(len(each) > 1 and set(each[:2]) <= _HEX_DIGITS for each in escapes):
        return part
    raw = b"".join([bytes.fromhex(each[:2]) + each[2:].encode(errors="surrogateescape") for each in escapes])
    try:
        return prefix + raw.decode(errors="strict")
    except UnicodeDecodeError:
        return part
