"""Updates the records of files that are known: of a file that has changed, has moved or is gone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from callscribe.call_metadata.metadata import Provenance, merge, to_item
from callscribe.errors import TranscriptionError
from callscribe.recordings import transitions
from callscribe.recordings.recording import (
    Recording,
    Status,
    TranscriptRef,
    build_index_key,
    pending_sort_key,
    recording_id,
)
from callscribe.recordings.state_machine import Transition
from callscribe.sources import SourceFile
from callscribe.store import recordings
from callscribe.store.known_files import KnownFile
from functions.sync import sidecar_transcripts
from functions.sync.metadata_reader import FileMetadata

if TYPE_CHECKING:
    from functions.sync.ingestion import FileIngester

COMPLETABLE = (Status.PENDING, Status.FAILED)
"""Statuses that a transcript in a sidecar completes. A recording that is queued or processing is transcribed first."""

GROWTH_WINDOW = timedelta(hours=2)
"""A file that has grown within this time after its transcribed version was written was uploaded during the call."""


def update(ingester: "FileIngester", recording: Recording, file: SourceFile, sidecars: Sequence[SourceFile]) -> None:
    """Update the record of a complete file that has changed, or whose sidecars or index have.

    Raises: StoreError; RetryableError, when a file cannot be read now.
    """
    if recording.status is Status.PROCESSING:
        return  # its worker saves the file that it has sent; until it finishes, each scan checks again
    file_metadata = ingester.reader.read(file, sidecars)
    if file_metadata.transcript and recording.status is Status.QUEUED:
        return  # likewise
    previous_file = SourceFile(
        key=recording.key, size=recording.size, modified_at=recording.modified_at, etag=recording.etag
    )
    has_changed = previous_file.fingerprint != file.fingerprint
    is_transcribed_again = has_changed and must_transcribe_again(recording, file)
    index_key = build_index_key(file.key, file_metadata.fingerprint)
    updates: dict[str, Any] = {"index_key": index_key, "source_missing": None}
    if not has_changed:
        updates["source_changed"] = None
    elif recording.status is Status.COMPLETED and not is_transcribed_again:
        updates["source_changed"] = recording.source_changed or ingester.clock()
    else:
        updates |= {"size": file.size, "etag": file.etag, "modified_at": file.modified_at}
    updates |= _metadata_updates(ingester, recording, file, file_metadata)
    if recording.status is Status.COMPLETED and recording.transcript and recording.transcript.is_from_sidecar:
        if file_metadata.has_placeholder and not file_metadata.is_incomplete:
            _withdraw_transcript(ingester, recording, file, updates)
            return
        if file_metadata.transcript and sidecar_transcripts.version(file_metadata) != recording.transcript.version:
            updates["transcript"] = ingester.store_transcript(recording.id, file_metadata)
    if all(getattr(recording, name) == value for name, value in updates.items()):
        return  # another run was faster
    transcript = ingester.store_transcript(recording.id, file_metadata) if recording.status in COMPLETABLE else None
    if transcript:
        _complete_from_sidecar(ingester, recording, transcript, updates)
    elif is_transcribed_again:
        _transcribe_again(ingester, recording, updates)
    # a user may correct the metadata, or request a transcription, at the same time: then the next scan tries again
    elif updated := recordings.update_fields(recording.id, _unchanged_condition(recording), updates):
        ingester.run.increment("updated")
        if "transcript" in updates:
            ingester.queue_event(updated)


def _unchanged_condition(recording: Recording) -> dict[str, Any]:
    return {name: getattr(recording, name) for name in ("status", "sort_key", "index_key", "metadata")}


def _metadata_updates(
    ingester: "FileIngester", recording: Recording, file: SourceFile, file_metadata: FileMetadata
) -> dict[str, Any]:
    """Return what changes in the record if the metadata has changed."""
    if file_metadata.is_incomplete:  # values from a file that cannot be opened now are kept
        metadata = merge(recording.metadata, file_metadata.metadata)
    else:
        metadata = merge(file_metadata.metadata, recording.metadata.only_from(Provenance.USER, Provenance.TAGS))
    if to_item(metadata) == to_item(recording.metadata):  # compared as stored: times in milliseconds
        return {}
    recorded_at = ingester.reader.recorded_at(metadata, file)
    updates = {"metadata": metadata, "recorded_at": recorded_at}
    is_pending = recording.status is Status.PENDING
    return updates | ({"sort_key": pending_sort_key(recorded_at)} if is_pending else {})


def _transcribe_again(ingester: "FileIngester", recording: Recording, updates: Mapping[str, Any]) -> None:
    """Return the recording to `pending`: its file now holds more of the call."""
    recorded_at = updates.get("recorded_at", recording.recorded_at)
    if _apply(transitions.transcribe_again(recording, ingester.clock(), recorded_at, updates), recording, {}):
        ingester.run.increment("transcribed_again")


def _complete_from_sidecar(
    ingester: "FileIngester", recording: Recording, transcript: TranscriptRef, updates: Mapping[str, Any]
) -> None:
    transition = transitions.complete_from_sidecar(recording, transcript, ingester.clock())
    if completed := _apply(transition, recording, updates):
        ingester.count_completed(completed)


def _withdraw_transcript(
    ingester: "FileIngester", recording: Recording, file: SourceFile, updates: Mapping[str, Any]
) -> None:
    """Make the recording pending: it is transcribed from its file as it is now."""
    recorded_at = updates.get("recorded_at", recording.recorded_at)
    transition = transitions.withdraw_transcript(replace(recording, recorded_at=recorded_at), ingester.clock())
    if _apply(
        transition,
        recording,
        {**updates, "source_changed": None, "size": file.size, "etag": file.etag, "modified_at": file.modified_at},
    ):
        ingester.run.increment("updated")


def _apply(transition: Transition, recording: Recording, updates: Mapping[str, Any]) -> Recording | None:
    """Apply a transition together with other updates, unless a user corrects the metadata at the same time."""
    condition = {**transition.condition, "metadata": recording.metadata}
    combined = replace(transition, condition=condition, updates={**updates, **transition.updates})
    return recordings.apply_transition(recording.id, combined)


def must_transcribe_again(recording: Recording, file: SourceFile) -> bool:
    """Whether the file, which has changed, probably holds more of the call than what was transcribed.

    That is so if the header of the transcribed file was unfinished, or if the file has grown soon afterwards: then it
    was uploaded while the call was going on. A file that has failed for good gets another chance. Any other change,
    such as new tags, is left to users.
    """
    if recording.status is Status.FAILED:
        return recording.is_terminal
    if recording.status is not Status.COMPLETED or recording.audio is None:
        return False
    if recording.transcript and recording.transcript.is_from_sidecar:
        return False
    has_grown = file.size > recording.size and file.modified_at - recording.modified_at <= GROWTH_WINDOW
    return bool(recording.audio.is_unfinished) or has_grown


def mark_missing(ingester: "FileIngester", known: KnownFile) -> None:
    """Mark a recording as missing if its file is not listed and a request for the file itself does not find it."""
    try:
        if ingester.source.stat(known.key):
            return  # it was created while the source was being listed
    except TranscriptionError:
        ingester.run.increment("unreadable")
        return
    expected_index_key = known.key if known.fingerprint is None else build_index_key(known.key, known.fingerprint)
    updates = {"index_key": None, "source_missing": ingester.clock()}
    if recordings.update_fields(
        recording_id(ingester.source.location, known.key), {"index_key": expected_index_key}, updates
    ):
        ingester.run.increment("missing")
