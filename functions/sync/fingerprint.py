"""A few characters that tell a file, with all that lies beside it, from what may lie there later.

They stand in the index by key, so a sweep sees what has changed without reading a record. 24 bits: one of 16 million
changes would go unnoticed.
"""

from binascii import b2a_base64
from collections.abc import Sequence
from zlib import crc32

from callscribe.sources import SourceFile

IN_INDEX = "told"
"""Stands for an index that tells of the file. Such an index grows with every call; what it once told stays."""


def compute_fingerprint(
    file: SourceFile, sidecars: Sequence[SourceFile], index_file: SourceFile | None, *, is_in_index: bool
) -> str:
    """Four characters. `index` is the one that should tell of the file, and `told` whether it does."""
    return _digest(file, sidecars, IN_INDEX if is_in_index else index_file.fingerprint if index_file else "")


def matches_fingerprint(
    fingerprint: str, file: SourceFile, sidecars: Sequence[SourceFile], index_file: SourceFile | None
) -> bool:
    """Whether nothing has changed. A file of which its index tells nothing is looked up again when that has grown."""
    return fingerprint == _digest(
        file, sidecars, index_file.fingerprint if index_file else ""
    ) or fingerprint == _digest(file, sidecars, IN_INDEX)


def _digest(file: SourceFile, sidecars: Sequence[SourceFile], index_state: str) -> str:
    text = (
        file.fingerprint
        if not sidecars
        else "\n".join([file.fingerprint, *(f"{each.key} {each.fingerprint}" for each in sidecars)])
    )
    return b2a_base64(crc32(f"{text}\n{index_state}".encode()).to_bytes(4)[1:], newline=False).decode()
