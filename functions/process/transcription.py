"""One attempt on one recording: open the audio, send it or ask for what was sent, store what comes of it.

It writes no status. What it learns on the way goes into the recording that it returns: a later attempt goes on there.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from callscribe.call import Call, Exchange
from callscribe.clock import Clock, iso
from callscribe.conversation import Sides, merge
from callscribe.errors import JobEnded, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.recording import Channel, Part, Recording, TranscriptRef
from callscribe.sources import Audio, open_location
from callscribe.store import transcripts
from callscribe.telemetry import fault_of, logger
from callscribe.transcript import Transcript, parse_stored
from callscribe.transitions import RetryPolicy, will_retry
from callscribe.whisperx import Job, Observer, Service, Timeouts
from functions.process.audio import examine
from functions.process.channels import Split, split

CONNECT_SECONDS = 5.0
POLL_SECONDS = 120.0
"""A poll can bring megabytes of words."""

LEAST_SECONDS, SECONDS_A_SECOND = 300.0, 4.0
"""How long the service may take: this, for it may have to load its model, and for each second of audio as much again.
Generous, for most servers go on with a job that was given up, and the next attempt would wait behind it."""

PASSING = ("timeout", "connection_lost", "service_error")
"""Errors of a poll that say nothing about the job: it is asked for again."""

SILENCE = Transcript(segments=())


class UnderWay:
    """The service works on the recording by itself: to be polled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How an attempt on `recording` ended, which took `seconds`. `answered`: the service was there.

    `partial` is the transcript of one channel, where the other one has failed for good.
    """

    recording: Recording
    result: TranscriptRef | UnderWay | TranscriptionError
    answered: bool = False
    seconds: float = 0.0
    partial: TranscriptRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """What all attempts of a run have in common.

    `connect` makes the connection to the service, which tells of its exchanges. `sides`: which channel of a stereo call
    is whose; None sends it as it is. `origin` goes into the transcript, to say where it came from.
    """

    connect: Callable[[Observer], Service]
    bucket: str
    sides: Sides | None
    origin: Mapping[str, Any]
    policy: RetryPolicy
    job_timeout: timedelta
    clock: Clock

    def attempt(self, claimed: Recording, until: datetime, calls: list[Call]) -> Attempt:
        """Transcribes a claimed recording before `until`. Raises nothing: whatever goes wrong is the attempt's result.

        Nothing is sent after that: the run may have given the recording up by then, and another have its slot. The
        calls to the service are added to `calls`.
        """
        began = self.clock()
        under_way = _UnderWay(self, claimed, until, calls)
        partial = None
        result: TranscriptRef | UnderWay | TranscriptionError
        try:
            try:
                result = under_way.transcribe()
            except TranscriptionError as error:
                result = error
                partial = None if will_retry(claimed, error, self.policy) else under_way.store_what_is_there()
            if not isinstance(result, TranscriptRef):
                under_way.keep_what_is_done()
        except Exception as error:  # noqa: BLE001
            # The edge of one recording: whatever went wrong here must not leave it in processing, nor stop the others.
            logger.error("transcription failed on a fault of ours", recording_id=claimed.id, **fault_of(error))
            return Attempt(recording=claimed, result=RetryableError(_internal(error), code="internal_error"))
        return Attempt(
            recording=under_way.recording,
            result=result,
            answered=under_way.answered and not isinstance(result, ServiceUnavailable),
            seconds=(self.clock() - began).total_seconds(),
            partial=partial,
        )


class _UnderWay:
    """An attempt as it goes on: the recording as far as it is known, and the transcripts of its parts so far."""

    def __init__(self, common: Transcriber, claimed: Recording, until: datetime, calls: list[Call]) -> None:
        self.recording = claimed
        self.answered = False
        self._common = common
        self._until = until
        self._calls = calls
        self._service = common.connect(self._observe)
        self._done: dict[Channel | None, Transcript] = {}

    def transcribe(self) -> TranscriptRef | UnderWay:
        """Raises TranscriptionError."""
        for part in self.recording.parts:
            if part.job and not self._poll(part, part.job):
                return UnderWay()
        if not self.recording.parts or self._unsent():
            self._send()
        if any(part.job for part in self.recording.parts):
            return UnderWay()
        return self._store(self._result())

    def keep_what_is_done(self) -> None:
        """Stores the channels that are done, for the attempt that brings the others."""
        with suppress(RetryableError):  # then that attempt sends them again
            for channel, transcript in self._done.items():
                if channel is not None:
                    name = f"{self.recording.claim_token}-{channel}"
                    transcripts.put_part(self._common.bucket, self.recording.id, name, asdict(transcript))
                    self._update(channel, job=None, transcript=name)

    def store_what_is_there(self) -> TranscriptRef | None:
        """Stores what one channel alone has given, if there is any."""
        with suppress(RetryableError):
            if done := self._result():
                return self._store(done)
        return None

    # asking and sending -----------------------------------------------------------------------------------------------

    def _poll(self, part: Part, job: str) -> bool:
        """Whether the job has ended, with a transcript. Raises TranscriptionError if it has ended without one."""
        seconds = min(self._seconds_left(), POLL_SECONDS)
        try:
            transcript = self._service.poll(Job(job), Timeouts(CONNECT_SECONDS, seconds))
        except JobEnded:
            self.answered = True
            self._update(part.channel, job=None, transcript=None)
            raise
        except RetryableError as error:
            if error.code not in PASSING:
                raise
            logger.warning("a job could not be polled", recording_id=self.recording.id, code=error.code)
            return False
        self.answered = True
        if transcript is not None:
            self._done[part.channel] = transcript
            self._update(part.channel, job=None, transcript=None)
        elif self._takes_too_long():
            self._update(part.channel, job=None, transcript=None)
            raise JobEnded(
                "The service did not end its job in the time that JobTimeoutMinutes gives it. Was it restarted? Then it "
                "has forgotten the job, and the recording is sent again.",
                code="job_timeout",
            )
        return transcript is not None

    def _takes_too_long(self) -> bool:
        since = self.recording.job_since
        return since is not None and self._common.clock() - since > self._common.job_timeout

    def _send(self) -> None:
        """Sends what was not sent yet, one part after the other until the service has one under way."""
        failed: TranscriptionError | None = None
        with open_location(self.recording.location).open(self.recording.key) as source:
            info, audio = examine(source)
            self.recording = replace(self.recording, audio=info)
            in_channels = any(part.channel for part in self.recording.parts)
            stereo = info.channels == len(Channel) and self._common.sides is not None
            if not in_channels and (self.recording.parts or not stereo):
                self._send_part(Part(), audio, PurePosixPath(self.recording.key).suffix.lower())
                return
            with split(audio) as channels:
                if not in_channels and channels.equal:
                    self._send_part(Part(), channels.whole(), PurePosixPath(self.recording.key).suffix.lower())
                    return
                if not in_channels:
                    self.recording = replace(self.recording, parts=tuple(map(_part_of, Channel)))
                failed = self._send_channels(channels)
        if failed and not any(part.job for part in self.recording.parts):
            raise failed

    def _send_channels(self, channels: Split) -> TranscriptionError | None:
        """The first error: one channel that fails does not keep the other from being sent."""
        failed = None
        for part in self._unsent():
            if part.channel in channels.silent:
                self._done[part.channel] = SILENCE  # Whisper makes words up for silence
                continue
            try:
                self._send_part(part, channels.open(part.channel), ".wav")
            except ServiceUnavailable:
                raise
            except TranscriptionError as error:
                failed = failed or error
            if any(part.job for part in self.recording.parts):
                break
        return failed

    def _send_part(self, part: Part, audio: Audio, extension: str) -> None:
        seconds = self._seconds_left()
        if self.recording.audio and self.recording.audio.duration is not None:
            seconds = min(seconds, LEAST_SECONDS + SECONDS_A_SECOND * self.recording.audio.duration)
        # never the file's own name: names hold phone numbers
        names = (self.recording.id, str(self.recording.sending), part.channel)
        name = "-".join(filter(None, names)) + extension
        again = self.recording.error is not None
        self.answered = True  # what goes wrong from here on, and is no ServiceUnavailable, went wrong on a connection
        answer = self._service.send(audio, name, Timeouts(CONNECT_SECONDS, seconds), again=again)
        if isinstance(answer, Transcript):
            self._done[part.channel] = answer
            return
        if not self.recording.parts:
            self.recording = replace(self.recording, parts=(Part(),))
        self.recording = replace(self.recording, job_since=self._common.clock())
        self._update(part.channel, job=answer.id, transcript=None)

    def _seconds_left(self) -> float:
        seconds = (self._until - self._common.clock()).total_seconds()
        if seconds <= 0:
            raise RetryableError("Opening the audio took all the time that the run had.", code="timeout")
        return seconds

    def _unsent(self) -> list[Part]:
        return [
            part
            for part in self.recording.parts
            if not part.job and not part.transcript and part.channel not in self._done
        ]

    def _update(self, channel: Channel | None, *, job: str | None, transcript: str | None) -> None:
        changed = Part(channel=channel, job=job, transcript=transcript)
        parts = (changed if part.channel == channel else part for part in self.recording.parts)
        self.recording = replace(self.recording, parts=tuple(parts))

    def _observe(self, exchange: Exchange) -> None:
        values = {each.name: getattr(exchange, each.name) for each in fields(Exchange)}
        self._calls.append(Call(recording_id=self.recording.id, attempt=self.recording.attempts, **values))

    # the result -------------------------------------------------------------------------------------------------------

    def _result(self) -> dict[Channel | None, Transcript]:
        """The transcripts of the parts that are done."""
        found = dict(self._done)
        for part in self.recording.parts:
            if part.transcript and part.channel not in found:
                document = transcripts.get_part(self._common.bucket, self.recording.id, part.transcript)
                found[part.channel] = parse_stored(document)
        return found

    def _store(self, done: dict[Channel | None, Transcript]) -> TranscriptRef:
        """Stores a new version. Raises RetryableError when S3 does not take it."""
        if None in done:
            transcript = done[None]
        else:
            transcript = merge({channel: text for channel, text in done.items() if channel}, self._sides)
        missing = [part.channel for part in self.recording.parts if part.channel not in done]
        audio, now = self.recording.audio, self._common.clock()
        # unique, so that no version is ever overwritten; sorts by time
        version = f"{now:%Y%m%dT%H%M%S%f}-{self.recording.claim_token}"
        origin = {
            "recordingId": self.recording.id,
            "version": version,
            "attempt": self.recording.attempts,
            "createdAt": iso(now),
            **self._common.origin,
        }
        document = transcript.document(origin)
        if audio and audio.duration is not None:
            document["duration"] = audio.duration
        document["missingChannels"] = missing
        transcripts.put(self._common.bucket, self.recording.id, version, document)
        return TranscriptRef(
            version=version,
            language=transcript.language,
            duration=document["duration"],
            preview=transcript.preview,
            no_speech=not transcript.segments,
            partial=bool(missing),
        )

    @property
    def _sides(self) -> Sides:
        """Those of now; if the setting was taken back meanwhile, the usual ones."""
        return self._common.sides or Sides.CALLER_LEFT


def _part_of(channel: Channel) -> Part:
    return Part(channel=channel)


def _internal(error: Exception) -> str:
    return f"A fault in Callscribe itself ({type(error).__name__}). The log of the process function says more."
