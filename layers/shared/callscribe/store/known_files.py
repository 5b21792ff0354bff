"""The files of a source that have a record, in the order of their keys, and the checkpoint of a scan.

A scan reads one entry per file, so the entries are small and are used as DynamoDB returns them: a model for each would
cost more than listing the file. Every function here raises StoreError.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from callscribe.aws import map_dynamodb_errors
from callscribe.recordings.recording import MAX_KEY_BYTES, Recording, build_index_key, recording_id, source_hash
from callscribe.store import control_items, recordings
from callscribe.store.tables import ControlModel as Item
from callscribe.store.tables import RecordingModel

BEFORE_PARSE = "before-parse.dynamodb.Query"
"""botocore's event before it parses the response to a query."""

FINGERPRINT_EXAMPLE = "abcd"
"""All fingerprints have this length."""


GONE_PREFIX = "-"  # not in Base64
GONE_HOURS = 16**3
GONE_FOR = timedelta(days=1)
"""How long a file that is gone stays in the index, in case its call appears in another format."""


class KnownFile(NamedTuple):
    """A file that has a record. Its `fingerprint` is None if the key is too long to store one.

    That of a file which is gone is the hour in which it was missed, so that a scan needs no request for it.

    A tuple: a scan creates one per file, in half the time of a frozen dataclass.
    """

    key: str
    fingerprint: str | None

    @property
    def is_gone(self) -> bool:
        """Whether its record is marked as missing."""
        return self.fingerprint is not None and self.fingerprint.startswith(GONE_PREFIX)

    def is_forgotten(self, now: datetime) -> bool:
        """Whether it has been gone for GONE_FOR, so that the index need not hold it any more."""
        hours = _hour(now) - int((self.fingerprint or "0").removeprefix(GONE_PREFIX), 16)
        return timedelta(hours=hours % GONE_HOURS) >= GONE_FOR


def gone_fingerprint(now: datetime) -> str:
    """The fingerprint of a file that is gone since `now`: as long as any other, and different from all."""
    return f"{GONE_PREFIX}{_hour(now) % GONE_HOURS:03x}"


def _hour(now: datetime) -> int:
    return int(now.timestamp()) // 3600


@dataclass(frozen=True, slots=True)
class ScanCheckpoint:
    """Where a scan continues: after the key `after_key`. Until `lease_until`, another run is working on it."""

    after_key: str
    lease_until: datetime | None = None


def iter_known(location: str, prefix: str, after_key: str = "") -> Iterator[KnownFile]:
    """The known files whose keys begin with `prefix` and come after `after_key`, sorted by their UTF-8 bytes."""
    index_key = RecordingModel.index_key
    condition: Any = index_key.startswith(prefix) if prefix else None
    # DynamoDB allows one condition on the sort key, so the prefix is checked below
    if after_key:  # a path that is too long for a key is also too long for a condition
        condition = index_key > after_key.encode()[:MAX_KEY_BYTES].decode(errors="ignore")
    start_key: Any = None
    while True:
        page = _query_unparsed(location, condition, start_key)
        for item in page.pop("Items"):  # so that the page is not kept in memory while the next one arrives
            key, separator, fingerprint = item["k"]["S"].rpartition("\0")
            if not separator:
                key, fingerprint = fingerprint, None
            if not after_key:
                yield KnownFile(key, fingerprint)
            elif not key.startswith(prefix):
                return
            elif key > after_key:
                yield KnownFile(key, fingerprint)
        start_key = page.get("LastEvaluatedKey")
        if start_key is None:
            return


def find_recording(location: str, key: str) -> Recording | None:
    """The record of a file. One more request for a file that its record has moved to: the record keeps its id.

    A record whose own file is gone may also be that of a previous file with this key.
    """
    recording = recordings.get(recording_id(location, key))
    if recording is None or recording.key == key:
        return recording or _find_moved(location, key)
    return _find_moved(location, key) or (recording if recording.index_key is None else None)


def _find_moved(location: str, key: str) -> Recording | None:
    index_key: Any = RecordingModel.index_key
    has_fingerprint = build_index_key(key, FINGERPRINT_EXAMPLE) != key
    condition = index_key.startswith(f"{key}\0") if has_fingerprint else index_key == key
    with map_dynamodb_errors():
        entries = list(RecordingModel.by_key.query(source_hash(location), condition, limit=1))
    recording = recordings.get(entries[0].id) if entries else None
    return recording if recording and recording.key == key else None


def _query_unparsed(location: str, condition: Any, start_key: Any) -> dict[str, Any]:
    table = RecordingModel._get_connection()  # noqa: SLF001 — the level below the models
    events = table.connection.client.meta.events
    events.register(BEFORE_PARSE, _keep_items_unparsed, unique_id="known-files")
    try:
        with map_dynamodb_errors():
            return table.query(
                source_hash(location),
                condition,
                index_name=RecordingModel.by_key.Meta.index_name,
                attributes_to_get=["k"],
                exclusive_start_key=start_key,
            )
    finally:
        events.unregister(BEFORE_PARSE, unique_id="known-files")


def _keep_items_unparsed(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Keep the items unparsed: botocore checks each value for ten types, three quarters of the cost of an entry.

    Only binary values need that, and there are none.
    """
    if response_dict["status_code"] == HTTPStatus.OK:
        page = json.loads(response_dict["body"])
        customized_response_dict["Items"] = page.pop("Items", [])
        response_dict["body"] = json.dumps(page).encode()


def load_checkpoint(source: str) -> ScanCheckpoint | None:
    """The checkpoint of the last scan of this source; None if that scan was completed."""
    item = control_items.read_one(control_items.SCAN)
    return (
        ScanCheckpoint(item.after_key, item.lease_until)
        if item.source == source and item.after_key is not None
        else None
    )


def save_checkpoint(source: str, checkpoint: ScanCheckpoint) -> None:
    """Save where the scan of this source continues."""
    lease_action = Item.lease_until.set(checkpoint.lease_until) if checkpoint.lease_until else Item.lease_until.remove()
    control_items.write(
        control_items.SCAN, [Item.source.set(source), Item.after_key.set(checkpoint.after_key), lease_action]
    )


def clear_checkpoint() -> None:
    """Let the next scan start from the beginning."""
    control_items.write(control_items.SCAN, [Item.source.remove(), Item.after_key.remove(), Item.lease_until.remove()])
