"""Parse an XML sidecar of any structure: the names of its elements and attributes are the keys of a record."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from xml.parsers import expat

from callscribe.call_metadata.metadata import CallMetadata, Direction, normalise_key
from callscribe.sidecars.field_parsers import MAX_TEXT_LENGTH, metadata_from_record, parse_number_value
from callscribe.sidecars.freeswitch_cdr import is_freeswitch_cdr, read_freeswitch_cdr
from callscribe.sidecars.json_sidecar import sidecar_error

MAX_KEYS = 1_000
"""A file with more keys describes more than one call; the rest is ignored."""

PUZZEL_KEYS = frozenset({"sessionid", "remoteaddress", "accessnumber"})
"""A file with two of these keys is from the archive of Puzzel."""


def parse_xml_sidecar(body: bytes, known_start: datetime | date | None = None) -> CallMetadata:
    """The call metadata in an XML file. `known_start`: as for `metadata_from_record`.

    Raises: SidecarError, if it is not XML or declares a document type, whose entities could fill the memory.
    """
    record = _parse_record(body)
    if is_freeswitch_cdr(record):
        return read_freeswitch_cdr(record)
    metadata = metadata_from_record(record, known_start)
    if len(PUZZEL_KEYS & record.keys()) < len(PUZZEL_KEYS) - 1:
        return metadata
    caller, callee = parse_number_value(record.get("remoteaddress")), parse_number_value(record.get("accessnumber"))
    if metadata.direction is Direction.OUTBOUND:
        caller, callee = callee, caller
    return replace(metadata, phone_system="puzzel", remote_number=None, caller=caller, callee=callee)


def _parse_record(body: bytes) -> Mapping[str, Any]:
    builder = _RecordBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = builder.reject_doctype
    parser.StartElementHandler = builder.start_element
    parser.EndElementHandler = builder.end_element
    parser.CharacterDataHandler = builder.add_text
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError):  # LookupError: an unknown encoding
        raise sidecar_error("it is not XML, or it is truncated") from None  # the cause may quote the file
    return builder.record


class _RecordBuilder:
    """Collects the text of the innermost elements and the attributes; of two with one name, the first wins."""

    def __init__(self) -> None:
        self.record: dict[str, str] = {}
        self._element: str | None = None
        self._text = ""

    def reject_doctype(self, *_: Any) -> None:
        raise sidecar_error("it declares a document type, which is not accepted")

    def start_element(self, name: str, attributes: Mapping[str, str]) -> None:
        self._element, self._text = name, ""
        for key, value in attributes.items():
            self._add(key, value)
        if "name" in attributes and "value" in attributes:
            self._add(attributes["name"], attributes["value"])

    def add_text(self, text: str) -> None:
        if len(self._text) <= MAX_TEXT_LENGTH:
            self._text += text

    def end_element(self, name: str) -> None:
        if self._element == name:
            self._add(name, self._text.strip())
        self._element = None

    def _add(self, name: str, value: str) -> None:
        if value and len(self.record) < MAX_KEYS:
            self.record.setdefault(normalise_key(name.rpartition(" ")[2]), value)
