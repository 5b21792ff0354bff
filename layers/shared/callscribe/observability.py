"""Logs, metrics, and events to EventBridge. Tracing needs no import: `Tracing: Active` in the template is enough.

A log line identifies a recording by its id, never by its file name: names contain phone numbers. The service name and
the log level come from Powertools' environment variables (POWERTOOLS_SERVICE_NAME, POWERTOOLS_LOG_LEVEL).

An event says that a recording was completed or failed terminally. It is sent after the status was written, so it is
missing if the worker dies between the two: the record is authoritative.
"""

import json
import os
import traceback
import warnings
from collections.abc import Sequence
from itertools import batched
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from callscribe import aws
from callscribe.clock import to_iso
from callscribe.recordings.recording import Recording, Status

logger = Logger(use_rfc3339=True, utc=True)
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Callscribe"))
"""In CloudWatch's embedded metric format. The template gives each stack of an account a namespace of its own."""

EVENT_SOURCE = "callscribe"
DETAIL_TYPES = {Status.COMPLETED: "Transcription Completed", Status.FAILED: "Transcription Failed"}

METRICS_DISABLED = os.environ.get("POWERTOOLS_METRICS_DISABLED") == "true"
"""Checked here, too: Powertools keeps the values of a disabled metric, and writes them when there are a hundred."""

MAX_EVENT_BATCH = 10
"""EventBridge's limit for one request."""

warnings.filterwarnings("ignore", "No application metrics to publish")


def add_count(name: str, value: int = 1) -> None:
    """Add to the count metric `name`. Zeros are not written: each metric is charged for the hours in which it is."""
    if value and not METRICS_DISABLED:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def add_duration(name: str, *, seconds: float) -> None:
    """Add a duration to the metric `name`. A duration of 0 is written."""
    if not METRICS_DISABLED:
        metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=seconds)


def safe_exception_info(error: BaseException) -> dict[str, Any]:
    """What may be logged about an unexpected exception: its class and its traceback, but not its message.

    Libraries quote what they failed on: a header with a key in it, a file name.
    """
    return {"exception_name": type(error).__name__, "frames": traceback.format_tb(error.__traceback__)}


def publish_completed(recordings: Sequence[Recording]) -> None:
    """Send an event for each recording, completed or failed terminally. Failures are only logged and counted."""
    for batch in batched(recordings, MAX_EVENT_BATCH, strict=False):
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
    return {"Source": EVENT_SOURCE, "DetailType": DETAIL_TYPES[recording.status], "Detail": json.dumps(detail)}
