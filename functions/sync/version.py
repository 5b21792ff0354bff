"""A few characters that tell a file, with all that lies beside it, from what may lie there later.

They stand in the index by key, so a sweep sees what has changed without reading a record. 24 bits: one of 16 million
changes would go unnoticed.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from zlib import crc32

from callscribe.sources import SourceFile

TOLD = "told"
"""Stands for an index that tells of the file. Such an index grows with every call; what it once told stays."""


def version_of(file: SourceFile, sidecars: Sequence[SourceFile], index: SourceFile | None, *, told: bool) -> str:
    """Four characters. `index` is the one that should tell of the file, and `told` whether it does."""
    return _digest(file, sidecars, TOLD if told else index.mark if index else "")


def is_version_of(version: str, file: SourceFile, sidecars: Sequence[SourceFile], index: SourceFile | None) -> bool:
    """Whether nothing has changed. A file of which its index tells nothing is looked up again when that has grown."""
    return version == _digest(file, sidecars, index.mark if index else "") or version == _digest(file, sidecars, TOLD)


def _digest(file: SourceFile, sidecars: Sequence[SourceFile], index: str) -> str:
    text = file.mark if not sidecars else "\n".join([file.mark, *(f"{each.key} {each.mark}" for each in sidecars)])
    return b2a_base64(crc32(f"{text}\n{index}".encode()).to_bytes(4)[1:], newline=False).decode()
