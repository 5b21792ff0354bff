"""An XML file beside a recording: whatever its structure, its elements and attributes are the keys of a record."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.parsers import expat

from callscribe.metadata import CallMetadata, Direction
from callscribe.sidecars.fields import metadata_in
from callscribe.sidecars.records import unreadable
from callscribe.sidecars.values import LONGEST_TEXT, number_in
from callscribe.words import plain

MOST_KEYS = 1_000
"""What has more tells of more than a call."""

PUZZEL = frozenset({"sessionid", "remoteaddress", "accessnumber"})
"""Keys by which its archive is known: two of them."""


def read_xml(body: bytes) -> CallMetadata:
    """Raises SidecarError, also for a document type: entities can be made to fill any memory, and none is needed."""
    record = _record(body)
    metadata = metadata_in(record)
    if len(PUZZEL & record.keys()) < len(PUZZEL) - 1:
        return metadata
    caller, callee = number_in(record.get("remoteaddress")), number_in(record.get("accessnumber"))
    if metadata.direction is Direction.OUTBOUND:
        caller, callee = callee, caller
    return replace(metadata, phone_system="puzzel", remote_number=None, caller=caller, callee=callee)


def _record(body: bytes) -> Mapping[str, Any]:
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError):  # an encoding that nobody knows is a LookupError
        raise unreadable("it is not XML, or it was cut") from None  # the error may quote it
    return reader.record


class _Reader:
    """Collects what is in the innermost elements, and in attributes; of two of a name, the first."""

    def __init__(self) -> None:
        self.record: dict[str, str] = {}
        self._inner: str | None = None
        self._text = ""

    def refuse(self, *_: Any) -> None:
        raise unreadable("it declares a document type, which is not accepted")

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._inner, self._text = name, ""
        for key, value in attributes.items():
            self._keep(key, value)
        if "name" in attributes and "value" in attributes:
            self._keep(attributes["name"], attributes["value"])

    def text(self, text: str) -> None:
        if len(self._text) <= LONGEST_TEXT:
            self._text += text

    def end(self, name: str) -> None:
        if self._inner == name:
            self._keep(name, self._text.strip())
        self._inner = None

    def _keep(self, name: str, value: str) -> None:
        if value and len(self.record) < MOST_KEYS:
            self.record.setdefault(plain(name.rpartition(" ")[2]), value)
