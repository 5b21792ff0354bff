"""Recordings in DynamoDB. Only `apply_transition` changes a status, as one conditional write.

Every function here that reads or writes raises StoreError.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from callscribe.aws import ConditionFailed, map_dynamodb_errors
from callscribe.call_metadata.metadata import CallMetadata, from_item, to_item
from callscribe.clock import to_iso, utc_now
from callscribe.recordings.recording import (
    QUEUE_NORMAL,
    TERMINAL_PREFIX,
    AudioInfo,
    AudioTrack,
    Channel,
    Failure,
    QueueEntry,
    Recording,
    Status,
    TranscriptRef,
    queued_at,
    retry_sort_key,
    source_hash,
    terminal_sort_key,
)
from callscribe.recordings.search_query import (
    MAX_NUMBERS,
    extract_numbers,
    normalise_call_id,
    normalise_file_name,
    number_suffix,
)
from callscribe.recordings.state_machine import Increment, Transition
from callscribe.store import status_counts
from callscribe.store.tables import AudioMap, AudioTrackMap, FailureMap, RecordingModel, TranscriptMap


def create(recording: Recording) -> bool:
    """Write a new recording. Return False if its file already has a record, which stays unchanged."""
    values = _to_attributes(recording)
    model = RecordingModel(source_hash=source_hash(recording.location), **values)
    try:
        with map_dynamodb_errors():
            model.save(condition=RecordingModel.id.does_not_exist())
    except ConditionFailed as error:
        return error.was_retried and get(recording.id) == recording
    return True


def apply_transition(recording_id: str, transition: Transition) -> Recording | None:
    """Apply a transition. Return the updated recording, or None if its condition does not hold."""
    if transition.from_status is Status.COMPLETED:
        status_counts.invalidate_checkpoint(transition.updates["status_since"])
    condition = _with_expected(RecordingModel.status == transition.from_status.value, transition.condition)
    try:
        return _update(recording_id, condition, {"status": transition.to_status.value, **transition.updates})
    except ConditionFailed as error:
        return _was_ours(recording_id, transition) if error.was_retried else None


def update_fields(recording_id: str, expected: Mapping[str, Any], updates: Mapping[str, Any]) -> Recording | None:
    """Update fields of a recording other than its status.

    Return it, or None if it no longer has the expected values. If the response to the write was lost, a recording that
    has the updated values counts as updated.
    """
    try:
        return _update(recording_id, _with_expected(RecordingModel.id.exists(), expected), updates)
    except ConditionFailed as error:
        current = get(recording_id) if error.was_retried else None
        return current if current and _has_values(current, updates) else None


def delete_recording(recording: Recording) -> bool:
    """Delete the record. Return False if it has changed since it was read.

    A record that is already gone counts as deleted.
    """
    if recording.status is Status.COMPLETED:
        status_counts.invalidate_checkpoint(utc_now())
    return delete_entry(QueueEntry(recording.id, recording.status, recording.sort_key)) or get(recording.id) is None


def delete_entry(entry: QueueEntry) -> bool:
    """Delete the recording of this entry. Return False if its status or sort key has changed.

    The caller must first have invalidated the checkpoint of the counts, or moved the cutoff past it, if the recording
    is completed.
    """
    is_unchanged = (RecordingModel.status == entry.status.value) & (RecordingModel.sort_key == entry.sort_key)
    try:
        with map_dynamodb_errors():
            RecordingModel(entry.id).delete(condition=is_unchanged)
    except ConditionFailed:
        return False
    return True


def finished_before(until: datetime, status: Status) -> Iterator[QueueEntry]:
    """The recordings that were completed, or failed terminally, until then: the oldest first, 1,000 per request."""
    sort_key: Any = RecordingModel.sort_key
    sort_key_range = (
        sort_key.between(TERMINAL_PREFIX, terminal_sort_key(until))
        if status is Status.FAILED
        else sort_key <= to_iso(until)
    )
    models = iter(RecordingModel.by_status.query(status.value, sort_key_range, page_size=1000))
    while True:
        with map_dynamodb_errors():
            model = next(models, None)
        if model is None:
            return
        yield QueueEntry(model.id, status, model.sort_key)


def _with_expected(condition: Any, expected: Mapping[str, Any]) -> Any:
    """Return `condition`, and that the fields have the `expected` values."""
    for name, value in expected.items():
        attribute = getattr(RecordingModel, name)
        if isinstance(value, CallMetadata):
            metadata_hash = RecordingModel.metadata_hash
            # records from before there was a hash have none
            condition &= (metadata_hash == _metadata_hash(value)) | metadata_hash.does_not_exist()
        else:
            condition &= attribute.does_not_exist() if value is None else attribute == value
    return condition


def _update(recording_id: str, condition: Any, updates: Mapping[str, Any]) -> Recording:
    model = RecordingModel(recording_id)
    actions: list[Any] = []
    search_attributes = _search_attributes(updates["metadata"]) if "metadata" in updates else {}
    if "key" in updates:
        search_attributes["name"] = normalise_file_name(updates["key"]) or None
    for name, value in {**updates, **search_attributes}.items():
        attribute = getattr(RecordingModel, name)
        if value is None or value == ():
            actions.append(attribute.remove())
        elif isinstance(value, Increment):
            actions.append(attribute.set((attribute | 0) + value.amount))
        else:
            actions.append(attribute.set(_to_attribute(value)))
    with map_dynamodb_errors():
        model.update(actions, condition=condition)
    return to_recording(model)


def _was_ours(recording_id: str, transition: Transition) -> Recording | None:
    """Return the recording if this transition changed it.

    Microseconds and tokens distinguish it from any other transition.
    """
    current = get(recording_id)
    if current is None or current.status is not transition.to_status:
        return None
    return current if _has_values(current, transition.updates) else None


def _has_values(recording: Recording, updates: Mapping[str, Any]) -> bool:
    """Whether the recording has these values as they are stored; increments are not compared."""
    return all(
        isinstance(value, Increment) or _as_stored(getattr(recording, name)) == _as_stored(value)
        for name, value in updates.items()
    )


def _as_stored(value: Any) -> Any:
    return to_item(value) if isinstance(value, CallMetadata) else value  # times in metadata are stored in milliseconds


def get(recording_id: str) -> Recording | None:
    """Read one recording, consistently. Return None if there is no such id."""
    with map_dynamodb_errors():
        try:
            return to_recording(RecordingModel.get(recording_id, consistent_read=True))
        except RecordingModel.DoesNotExist:
            return None


def get_all(ids: Iterable[str]) -> dict[str, Recording]:
    """Read these recordings, 100 per request. Return those that exist, by id."""
    with map_dynamodb_errors():
        return {model.id: to_recording(model) for model in RecordingModel.batch_get(list(ids))}


def next_entries(status: Status, limit: int) -> list[QueueEntry]:
    """The first recordings of this status, in the order of their sort keys."""
    return _query_entries(status, None, limit)


def newest_entries(status: Status, limit: int) -> list[QueueEntry]:
    """The last recordings of this status, in the reverse order of their sort keys."""
    return _query_entries(status, None, limit, is_reversed=True)


def oldest_queued() -> QueueEntry | None:
    """The queued recording that has waited longest; None if the queue is empty.

    One request, unless a recording was moved to the front, where it may not have waited longest.
    """
    entries = next_entries(Status.QUEUED, 1)
    if entries and entries[0].sort_key < QUEUE_NORMAL:
        entries += _query_entries(Status.QUEUED, RecordingModel.sort_key >= QUEUE_NORMAL, 1)
    return min(entries, key=lambda entry: queued_at(entry.sort_key), default=None)


def retryable(now: datetime, limit: int) -> list[QueueEntry]:
    """Failed recordings with a next attempt that is due, the longest due first."""
    return _query_entries(Status.FAILED, RecordingModel.sort_key <= retry_sort_key(now), limit)


def expired_claims(now: datetime, limit: int) -> list[QueueEntry]:
    """Recordings in `processing` with an expired lease, or with a job that is due to be polled."""
    return _query_entries(Status.PROCESSING, RecordingModel.sort_key < to_iso(now), limit)


def _query_entries(status: Status, condition: Any, limit: int, *, is_reversed: bool = False) -> list[QueueEntry]:
    with map_dynamodb_errors():
        models = RecordingModel.by_status.query(
            status.value, condition, limit=limit, page_size=limit, scan_index_forward=not is_reversed
        )
        return [QueueEntry(model.id, status, model.sort_key) for model in models]


SUFFIX_ATTRIBUTES = tuple(f"number_{number}" for number in range(1, MAX_NUMBERS + 1))
NO_SUFFIXES = dict.fromkeys(SUFFIX_ATTRIBUTES)

MAP_TYPES: Mapping[type, Any] = {
    Failure: FailureMap,
    TranscriptRef: TranscriptMap,
    AudioInfo: AudioMap,
    AudioTrack: AudioTrackMap,
}
"""The values that are stored as maps."""


def _to_attribute(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_attribute(item) for item in value] or None
    if isinstance(value, CallMetadata):
        return to_item(value)
    return MAP_TYPES[type(value)](**asdict(value)) if type(value) in MAP_TYPES else value


def _to_attributes(recording: Recording) -> dict[str, Any]:
    values = {attribute.name: _to_attribute(getattr(recording, attribute.name)) for attribute in fields(Recording)}
    return {**values, "name": normalise_file_name(recording.key) or None, **_search_attributes(recording.metadata)}


def _search_attributes(metadata: CallMetadata) -> dict[str, str | None]:
    """The attributes derived from the metadata: those of the search indexes, and the hash for conditions."""
    numbers = extract_numbers(metadata)
    suffixes = dict(zip(SUFFIX_ATTRIBUTES, map(number_suffix, numbers), strict=False))
    search_attributes = {
        "call": normalise_call_id(metadata.call_id) or None,
        "numbers": " ".join(numbers) or None,
        **NO_SUFFIXES,
        **suffixes,
    }
    return {**search_attributes, "metadata_hash": _metadata_hash(metadata)}


def _metadata_hash(metadata: CallMetadata) -> str:
    """A hash of the metadata, to compare it in conditions."""
    return sha256(json.dumps(to_item(metadata), sort_keys=True).encode()).hexdigest()[:16]


def to_recording(model: RecordingModel) -> Recording:
    """Convert an item to a recording."""
    values = {attribute.name: getattr(model, attribute.name) for attribute in fields(Recording)}
    values["status"] = Status(model.status)
    values["metadata"] = from_item(model.metadata.as_dict())
    for name, value_type in (("error", Failure), ("transcript", TranscriptRef), ("audio", AudioInfo)):
        values[name] = _from_map(value_type, values[name]) if values[name] is not None else None
    values["tracks"] = tuple(_to_track(track) for track in values["tracks"] or ())
    return Recording(**values)


def parse_failure(item: Mapping[str, Any]) -> Failure | None:
    """The last error in an item as DynamoDB returns it; None without one."""
    return _from_map(Failure, FailureMap().deserialize(dict(item["error"]["M"]))) if "error" in item else None


def _from_map[T](value_type: type[T], stored: Any) -> T:
    return value_type(**{attribute.name: getattr(stored, attribute.name) for attribute in fields(value_type)})  # type: ignore[arg-type]


def _to_track(stored: Any) -> AudioTrack:
    track = _from_map(AudioTrack, stored)
    channel = Channel(track.channel) if track.channel else None
    return replace(track, channel=channel, failure=_from_map(Failure, track.failure) if track.failure else None)
