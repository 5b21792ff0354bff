"""The inventory: which files of a source have a record, in the order of their keys, and where a sweep of it stopped.

A sweep reads an entry for every file there is, so the entries are narrow, and are read as DynamoDB sends them: a model
for each would cost more than to list the file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from callscribe.recording import LONGEST_KEY, source_hash
from callscribe.store import control
from callscribe.store.faults import translated
from callscribe.store.models import ControlModel as Item
from callscribe.store.models import RecordingModel


class Known(NamedTuple):
    """A file that has a record. `version` is what the file was like; None where its key left no room for it.

    A tuple, for a sweep makes one for each file: in half the time of a dataclass that is frozen.
    """

    key: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sweep goes on: behind the key `after`. While `held_until` has not come, another run is at it."""

    after: str
    held_until: datetime | None = None


def known(location: str, prefix: str, after: str = "") -> Iterator[Known]:
    """The files of this source whose keys begin with `prefix`, sorted by their UTF-8 bytes; those behind `after`."""
    entry = RecordingModel.entry
    condition: Any = entry.startswith(prefix) if prefix else None
    if after:  # a path that is too long for a key is too long to be asked for as well
        condition = entry > after.encode()[:LONGEST_KEY].decode(errors="ignore")
    table = RecordingModel._get_connection()  # noqa: SLF001 — beneath the models
    table.connection.client.meta.events.register("before-parse.dynamodb.Query", _as_sent, unique_id="as-sent")
    start: Any = None
    while True:
        with translated():
            page = table.query(
                source_hash(location),
                condition,
                index_name=RecordingModel.by_key.Meta.index_name,
                attributes_to_get=["k"],
                exclusive_start_key=start,
            )
        for item in page.pop("Items"):  # and not held while the next page comes
            key, parted, version = item["k"]["S"].rpartition("\0")
            if not parted:
                key, version = version, None
            if not after:
                yield Known(key, version)
            elif not key.startswith(prefix):
                return
            elif key > after:
                yield Known(key, version)
        start = page.get("LastEvaluatedKey")
        if start is None:
            return


def _as_sent(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Takes the items as they are, for botocore asks each value which of ten types it has.

    That is three quarters of what it costs to read an entry. Only binary values need it, and there are none.
    """
    if response_dict["status_code"] == HTTPStatus.OK:
        page = json.loads(response_dict["body"])
        customized_response_dict["Items"] = page.pop("Items", [])
        response_dict["body"] = json.dumps(page).encode()


def left_off(source: str) -> Place | None:
    """Where the last sweep of this source stopped, if it has not come to the end."""
    item = control.read(control.SWEEP)[control.SWEEP]
    return Place(item.after, item.held_until) if item.source == source and item.after is not None else None


def leave_off(source: str, place: Place) -> None:
    """Keeps where the sweep of this source goes on."""
    held = Item.held_until.set(place.held_until) if place.held_until else Item.held_until.remove()
    control.write(control.SWEEP, [Item.source.set(source), Item.after.set(place.after), held])


def finished() -> None:
    """The next sweep begins at the beginning."""
    control.write(control.SWEEP, [Item.source.remove(), Item.after.remove(), Item.held_until.remove()])
