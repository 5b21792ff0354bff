"""Parse a CSV sidecar: a header row with the names of the fields, and one row with the values of the call."""

import csv
from collections.abc import Mapping
from itertools import islice

from callscribe.call_metadata.metadata import normalise_key
from callscribe.sidecars.json_sidecar import sidecar_error
from callscribe.sidecars.plain_text import decode_text

DELIMITERS = ",;\t|"
MAX_COLUMNS = 1_000


def parse_csv_record(body: bytes) -> Mapping[str, str]:
    """The values of the row by the normalised names of its columns; without empty ones.

    The delimiter is the one that occurs most often in the header.

    Raises: SidecarError, if it is not a header row and one row: a table of several calls is not a sidecar.
    """
    text = decode_text(body)
    lines = (text or "").lstrip("\ufeff").lstrip().splitlines()
    if lines and lines[0].lower().startswith("sep="):  # written for Excel
        lines = lines[1:]
    delimiter = max(DELIMITERS, key=lines[0].count) if lines else ","
    try:
        rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), 4) if any(map(str.strip, row))]
    except csv.Error:
        rows = []
    if len(rows) != 2 or not 1 < len(rows[0]) <= MAX_COLUMNS:  # noqa: PLR2004
        raise sidecar_error("it is not a table with a header row and one row of values")
    header, values = rows
    record: dict[str, str] = {}
    for name, value in zip(header, values, strict=False):
        if cleaned := _clean_value(value):
            record.setdefault(normalise_key(name), cleaned)
    return record


def _clean_value(value: str) -> str:
    """The value without what makes Excel keep the zeros of a number: `="0301234567"`, `'0301234567`."""
    value = value.strip()
    if value.startswith('="') and value.endswith('"'):
        return value[2:-1]
    return value.removeprefix("'")
