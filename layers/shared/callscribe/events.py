"""Events to EventBridge: a recording has come to the end of its way.

They are told after the status was written, so one can be missing where a worker died between the two; the record is
what counts. An event holds no file name and no text: names hold phone numbers.
"""

import json
from collections.abc import Sequence
from functools import cache
from itertools import batched
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from callscribe.clock import iso
from callscribe.recording import Recording, Status
from callscribe.telemetry import count, logger

SOURCE = "callscribe"
DETAIL_TYPES = {Status.COMPLETED: "Transcription Completed", Status.FAILED: "Transcription Failed"}

AT_ONCE = 10
"""EventBridge takes no more in one request."""


@cache
def _client() -> Any:
    import boto3  # here, for it costs a cold start a tenth

    retries = {"mode": "standard", "total_max_attempts": 2}
    return boto3.client("events", config=Config(connect_timeout=5, read_timeout=10, retries=retries))


def publish(ended: Sequence[Recording]) -> None:
    """Tells of each of these recordings, completed or finally failed. What is not taken is logged and counted only."""
    for some in batched(ended, AT_ONCE, strict=False):
        try:
            lost = _client().put_events(Entries=[_entry(each) for each in some])["FailedEntryCount"]
            reason = "refused"
        except (ClientError, BotoCoreError) as error:
            lost, reason = len(some), type(error).__name__
        if lost:
            count("EventsLost", lost)
            logger.error("events could not be sent", number=lost, reason=reason)


def _entry(recording: Recording) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "recordingId": recording.id,
        "transcriptionStatus": recording.status,
        "attempts": recording.attempts,
        "at": iso(recording.status_since),
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
