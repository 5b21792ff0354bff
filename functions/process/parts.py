"""What is transcribed by itself: the whole of a recording, or each channel of a stereo call.

A part is sent, then done or, where the service answers with a job, to be asked for; one part after the other, for a
recording has one slot.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from callscribe.clock import Clock
from callscribe.conversation import Sides
from callscribe.errors import JobEnded, PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.metadata import combined
from callscribe.recording import Channel, Part, Recording
from callscribe.sources import Audio, AudioFile, open_location
from callscribe.store import transcripts
from callscribe.telemetry import logger
from callscribe.transcript import Transcript, parse_stored
from callscribe.whisperx import Job, Service, Timeouts
from functions.process.audio import examine
from functions.process.channels import Split, split

CONNECT_SECONDS = 5.0

POLL_SECONDS = 120.0
"""A poll can bring megabytes of words."""

LEAST_SECONDS, SECONDS_A_SECOND = 300.0, 4.0
"""How long the service may take: this, for it may have to load its model, and for each second of audio so much more.
Generous, for most servers go on with what was given up, and the next attempt would wait behind it."""

AFTER_OUTAGE_SECONDS, AFTER_OUTAGE_SECONDS_A_SECOND = 1800.0, 20.0
"""How long a job may last once the service was found gone: this, or so much for each second of audio."""

TOO_LONG = (
    "The service did not end its job in the time that it is given. Was it restarted? Then it does not work on it any "
    "more, and the recording is sent again."
)

PASSING = ("timeout", "connection_lost", "service_error")
"""Errors of a poll that say nothing about the job: it is asked for again."""

SILENCE = Transcript(segments=())

type Failed = dict[Channel | None, TranscriptionError]
"""What went wrong in this attempt, by channel; None for the whole."""


class Parts:
    """The parts of a claimed `recording`, which changes with what is learned.

    `answered`: the service was there.
    """

    def __init__(
        self,
        claimed: Recording,
        service: Service,
        *,
        sides: Sides | None,
        bucket: str,
        job_timeout: timedelta,
        until: datetime,
        clock: Clock,
    ) -> None:
        self.recording = claimed
        self.answered = False
        self._service = service
        self._sides = sides
        self._bucket = bucket
        self._job_timeout = job_timeout
        self._until = until
        self._clock = clock
        self._done: dict[Channel | None, Transcript] = {}

    def advance(self) -> bool:
        """Asks for what is under way, sends what was not sent yet; whether all is done. Raises TranscriptionError."""
        failed: Failed = {}
        for part in self.recording.parts:
            try:
                if part.job and not self._ended(part, part.job):
                    return False
            except JobEnded as error:
                failed[part.channel] = error
        if self._left(failed):
            self._send(failed)
        if failed and not self.recording.has_job:
            raise min(failed.values(), key=lambda error: isinstance(error, PermanentError))  # one to be retried, if any
        return not self.recording.has_job

    def transcripts(self) -> dict[Channel | None, Transcript]:
        """Of the parts that are done. Raises RetryableError if one that was kept cannot be read."""
        found = dict(self._done)
        for part in self.recording.parts:
            if part.transcript and part.channel not in found:
                document = transcripts.get_part(self._bucket, self.recording.id, part.transcript)
                if document is None:
                    self._update(part.channel)
                    raise RetryableError("One channel's transcript is gone; it is made again.", code="part_missing")
                found[part.channel] = parse_stored(document)
        return found

    def keep(self) -> None:
        """Stores the channels that are done, for the attempt that brings the others."""
        with suppress(RetryableError):  # then that attempt sends them again
            for channel, transcript in self._done.items():
                if channel is not None:
                    name = f"{self.recording.claim_token}-{channel}"
                    transcripts.put_part(self._bucket, self.recording.id, name, asdict(transcript))
                    self._update(channel, transcript=name)

    # asking -----------------------------------------------------------------------------------------------------------

    def _ended(self, part: Part, job: str) -> bool:
        """Whether the job has ended, with a transcript. Raises JobEnded if it has ended without one."""
        try:
            transcript = self._asked(job)
        except JobEnded:
            self._give_up(part)
            raise
        if transcript is not None:
            self._done[part.channel] = transcript
            self._update(part.channel)
        elif self.recording.job_until is not None and self._clock() > self.recording.job_until:
            self._give_up(part)
            raise JobEnded(TOO_LONG, code="job_timeout")
        return transcript is not None

    def _give_up(self, part: Part) -> None:
        """What was sent is done with: what is sent next has another name."""
        self._update(part.channel)
        self.recording = replace(self.recording, sending=self.recording.sending + 1)

    def _asked(self, job: str) -> Transcript | None:
        """What the service says of a job; None also where that says nothing about it."""
        timeouts = Timeouts(CONNECT_SECONDS, min(self._seconds_left(), POLL_SECONDS))
        try:
            transcript = self._service.poll(Job(job), timeouts)
        except ServiceUnavailable:
            self._doubt_the_job()
            raise
        except RetryableError as error:
            if isinstance(error, JobEnded) or error.code not in PASSING:
                self.answered = True
                raise
            logger.warning("a job could not be polled", recording_id=self.recording.id, code=error.code)
            return None
        self.answered = True
        return transcript

    def _doubt_the_job(self) -> None:
        """A service that was gone may have been restarted, and then says of its former jobs that they are under way."""
        audio, now = self.recording.audio, self._clock()
        length = audio.duration if audio and audio.duration else 0.0
        sooner = now + timedelta(seconds=max(AFTER_OUTAGE_SECONDS, AFTER_OUTAGE_SECONDS_A_SECOND * length))
        until = (self.recording.job_since or now) + self._job_timeout
        self.recording = replace(self.recording, job_until=min(until, sooner))

    # sending ----------------------------------------------------------------------------------------------------------

    def _send(self, failed: Failed) -> None:
        """Sends what was not sent yet, but for what has just failed; adds to it what fails now."""
        with self._examined() as audio:
            if not self._is_stereo:
                self._send_whole(audio)
                return
            with split(audio) as channels:
                if self.recording.parts or not channels.equal or channels.silent:
                    self._send_channels(channels, failed)
                    return
        with self._examined() as audio:  # once more from the beginning: two equal channels are sent as one
            self._send_whole(audio)

    @contextmanager
    def _examined(self) -> Iterator[AudioFile]:
        with open_location(self.recording.location).open(self.recording.key) as file:
            sent, examined = file.listed(self.recording.key), examine(file)
            self.recording = replace(
                self.recording,
                size=sent.size,
                etag=sent.etag,
                modified_at=sent.modified_at,
                audio=examined.info,
                metadata=combined(self.recording.metadata, examined.tags),
            )
            yield examined.audio

    @property
    def _is_stereo(self) -> bool:
        """Whether its channels are, or were begun, apart."""
        if self.recording.parts:
            return any(part.channel for part in self.recording.parts)
        audio = self.recording.audio
        return self._sides is not None and audio is not None and audio.channels == len(Channel)

    def _send_whole(self, audio: Audio) -> None:
        self._send_part(None, audio, PurePosixPath(self.recording.key).suffix.lower())

    def _send_channels(self, channels: Split, failed: Failed) -> None:
        """One that fails does not keep the other from being sent."""
        if not self.recording.parts:
            sides = self._sides or Sides.CALLER_LEFT
            parts = (Part(channel=channel, speaker=sides.speaker(channel)) for channel in Channel)
            self.recording = replace(self.recording, parts=tuple(parts))
        for channel in filter(None, self._left(failed)):
            if channel in channels.silent:
                self._done[channel] = SILENCE  # Whisper makes words up for silence
                continue
            try:
                with channels.open(channel) as audio:
                    self._send_part(channel, audio, ".wav")
            except ServiceUnavailable:
                raise
            except TranscriptionError as error:
                failed[channel] = error
            if self.recording.has_job:
                return

    def _send_part(self, channel: Channel | None, audio: Audio, extension: str) -> None:
        # never the file's own name: names hold phone numbers. A stack that is set up anew numbers from 0 again, and is
        # not to be given what the server did for the former one.
        number = f"{self.recording.created_at:%Y%m%d%H%M%S%f}-{self.recording.sending}"
        name = "-".join((self.recording.id, number, channel) if channel else (self.recording.id, number)) + extension
        timeouts = Timeouts(CONNECT_SECONDS, self._patience())
        self.answered = True  # what goes wrong from here on, and is no ServiceUnavailable, went wrong on a connection
        answer = self._service.send(audio, name, timeouts, again=self.recording.error is not None)
        if isinstance(answer, Job):
            parts = self.recording.parts or (Part(channel=channel),)
            now = self._clock()
            self.recording = replace(self.recording, parts=parts, job_since=now, job_until=now + self._job_timeout)
            self._update(channel, job=answer.id)
        else:
            self._done[channel] = answer

    def _patience(self) -> float:
        """Seconds that the service may take."""
        audio = self.recording.audio
        if audio is None or audio.duration is None:
            return self._seconds_left()
        return min(self._seconds_left(), LEAST_SECONDS + SECONDS_A_SECOND * audio.duration)

    def _seconds_left(self) -> float:
        seconds = (self._until - self._clock()).total_seconds()
        if seconds <= 0:
            raise RetryableError("Opening the audio took all the time that the run had.", code="timeout")
        return seconds

    def _left(self, failed: Failed) -> list[Channel | None]:
        """The channels that are to be sent, or None for the whole."""
        parts = self.recording.parts or (Part(),)
        waiting = (part.channel for part in parts if not part.job and not part.transcript)
        return [channel for channel in waiting if channel not in self._done and channel not in failed]

    def _update(self, channel: Channel | None, *, job: str | None = None, transcript: str | None = None) -> None:
        parts = [
            replace(part, job=job, transcript=transcript) if part.channel == channel else part
            for part in self.recording.parts
        ]
        # the whole, when its job is over, is as it was before
        self.recording = replace(self.recording, parts=tuple(part for part in parts if part != Part()))
