"""One attempt on one recording: open the audio, send it, store what comes back. It writes no status."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from callscribe.clock import Clock, iso
from callscribe.errors import RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.recording import Recording, TranscriptRef
from callscribe.sources import open_location
from callscribe.store import transcripts
from callscribe.telemetry import fault_of, logger
from callscribe.transcript import Transcript
from callscribe.whisperx import Service, Timeouts

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How an attempt ended: with a transcript or an error. `answered`: the service was there. It took `seconds`."""

    result: TranscriptRef | TranscriptionError
    answered: bool
    seconds: float


def attempt(claimed: Recording, service: Service, bucket: str, clock: Clock, until: datetime) -> Attempt:
    """Transcribes a claimed recording before `until`. Raises nothing: whatever goes wrong is the attempt's result.

    Nothing is sent after that: the run may have given the recording up by then, and another have its slot.
    """
    began = clock()
    answered = False
    result: TranscriptRef | TranscriptionError
    try:
        with open_location(claimed.location).open(claimed.key) as audio:
            # the id and the ending, never the file's own name: names hold phone numbers
            name = f"{claimed.id}{PurePosixPath(claimed.key).suffix.lower()}"
            seconds = _left(until, clock)
            answered = True  # what goes wrong from here on, and is no ServiceUnavailable, went wrong on a connection
            transcript: Any = service.send(audio, name, Timeouts(CONNECT_SECONDS, seconds))
        result = _store(claimed, transcript, bucket, clock)
    except ServiceUnavailable as error:
        result, answered = error, False
    except TranscriptionError as error:
        result = error
    except Exception as error:  # noqa: BLE001
        # The edge of one recording: whatever went wrong here must not leave it in processing, nor stop the others.
        logger.error("transcription failed on a fault of ours", recording_id=claimed.id, **fault_of(error))
        result, answered = RetryableError(_internal(error), code="internal_error"), False
    return Attempt(result=result, answered=answered, seconds=(clock() - began).total_seconds())


def _left(until: datetime, clock: Clock) -> float:
    seconds = (until - clock()).total_seconds()
    if seconds <= 0:
        raise RetryableError("Opening the audio took all the time that the run had.", code="timeout")
    return seconds


def _store(claimed: Recording, transcript: Transcript, bucket: str, clock: Clock) -> TranscriptRef:
    now = clock()
    # unique, so that no version is ever overwritten; sorts by time
    version = f"{now:%Y%m%dT%H%M%S%f}-{claimed.claim_token}"
    origin: dict[str, Any] = {
        "recordingId": claimed.id,
        "version": version,
        "attempt": claimed.attempts,
        "createdAt": iso(now),
    }
    transcripts.put(bucket, claimed.id, version, transcript.document(origin))
    return TranscriptRef(
        version=version,
        language=transcript.language,
        duration=transcript.duration,
        preview=transcript.preview,
        no_speech=not transcript.segments,
    )


def _internal(error: Exception) -> str:
    return f"A fault in Callscribe itself ({type(error).__name__}). The log of the process function says more."
