"""Updates the records of files that are known: of a file that has changed, has moved or is gone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

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
from callscribe.sources import AUDIO_MISSING, SourceFile
from callscribe.sources.id3 import ID3V1_BYTES, leading_tag_bytes
from callscribe.sources.wav import HEADER_BYTES, read_header
from callscribe.store import known_files, recordings
from callscribe.store.known_files import KnownFile
from functions.sync.metadata_reader import FileMetadata
from functions.sync.sync_context import SyncContext

COMPLETABLE = (Status.PENDING, Status.FAILED)
"""Statuses that a transcript in a sidecar completes. A recording that is queued or processing is transcribed first."""

GROWTH_WINDOW = timedelta(hours=2)
"""A file that has grown within this time after its transcribed version was written was uploaded during the call."""

MAX_NEW_TAG_BYTES = 8_192
"""Tags of texts, with padding, are shorter; as much audio lasts a second or two."""


def update(context: SyncContext, recording: Recording, file: SourceFile, sidecars: Sequence[SourceFile]) -> None:
    """Update the record of a complete file that has changed, or whose sidecars or index have.

    Raises: StoreError; RetryableError, when a file cannot be read now.
    """
    if recording.status is Status.PROCESSING:
        return  # its worker saves the file that it has sent; until it finishes, each scan checks again
    file_metadata = context.reader.read(file, sidecars)
    if file_metadata.transcript and recording.status is Status.QUEUED:
        return  # likewise
    is_transcribed_again = (
        _has_changed(recording, file)
        and must_transcribe_again(recording, file)
        and not _has_same_audio(context, recording, file)
    )
    index_key = build_index_key(file.key, file_metadata.fingerprint)
    updates: dict[str, Any] = {"index_key": index_key, "source_missing": None}
    updates |= _change_of_file(context, recording, file, is_transcribed_again=is_transcribed_again)
    updates |= _metadata_updates(context, recording, file, file_metadata)
    has_sidecar_transcript = (
        recording.status is Status.COMPLETED and recording.transcript and recording.transcript.is_from_sidecar
    )
    if has_sidecar_transcript and file_metadata.has_placeholder and not file_metadata.is_incomplete:
        _transcribe_again(context, recording, updates | _file_updates(file))
        return
    if has_sidecar_transcript and _has_new_transcript(recording, file_metadata):
        updates["transcript"] = context.store_transcript(recording.id, file_metadata)
    if all(getattr(recording, name) == value for name, value in updates.items()):
        return  # another run was faster
    transcript = context.store_transcript(recording.id, file_metadata) if recording.status in COMPLETABLE else None
    if transcript:
        _complete_from_sidecar(context, recording, transcript, updates)
    elif is_transcribed_again:
        _transcribe_again(context, recording, updates)
    else:
        _save(context, recording, updates)


def _save(context: SyncContext, recording: Recording, updates: Mapping[str, Any]) -> None:
    # a user may correct the metadata, or request a transcription, at the same time: then the next scan tries again
    condition = {name: getattr(recording, name) for name in ("status", "sort_key", "index_key", "metadata")}
    if updated := recordings.update_fields(recording.id, condition, updates):
        context.run.increment("updated")
        if "transcript" in updates:
            context.queue_event(updated)


def _has_changed(recording: Recording, file: SourceFile) -> bool:
    """Whether the file has changed. One that the record has moved to has the same audio, and has not."""
    previous_file = SourceFile(
        key=recording.key, size=recording.size, modified_at=recording.modified_at, etag=recording.etag
    )
    return recording.key == file.key and previous_file.fingerprint != file.fingerprint


def _has_same_audio(context: SyncContext, recording: Recording, file: SourceFile) -> bool:
    """Whether only the tags have changed since the file was transcribed.

    That is so if the header of a WAV file declares as much audio, or if an MP3 file without its tags is not longer.
    Whether it had tags before is unknown, so at most MAX_NEW_TAG_BYTES of them are taken for new; the rest is audio.
    """
    audio = recording.audio
    if recording.status is not Status.COMPLETED or audio is None or audio.is_unfinished or audio.duration is None:
        return False
    head = context.source.read_at(file, 0, HEADER_BYTES)
    if not head:
        return False
    if tag_bytes := leading_tag_bytes(head):
        return file.size - min(tag_bytes, MAX_NEW_TAG_BYTES) - ID3V1_BYTES <= recording.size
    header = read_header(head, file.size)
    return header is not None and header.info.duration == audio.duration


def _change_of_file(
    context: SyncContext, recording: Recording, file: SourceFile, *, is_transcribed_again: bool
) -> dict[str, Any]:
    """Return what changes in the record if the file has. What was transcribed is not overwritten."""
    if recording.key != file.key:  # the record had moved to another format, which is gone
        return _file_updates(file)
    if not _has_changed(recording, file):
        return {"source_changed": None}
    if recording.status is Status.COMPLETED and not is_transcribed_again:
        return {"source_changed": recording.source_changed or context.clock()}
    return _file_updates(file) | {"tracks": ()}  # the channels were those of the previous file


def _has_new_transcript(recording: Recording, file_metadata: FileMetadata) -> bool:
    return (
        file_metadata.transcript is not None
        and recording.transcript is not None
        and file_metadata.transcript_version != recording.transcript.version
    )


def _file_updates(file: SourceFile) -> dict[str, Any]:
    return {
        "key": file.key,
        "size": file.size,
        "etag": file.etag,
        "modified_at": file.modified_at,
        "source_changed": None,
    }


def _metadata_updates(
    context: SyncContext, recording: Recording, file: SourceFile, file_metadata: FileMetadata
) -> dict[str, Any]:
    """Return what changes in the record if the metadata has changed."""
    if file_metadata.is_incomplete:  # values from a file that cannot be opened now are kept
        metadata = merge(recording.metadata, file_metadata.metadata)
    else:
        metadata = merge(file_metadata.metadata, recording.metadata.only_from(Provenance.USER, Provenance.TAGS))
    if to_item(metadata) == to_item(recording.metadata):  # compared as stored: times in milliseconds
        return {}
    recorded_at = context.reader.recorded_at(metadata, file)
    updates = {"metadata": metadata, "recorded_at": recorded_at}
    is_pending = recording.status is Status.PENDING
    return updates | ({"sort_key": pending_sort_key(recorded_at)} if is_pending else {})


def _transcribe_again(context: SyncContext, recording: Recording, updates: Mapping[str, Any]) -> None:
    """Return the recording to `pending`: its file holds more of the call, or its sidecar no longer a transcript."""
    recorded_at = updates.get("recorded_at", recording.recorded_at)
    if _apply(transitions.transcribe_again(recording, context.clock(), recorded_at, updates), recording, {}):
        context.run.increment("transcribed_again")


def _complete_from_sidecar(
    context: SyncContext, recording: Recording, transcript: TranscriptRef, updates: Mapping[str, Any]
) -> None:
    transition = transitions.complete_from_sidecar(recording, transcript, context.clock())
    if completed := _apply(transition, recording, updates):
        context.count_completed(completed)


def _apply(transition: Transition, recording: Recording, updates: Mapping[str, Any]) -> Recording | None:
    """Apply a transition together with other updates, unless a user corrects the metadata at the same time."""
    condition = {**transition.condition, "metadata": recording.metadata}
    combined = replace(transition, condition=condition, updates={**updates, **transition.updates})
    return recordings.apply_transition(recording.id, combined)


def must_transcribe_again(recording: Recording, file: SourceFile, *, is_moved: bool = False) -> bool:
    """Whether the file, which has changed, probably holds more of the call than what was transcribed.

    That is so if the header of the transcribed file was unfinished, or if the file has grown soon afterwards: then it
    was uploaded while the call was going on. A file that has failed for good gets another chance. Any other change,
    such as new tags, is left to users. The size of a file in another format (`is_moved`) shows nothing.
    """
    if recording.status is Status.FAILED:
        was_missing = recording.error is not None and recording.error.code == AUDIO_MISSING
        return recording.is_terminal or (is_moved and was_missing)
    if recording.status is not Status.COMPLETED or recording.audio is None:
        return False
    if recording.transcript and recording.transcript.is_from_sidecar:
        return False
    has_grown = (
        not is_moved and file.size > recording.size and file.modified_at - recording.modified_at <= GROWTH_WINDOW
    )
    return bool(recording.audio.is_unfinished) or has_grown


def move(context: SyncContext, known: KnownFile, file: SourceFile, sidecars: Sequence[SourceFile]) -> None:
    """Move the record of a file that is gone to another file of the same call, which is complete.

    The id, the transcript and the metadata stay. A recording that has failed for good, or was transcribed from an
    unfinished file, is transcribed.

    Raises: StoreError; TranscriptionError, when a file cannot be read now.
    """
    location = context.source.location
    if context.source.stat(known.key):
        return
    file_metadata = context.reader.read(file, sidecars)
    recording = known_files.find_recording(location, known.key)
    if recording is None or recording.status is Status.PROCESSING:
        return  # its worker still reads the old file, or needs to find out that it is gone
    # a transcript in a sidecar is left to the next scan, which finds another fingerprint
    fingerprint = "" if file_metadata.transcript else file_metadata.fingerprint
    updates = {
        **_file_updates(file),
        "index_key": build_index_key(file.key, fingerprint),
        "metadata": merge(recording.metadata, file_metadata.metadata),
        "source_missing": None,
    }
    if must_transcribe_again(recording, file, is_moved=True):
        _transcribe_again(context, recording, updates)
        return
    condition = {"status": recording.status, "index_key": recording.index_key, "metadata": recording.metadata}
    if recordings.update_fields(recording.id, condition, updates):
        context.run.increment("moved")


def mark_missing(context: SyncContext, known: KnownFile) -> None:
    """Mark a recording as missing if its file is not listed and a request for the file itself does not find it.

    For a day, the index still holds the file: a converted one may take its place.
    """
    location, now = context.source.location, context.clock()
    if known.is_gone and not known.is_forgotten(now):
        return
    try:
        if context.source.stat(known.key):
            return  # it was created while the source was being listed
    except TranscriptionError:
        context.run.increment("unreadable")
        return
    expected_index_key = known.key if known.fingerprint is None else build_index_key(known.key, known.fingerprint)
    index_key = None if known.fingerprint is None else build_index_key(known.key, known_files.gone_fingerprint(now))
    updates = {"index_key": None} if known.is_gone else {"index_key": index_key, "source_missing": now}
    condition = {"index_key": expected_index_key}
    is_updated = recordings.update_fields(recording_id(location, known.key), condition, updates)
    if not is_updated:
        recording = known_files.find_recording(location, known.key)  # one that has moved keeps its id
        is_updated = recording and recordings.update_fields(recording.id, condition, updates)
    if is_updated and not known.is_gone:
        context.run.increment("missing")
