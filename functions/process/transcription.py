"""One attempt on one recording: its parts are sent or asked for, and what comes of them is stored.

It writes no status. What it learns on the way goes into the recording that it returns: a later attempt goes on there.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from callscribe.call import Call, Exchange
from callscribe.clock import Clock, iso
from callscribe.conversation import CALLER, Sides, merge
from callscribe.errors import RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.recording import Channel, Recording, TranscriptRef
from callscribe.store import transcripts
from callscribe.telemetry import fault_of, logger
from callscribe.transcript import Transcript
from callscribe.transitions import RetryPolicy, will_retry
from callscribe.whisperx import Observer, Service
from functions.process.parts import Parts


class UnderWay:
    """The service works on the recording by itself: to be polled."""


type Result = TranscriptRef | UnderWay | TranscriptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How an attempt on `recording` ended, which took `seconds`. `answered`: the service was there.

    `partial` is the transcript of one channel, where the other one has failed for good.
    """

    recording: Recording
    result: Result
    answered: bool = False
    seconds: float = 0.0
    partial: TranscriptRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """What all attempts of a run have in common.

    `connect` makes a connection to the service, which tells of its exchanges. `sides`: who speaks on
    which channel of a recording in stereo; None sends it as it is. `origin` goes into the transcript: where it came
    from.
    `language` is what the server was asked for; some do not tell which one they heard.
    """

    connect: Callable[[Observer], Service]
    bucket: str
    sides: Callable[[Recording], Sides | None]
    origin: Mapping[str, Any]
    language: str | None
    policy: RetryPolicy
    job_timeout: timedelta
    clock: Clock

    def attempt(self, claimed: Recording, until: datetime, calls: list[Call]) -> Attempt:
        """Transcribes a claimed recording before `until`. Raises nothing: whatever goes wrong is the attempt's result.

        Nothing is sent after that: the run may have given the recording up by then, and another have its slot. The
        calls to the service are added to `calls`.
        """

        def observe(exchange: Exchange) -> None:
            values = {each.name: getattr(exchange, each.name) for each in fields(Exchange)}
            calls.append(Call(recording_id=claimed.id, attempt=claimed.attempts, **values))

        began = self.clock()
        try:
            parts = Parts(
                claimed,
                self.connect(observe),
                sides=self.sides(claimed),
                bucket=self.bucket,
                job_timeout=self.job_timeout,
                until=until,
                clock=self.clock,
            )
            result, partial = self._work(parts)
        except Exception as error:  # noqa: BLE001
            # The edge of one recording: whatever went wrong here must not leave it in processing, nor stop the others.
            logger.error("transcription failed on a fault of ours", recording_id=claimed.id, **fault_of(error))
            return Attempt(recording=claimed, result=RetryableError(_internal(error), code="internal_error"))
        return Attempt(
            recording=parts.recording,
            result=result,
            answered=parts.answered and not isinstance(result, ServiceUnavailable),
            seconds=(self.clock() - began).total_seconds(),
            partial=partial,
        )

    def _work(self, parts: Parts) -> tuple[Result, TranscriptRef | None]:
        """The result and, where there is none, what one channel alone has given."""
        result: Result
        partial = None
        try:
            if parts.advance():
                return self._store(parts.recording, parts.transcripts()), None
            result = UnderWay()
        except TranscriptionError as error:
            result = error
            given_up = not isinstance(error, ServiceUnavailable) and not will_retry(parts.recording, error, self.policy)
            if given_up:
                with suppress(RetryableError):
                    if done := parts.transcripts():
                        partial = self._store(parts.recording, done)
            if partial and not partial.partial:
                return partial, None  # it only could not be stored before
        parts.keep()
        return result, partial

    def _store(self, recording: Recording, done: Mapping[Channel | None, Transcript]) -> TranscriptRef:
        """Stores a new version. Raises RetryableError when S3 does not take it."""
        if None in done:
            transcript = done[None]
        else:
            transcript = merge({channel: each for channel, each in done.items() if channel}, _sides(recording))
        missing = [part.channel for part in recording.parts if part.channel not in done]
        now = self.clock()
        # unique, so that no version is ever overwritten; sorts by time
        version = transcripts.version_name(now, str(recording.claim_token))
        origin: dict[str, Any] = {
            "recordingId": recording.id,
            "version": version,
            "attempt": recording.attempts,
            "createdAt": iso(now),
            **self.origin,
        }
        document = transcript.document(origin) | {"missingChannels": missing}
        document["language"] = document["language"] or self.language
        if recording.audio and recording.audio.duration is not None:
            document["duration"] = recording.audio.duration
        transcripts.put(self.bucket, recording.id, version, document)
        return TranscriptRef(
            version=version,
            language=document["language"],
            duration=document["duration"],
            preview=transcript.preview,
            no_speech=not transcript.segments,
            partial=bool(missing),
        )


def _sides(recording: Recording) -> Sides:
    """Those under which its channels were begun."""
    left = next(part.speaker for part in recording.parts if part.channel is Channel.LEFT)
    return Sides.CALLER_LEFT if left == CALLER else Sides.CALLER_RIGHT


def _internal(error: Exception) -> str:
    return f"A fault in Callscribe itself ({type(error).__name__}). The log of the process function says more."
