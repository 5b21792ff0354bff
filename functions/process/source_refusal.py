"""Finds out what it means that a recording cannot be opened: whether others can, and whether it may have moved."""

from contextlib import suppress

from callscribe.errors import AudioRefused, SourceRefused, StoreError, TranscriptionError
from callscribe.recordings.recording import Recording, Status
from callscribe.sources import AUDIO_MISSING, open_for_recording
from callscribe.store import recordings

SECOND_OPINIONS = 2
"""How many completed and how many queued recordings are opened to find out whether only one is refused."""


def explain_refusal(recording: Recording, error: AudioRefused) -> AudioRefused | SourceRefused:
    """Return `error` if other recordings of the source can be read, and so only this one is refused.

    Otherwise no recording can be transcribed until somebody grants the permission, so nothing more is sent.
    """
    if error.code != SourceRefused.code:  # an archived object says nothing about the others
        return error
    with suppress(StoreError):
        entries = [
            entry
            for status in (Status.COMPLETED, Status.QUEUED)
            for entry in recordings.newest_entries(status, SECOND_OPINIONS)
        ]
        if any(_is_readable(entry.id, recording.location) for entry in entries if entry.id != recording.id):
            return error
    return SourceRefused(error.message)


def explain_missing(recording: Recording, error: TranscriptionError) -> TranscriptionError:
    """Return `error`; the first time that the file is gone, one that costs no attempt and is tried again.

    The file may have been converted: the next sync moves the recording to the new one.
    """
    was_missing = recording.error is not None and recording.error.code == AUDIO_MISSING
    if error.code != AUDIO_MISSING or was_missing:
        return error
    message = "The file does not exist any more. If it was converted, the next sync finds the new one; else restore it."
    return AudioRefused(message, code=AUDIO_MISSING)


def _is_readable(recording_id: str, location: str) -> bool:
    """Return whether the file of another recording of the same source can be read."""
    recording = recordings.get(recording_id)
    if recording is None or recording.location != location:
        return False
    try:
        with open_for_recording(location).open(recording.key):
            return True
    except TranscriptionError:
        return False
