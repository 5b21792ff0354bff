"""Recordings in DynamoDB. `apply` is the one place that changes a status, as one conditional write."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from callscribe.clock import iso
from callscribe.metadata import CallMetadata, document, parse_document
from callscribe.recording import AudioInfo, Channel, Failure, Part, Recording, Status, TranscriptRef, source_hash
from callscribe.store import counts
from callscribe.store.faults import LostRace, translated
from callscribe.store.models import ALL, AudioMap, FailureMap, PartMap, RecordingModel, TranscriptMap
from callscribe.transitions import Add, Change, Place, due_position

type Cursor = Mapping[str, Any]
"""Where a list goes on: the key of the last item, as DynamoDB gave it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `next` is None on the last."""

    recordings: list[Recording]
    next: Cursor | None


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
    condition = RecordingModel.status == change.source.value
    for name, value in change.expected.items():
        condition &= getattr(RecordingModel, name) == value
    try:
        return _update(recording_id, condition, {"status": change.target.value, **change.values})
    except LostRace as lost:
        return _already(recording_id, change) if lost.repeated else None


def amend(recording_id: str, expected: Mapping[str, Any], values: Mapping[str, Any]) -> Recording | None:
    """Changes what is known of a recording, but not its status; None if it is not as `expected` any more."""
    condition = RecordingModel.id.exists()
    for name, value in expected.items():
        attribute = getattr(RecordingModel, name)
        condition &= attribute.does_not_exist() if value is None else attribute == value
    try:
        return _update(recording_id, condition, values)
    except LostRace:
        return None


def _update(recording_id: str, condition: Any, values: Mapping[str, Any]) -> Recording:
    model = RecordingModel(recording_id)
    actions: list[Any] = []
    for name, value in values.items():
        attribute = getattr(RecordingModel, name)
        if value is None or value == ():
            actions.append(attribute.remove())
        elif isinstance(value, Add):
            actions.append(attribute.set((attribute | 0) + value.amount))
        else:
            actions.append(attribute.set(_stored(value)))
    with translated():
        model.update(actions, condition=condition)
    return _recording(model)


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
            return _recording(RecordingModel.get(recording_id, consistent_read=True))
        except RecordingModel.DoesNotExist:
            return None


def first(status: Status, limit: int) -> list[Place]:
    """Those of this status that are next in line."""
    return _places(status, None, limit)


def due(now: datetime, limit: int) -> list[Place]:
    """Failed recordings whose next attempt has come, the longest due first."""
    return _places(Status.FAILED, RecordingModel.position <= due_position(now), limit)


def overdue(now: datetime, limit: int) -> list[Place]:
    """Recordings in processing whose lease has run out, or whose job is to be polled."""
    return _places(Status.PROCESSING, RecordingModel.position < iso(now), limit)


def page(
    status: Status | None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int,
    cursor: Cursor | None = None,
) -> Page:
    """A list by the time of the call, newest first; `queued` oldest first. `since` and `until` are inclusive."""
    index: Any = RecordingModel.by_status_and_time if status else RecordingModel.by_time
    with translated():
        found = index.query(
            status.value if status else ALL,
            _between(since, until),
            scan_index_forward=status is Status.QUEUED,
            limit=limit,
            page_size=limit,
            last_evaluated_key=cursor,
        )
        recordings = [_recording(model) for model in found]
    return Page(recordings, found.last_evaluated_key)


def _between(since: datetime | None, until: datetime | None) -> Any:
    if since and until:
        return RecordingModel.recorded_at.between(since, until)
    if since:
        return RecordingModel.recorded_at >= since
    return RecordingModel.recorded_at <= until if until else None


def _places(status: Status, condition: Any, limit: int) -> list[Place]:
    with translated():
        found = RecordingModel.by_status.query(status.value, condition, limit=limit, page_size=limit)
        return [Place(model.id, status, model.position) for model in found]


MAPS: Mapping[type, Any] = {Failure: FailureMap, TranscriptRef: TranscriptMap, AudioInfo: AudioMap, Part: PartMap}
"""What the record holds as a map of its own."""


def _stored(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_stored(each) for each in value] or None
    if isinstance(value, CallMetadata):
        return document(value)
    return MAPS[type(value)](**asdict(value)) if type(value) in MAPS else value


def _attributes(recording: Recording) -> dict[str, Any]:
    return {each.name: _stored(getattr(recording, each.name)) for each in fields(Recording)}


def _recording(model: RecordingModel) -> Recording:
    values = {each.name: getattr(model, each.name) for each in fields(Recording)}
    values["status"] = Status(model.status)
    values["metadata"] = parse_document(model.metadata.as_dict())
    for name, kind in (("error", Failure), ("transcript", TranscriptRef), ("audio", AudioInfo)):
        values[name] = _value(kind, values[name]) if values[name] is not None else None
    values["parts"] = tuple(_part(each) for each in values["parts"] or ())
    return Recording(**values)


def _value[T](kind: type[T], stored: Any) -> T:
    return kind(**{each.name: getattr(stored, each.name) for each in fields(kind)})  # type: ignore[arg-type]


def _part(stored: Any) -> Part:
    part = _value(Part, stored)
    return replace(part, channel=Channel(part.channel)) if part.channel else part
