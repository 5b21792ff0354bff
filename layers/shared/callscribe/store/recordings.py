"""Recordings in DynamoDB. `apply` is the one place that changes a status, as one conditional write."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from callscribe.clock import iso, utc_now
from callscribe.metadata import CallMetadata, document, parse_document
from callscribe.recording import AudioInfo, Channel, Failure, Part, Recording, Status, TranscriptRef, source_hash
from callscribe.search import NUMBERS, call_of, name_of, numbers_of, tail_of
from callscribe.store import counts
from callscribe.store.faults import LostRace, translated
from callscribe.store.models import AudioMap, FailureMap, PartMap, RecordingModel, TranscriptMap
from callscribe.transitions import LANE_1, Add, Change, Place, due_position, final_position, queued_since


def add(recording: Recording) -> bool:
    """Writes a new recording; False if its file has a record already, which then stays as it is."""
    values = _attributes(recording)
    model = RecordingModel(source_hash=source_hash(recording.location), **values)
    try:
        with translated():
            model.save(condition=RecordingModel.id.does_not_exist())
    except LostRace as lost:
        return lost.repeated and get(recording.id) == recording
    return True


def apply(recording_id: str, change: Change) -> Recording | None:
    """Makes a transition; returns the recording as it is afterwards, or None if it was lost to someone else."""
    if change.source is Status.COMPLETED:
        counts.forget_checkpoint(change.values["status_since"])
    condition = _as_expected(RecordingModel.status == change.source.value, change.expected)
    try:
        return _update(recording_id, condition, {"status": change.target.value, **change.values})
    except LostRace as lost:
        return _already(recording_id, change) if lost.repeated else None


def amend(recording_id: str, expected: Mapping[str, Any], values: Mapping[str, Any]) -> Recording | None:
    """Changes what is known of a recording, but not its status; None if it is not as `expected` any more."""
    try:
        return _update(recording_id, _as_expected(RecordingModel.id.exists(), expected), values)
    except LostRace:
        return None


def remove(seen: Recording) -> bool:
    """Deletes the record as it was seen; False if it has changed since. One that is gone already counts as deleted."""
    if seen.status is Status.COMPLETED:
        counts.forget_checkpoint(utc_now())
    return expire(Place(seen.id, seen.status, seen.position)) or get(seen.id) is None


def expire(place: Place) -> bool:
    """Deletes what is past the retention; False if it is not there as it was seen any more.

    Of a completed one, `counts.raise_floor` must have said so before.
    """
    as_seen = (RecordingModel.status == place.status.value) & (RecordingModel.position == place.position)
    try:
        with translated():
            RecordingModel(place.id).delete(condition=as_seen)
    except LostRace:
        return False
    return True


def ended_before(until: datetime, status: Status) -> Iterator[Place]:
    """Those that were completed, or failed for good, up to then; the oldest first, a request for each thousand."""
    position: Any = RecordingModel.position
    ended = position.between(LANE_1, final_position(until)) if status is Status.FAILED else position <= iso(until)
    found = iter(RecordingModel.by_status.query(status.value, ended, page_size=1000))
    while True:
        with translated():
            model = next(found, None)
        if model is None:
            return
        yield Place(model.id, status, model.position)


def _as_expected(condition: Any, expected: Mapping[str, Any]) -> Any:
    """Holds where the condition does, and the record has these values."""
    for name, value in expected.items():
        attribute = getattr(RecordingModel, name)
        if isinstance(value, CallMetadata):
            mark = RecordingModel.metadata_mark
            condition &= (mark == _mark(value)) | mark.does_not_exist()  # records of before there was one
        else:
            condition &= attribute.does_not_exist() if value is None else attribute == value
    return condition


def _update(recording_id: str, condition: Any, values: Mapping[str, Any]) -> Recording:
    model = RecordingModel(recording_id)
    actions: list[Any] = []
    beside = _of_call(values["metadata"]) if "metadata" in values else {}
    for name, value in {**values, **beside}.items():
        attribute = getattr(RecordingModel, name)
        if value is None or value == ():
            actions.append(attribute.remove())
        elif isinstance(value, Add):
            actions.append(attribute.set((attribute | 0) + value.amount))
        else:
            actions.append(attribute.set(_stored(value)))
    with translated():
        model.update(actions, condition=condition)
    return recording_of(model)


def _already(recording_id: str, change: Change) -> Recording | None:
    """The recording, if it is as this change makes it: times to the microsecond and tokens tell it from any other."""
    found = get(recording_id)
    if found is None or found.status is not change.target:
        return None
    amounts = [name for name, value in change.values.items() if isinstance(value, Add)]
    same = all(getattr(found, name) == value for name, value in change.values.items() if name not in amounts)
    return found if same else None


def get(recording_id: str) -> Recording | None:
    """Reads one recording, consistently; None if there is none of this id."""
    with translated():
        try:
            return recording_of(RecordingModel.get(recording_id, consistent_read=True))
        except RecordingModel.DoesNotExist:
            return None


def get_all(ids: Iterable[str]) -> dict[str, Recording]:
    """Reads these recordings, a request for each hundred; those that there are, by their ids."""
    with translated():
        return {model.id: recording_of(model) for model in RecordingModel.batch_get(list(ids))}


def first(status: Status, limit: int) -> list[Place]:
    """Those of this status that are next in line."""
    return _places(status, None, limit)


def longest_in_line() -> Place | None:
    """The queued recording that has waited longest; None where none is queued.

    One request, unless some are at the head: they stand before all others, however short a time they wait.
    """
    places = first(Status.QUEUED, 1)
    if places and places[0].position < LANE_1:
        places += _places(Status.QUEUED, RecordingModel.position >= LANE_1, 1)
    return min(places, key=lambda place: queued_since(place.position), default=None)


def due(now: datetime, limit: int) -> list[Place]:
    """Failed recordings whose next attempt has come, the longest due first."""
    return _places(Status.FAILED, RecordingModel.position <= due_position(now), limit)


def overdue(now: datetime, limit: int) -> list[Place]:
    """Recordings in processing whose lease has run out, or whose job is to be polled."""
    return _places(Status.PROCESSING, RecordingModel.position < iso(now), limit)


def _places(status: Status, condition: Any, limit: int) -> list[Place]:
    with translated():
        found = RecordingModel.by_status.query(status.value, condition, limit=limit, page_size=limit)
        return [Place(model.id, status, model.position) for model in found]


TAILS = tuple(f"number_{number}" for number in range(1, NUMBERS + 1))
NO_TAILS = dict.fromkeys(TAILS)

MAPS: Mapping[type, Any] = {Failure: FailureMap, TranscriptRef: TranscriptMap, AudioInfo: AudioMap, Part: PartMap}
"""What the record holds as a map of its own."""


def _stored(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_stored(each) for each in value] or None
    if isinstance(value, CallMetadata):
        return document(value)
    return MAPS[type(value)](**asdict(value)) if type(value) in MAPS else value


def _attributes(recording: Recording) -> dict[str, Any]:
    values = {each.name: _stored(getattr(recording, each.name)) for each in fields(Recording)}
    return {**values, "name": name_of(recording.key) or None, **_of_call(recording.metadata)}


def _of_call(metadata: CallMetadata) -> dict[str, str | None]:
    """What stands beside the metadata, not within: what a recording is found by besides its name, for the indexes.

    And the mark of it, for conditions.
    """
    numbers = numbers_of(metadata)
    tails = dict(zip(TAILS, map(tail_of, numbers), strict=False))
    found_by = {"call": call_of(metadata.call_id) or None, "numbers": " ".join(numbers) or None, **NO_TAILS, **tails}
    return {**found_by, "metadata_mark": _mark(metadata)}


def _mark(metadata: CallMetadata) -> str:
    """Tells this metadata from any other."""
    return sha256(json.dumps(document(metadata), sort_keys=True).encode()).hexdigest()[:16]


def recording_of(model: RecordingModel) -> Recording:
    """What the item tells."""
    values = {each.name: getattr(model, each.name) for each in fields(Recording)}
    values["status"] = Status(model.status)
    values["metadata"] = parse_document(model.metadata.as_dict())
    for name, kind in (("error", Failure), ("transcript", TranscriptRef), ("audio", AudioInfo)):
        values[name] = _value(kind, values[name]) if values[name] is not None else None
    values["parts"] = tuple(_part(each) for each in values["parts"] or ())
    return Recording(**values)


def failure_in(item: Mapping[str, Any]) -> Failure | None:
    """What an item, as DynamoDB sends it, tells of the last error."""
    return _value(Failure, FailureMap().deserialize(dict(item["error"]["M"]))) if "error" in item else None


def _value[T](kind: type[T], stored: Any) -> T:
    return kind(**{each.name: getattr(stored, each.name) for each in fields(kind)})  # type: ignore[arg-type]


def _part(stored: Any) -> Part:
    part = _value(Part, stored)
    return replace(part, channel=Channel(part.channel)) if part.channel else part
