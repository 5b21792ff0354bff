"""Events to EventBridge: a recording was completed or failed terminally.

An event is sent after the status was written, so it is missing if the worker dies between the two: the record is
authoritative. An event contains no file name and no transcript: file names contain phone numbers.
"""

import json
from collections.abc import Sequence
from itertools import batched
from typing import Any

from callscribe import aws
from callscribe.clock import to_iso
from callscribe.observability import add_count, logger
from callscribe.recordings.recording import Recording, Status

SOURCE = "callscribe"
DETAIL_TYPES = {Status.COMPLETED: "Transcription Completed", Status.FAILED: "Transcription Failed"}

MAX_BATCH = 10
"""EventBridge's limit for one request."""


def publish_completed(recordings: Sequence[Recording]) -> None:
    """Send an event for each recording, completed or failed terminally. Failures are only logged and counted."""
    for batch in batched(recordings, MAX_BATCH, strict=False):
        try:
            entries = [_to_event_entry(recording) for recording in batch]
            with aws.map_aws_errors():
                failed_count, reason = aws.client("events").put_events(Entries=entries)["FailedEntryCount"], "refused"
        except aws.AwsError as error:
            failed_count, reason = len(batch), error.code
        if failed_count:
            add_count("EventPublishErrors", failed_count)
            logger.error("event publish failed", number=failed_count, reason=reason)


def _to_event_entry(recording: Recording) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "recordingId": recording.id,
        "transcriptionStatus": recording.status,
        "attempts": recording.attempts,
        "at": to_iso(recording.status_since),
    }
    if transcript := recording.transcript:
        detail |= {
            "transcriptVersion": transcript.version,
            "language": transcript.language,
            "duration": transcript.duration,
            "noSpeech": transcript.no_speech,
            "partial": transcript.partial,
        }
    if error := recording.error:
        detail |= {"errorCode": error.code, "errorMessage": error.message}
    return {"Source": SOURCE, "DetailType": DETAIL_TYPES[recording.status], "Detail": json.dumps(detail)}
