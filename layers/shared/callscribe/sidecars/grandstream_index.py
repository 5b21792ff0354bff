"""The index that a Grandstream UCM writes next to the folder of each month: one row per recording, up to 300,000."""

import csv
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from zlib import crc32

from callscribe.call_metadata.metadata import CallMetadata, Provenance
from callscribe.call_metadata.phone_numbers import find_local_extension
from callscribe.sidecars.field_parsers import parse_name_value, parse_number_value, parse_timestamp_value
from callscribe.sidecars.json_sidecar import sidecar_error

MAX_INDEX_BYTES = 100_000_000
"""300,000 rows have 40 MB."""

COLUMNS = ("caller_num", "new_caller_num", "callee_num", "create_time", "caller_name", "callee_name")
"""The columns that are kept of a row, in addition to the file name."""

RESERVED_CHARACTERS = re.compile(r"[\t\r\n]+")
FIELD_SEPARATOR, LINE_END = "\t", "\n"

OFFSET_BITS = 32
"""The low bits of an entry are the offset of its row; the bits above them are the checksum of the name."""


class GrandstreamIndex:
    """The rows of an index by file name, without folders.

    Rows are kept as text, about 70 bytes each, and parsed on lookup. Of two rows with one name, the last wins.
    """

    def __init__(self, rows: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        lines = bytearray()
        entries = []
        for name, values in rows:
            entries.append(_checksum(name) << OFFSET_BITS | len(lines))
            lines += (
                FIELD_SEPARATOR.join((name, *(RESERVED_CHARACTERS.sub(" ", value) for value in values))) + LINE_END
            ).encode()
        self._lines = bytes(lines)
        self._entries = array("Q", sorted(entries))

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._entries)

    def get(self, name: str) -> CallMetadata | None:
        """The metadata of the recording with this file name, with provenance INDEX; None if it has no row."""
        try:
            first_entry = _checksum(name) << OFFSET_BITS
            line_prefix = (name + FIELD_SEPARATOR).encode()
        except UnicodeEncodeError:  # a name that is not UTF-8 is never in an index
            return None
        low, high = (bisect_left(self._entries, first_entry + increment) for increment in (0, 1 << OFFSET_BITS))
        for entry in reversed(self._entries[low:high]):
            start = entry & (1 << OFFSET_BITS) - 1
            if self._lines.startswith(line_prefix, start):
                text = self._lines[start : self._lines.index(LINE_END.encode(), start)].decode()
                return _metadata(dict(zip(COLUMNS, text.split(FIELD_SEPARATOR)[1:], strict=True)))
        return None


def parse_index(body: bytes) -> GrandstreamIndex:
    """Parse an index. Rows that are truncated or have no file name are left out.

    Raises: SidecarError, if it is not an index or too large.
    """
    if len(body) > MAX_INDEX_BYTES:
        raise sidecar_error(f"it is larger than {MAX_INDEX_BYTES // 1_000_000} MB")
    rows = _parse_rows(TextIOWrapper(BytesIO(body), "utf-8-sig", "replace", newline=""))
    header = [column.strip().lower() for column in next(rows, [])]
    if "file_name" not in header:
        raise sidecar_error("it is not an index of recordings, because it has no column file_name")
    positions = [header.index(each) if each in header else None for each in COLUMNS]
    return GrandstreamIndex(_named_rows(rows, header.index("file_name"), positions))


def _parse_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Parse each line separately, so that an unclosed quote does not affect other lines."""
    for line in lines:
        with suppress(csv.Error):
            yield from csv.reader([line])


def _named_rows(
    rows: Iterable[list[str]], name_position: int, positions: list[int | None]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for row in rows:
        name = re.split(r"[/\\]", row[name_position].strip())[-1] if len(row) > name_position else ""
        if name and not RESERVED_CHARACTERS.search(name):
            yield name, tuple(row[each] if each is not None and each < len(row) else "" for each in positions)


def _metadata(row: dict[str, str]) -> CallMetadata:
    """The metadata of a row. `new_caller_num` may repeat the extension, so it is used only without `caller_num`."""
    call = CallMetadata(
        phone_system="grandstream",
        caller=parse_number_value(row["caller_num"]) or parse_number_value(row["new_caller_num"]),
        callee=parse_number_value(row["callee_num"]),
        started_at=parse_timestamp_value(row["create_time"]),
    )
    extension = find_local_extension(call)
    name = {call.caller: "callee_name", call.callee: "caller_name"}.get(extension) if extension else None
    return replace(call, extension=extension, party=parse_name_value(row[name]) if name else None).with_provenance(
        Provenance.INDEX
    )


def _checksum(name: str) -> int:
    return crc32(name.encode())
