"""The file that a Grandstream UCM keeps beside each month's folder, with a line for each recording: up to 300,000."""

import csv
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from zlib import crc32

from callscribe.ingest import GRANDSTREAM_INDEX
from callscribe.metadata import CallMetadata, Origin
from callscribe.numbers import extension_of
from callscribe.sidecars.records import unreadable
from callscribe.sidecars.values import moment_in, name_in, number_in

LARGEST_INDEX = 100_000_000
"""Bytes. 300,000 lines have 40 MB."""

INDEX = re.compile(
    rf"(?P<folder>(?s:.*/)?){re.escape(GRANDSTREAM_INDEX)}(?P<month>[0-9]{{4}}-[0-9]{{2}})\.csv", re.IGNORECASE
)

MONTH = re.compile(r"(?:^|(?<=/))[0-9]{4}-[0-9]{2}(?=/)")

COLUMNS = ("caller_num", "new_caller_num", "callee_num", "create_time", "caller_name", "callee_name")
"""What is kept of a line, besides the file's name."""

NOT_KEPT = re.compile(r"[\t\r\n]+")
BETWEEN, END = "\t", "\n"

PLACE_BITS = 32
"""Of an entry: where its line is. The bits above it are the checksum of the name."""


def index_of(key: str) -> str | None:
    """The beginning of the keys that an index tells of: `rec/2026-04/` for `rec/.rd_files_netdisk_2026-04.csv`."""
    found = INDEX.fullmatch(key)
    return f"{found['folder']}{found['month']}/" if found else None


def indexes_for(key: str) -> Iterator[tuple[str, str]]:
    """The folders of months that a recording is in, as `index_of` has them, and where the index of each should lie."""
    for month in MONTH.finditer(key):
        beside = key[: month.start()]
        yield f"{beside}{month[0]}/", f"{beside}{GRANDSTREAM_INDEX}{month[0]}.csv"


class Index:
    """What an index says of each recording, by the name of its file, without folders.

    Kept as text, about 70 bytes a line, and read when it is asked for. Of two lines of one name the later one counts.
    """

    def __init__(self, rows: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        kept = bytearray()
        places = []
        for name, values in rows:
            places.append(_checksum(name) << PLACE_BITS | len(kept))
            kept += (BETWEEN.join((name, *(NOT_KEPT.sub(" ", value) for value in values))) + END).encode()
        self._kept = bytes(kept)
        self._places = array("Q", sorted(places))

    def __len__(self) -> int:
        """Lines."""
        return len(self._places)

    def get(self, name: str) -> CallMetadata | None:
        """What is known of the recording with that file name, with the origin INDEX; None if it is not listed."""
        try:
            beginning = _checksum(name) << PLACE_BITS
            line = (name + BETWEEN).encode()
        except UnicodeEncodeError:  # a name that is not UTF-8 stands in no index
            return None
        low, high = (bisect_left(self._places, beginning + after) for after in (0, 1 << PLACE_BITS))
        for place in reversed(self._places[low:high]):
            start = place & (1 << PLACE_BITS) - 1
            if self._kept.startswith(line, start):
                text = self._kept[start : self._kept.index(END.encode(), start)].decode()
                return _metadata(dict(zip(COLUMNS, text.split(BETWEEN)[1:], strict=True)))
        return None


def read_index(body: bytes) -> Index:
    """Lines that are cut or name no file are left out. Raises SidecarError."""
    if len(body) > LARGEST_INDEX:
        raise unreadable(f"it is larger than {LARGEST_INDEX // 1_000_000} MB")
    rows = _rows(TextIOWrapper(BytesIO(body), "utf-8-sig", "replace", newline=""))
    head = [column.strip().lower() for column in next(rows, [])]
    if "file_name" not in head:
        raise unreadable("it is no index of recordings, for it has no column file_name")
    places = [head.index(each) if each in head else None for each in COLUMNS]
    return Index(_named(rows, head.index("file_name"), places))


def _rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Each line by itself, so that a quote that is not closed spoils no other."""
    for line in lines:
        with suppress(csv.Error):
            yield from csv.reader([line])


def _named(rows: Iterable[list[str]], at: int, places: list[int | None]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for row in rows:
        name = re.split(r"[/\\]", row[at].strip())[-1] if len(row) > at else ""
        if name and not NOT_KEPT.search(name):
            yield name, tuple(row[each] if each is not None and each < len(row) else "" for each in places)


def _metadata(row: dict[str, str]) -> CallMetadata:
    """`new_caller_num` may repeat the extension, so it counts only where there is no other."""
    call = CallMetadata(
        phone_system="grandstream",
        caller=number_in(row["caller_num"]) or number_in(row["new_caller_num"]),
        callee=number_in(row["callee_num"]),
        started_at=moment_in(row["create_time"]),
    )
    ours = extension_of(call)
    name = {call.caller: "callee_name", call.callee: "caller_name"}.get(ours) if ours else None
    return replace(call, extension=ours, party=name_in(row[name]) if name else None).read_in(Origin.INDEX)


def _checksum(name: str) -> int:
    return crc32(name.encode())
