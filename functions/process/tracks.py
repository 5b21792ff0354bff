"""What is transcribed by itself: the whole of a recording, or each channel of a stereo call.

A part is sent, then done or, where the service answers with a job, to be asked for; one part after the other, for a
recording has one slot.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from callscribe.call_metadata.metadata import merge
from callscribe.clock import Clock
from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.observability import logger
from callscribe.recordings.recording import AudioTrack, Channel, Recording
from callscribe.sources import Audio, AudioFile, open_for_recording
from callscribe.store import transcripts
from callscribe.transcripts.stereo import ChannelLayout
from callscribe.transcripts.transcript import Transcript, parse_stored_transcript
from callscribe.whisperx import Job, Service, Timeouts
from functions.process.audio_probe import probe
from functions.process.stereo_split import StereoSplitter, split_stereo

CONNECT_SECONDS = 5.0

POLL_SECONDS = 120.0
"""A poll can bring megabytes of words."""

MIN_TIMEOUT_SECONDS, TIMEOUT_PER_AUDIO_SECOND = 300.0, 4.0
"""How long the service may take: this, for it may have to load its model, and for each second of audio so much more.
Generous, for most servers go on with what was given up, and the next attempt would wait behind it."""

MIN_OUTAGE_TIMEOUT_SECONDS, OUTAGE_TIMEOUT_PER_AUDIO_SECOND = 1800.0, 20.0
"""How long a job may last once the service was found gone: this, or so much for each second of audio."""

JOB_TIMEOUT_MESSAGE = (
    "The service did not end its job in the time that it is given. Was it restarted? Then it does not work on it any "
    "more, and the recording is sent again."
)

TRANSIENT_POLL_ERRORS = ("timeout", "connection_lost", "service_error")
"""Errors of a poll that say nothing about the job: it is asked for again."""

EMPTY_TRANSCRIPT = Transcript(segments=())

type TrackErrors = dict[Channel | None, TranscriptionError]
"""What went wrong in this attempt, by channel; None for the whole."""


class TrackTranscriber:
    """The parts of a claimed `recording`, which changes with what is learned.

    `answered`: the service was there.
    """

    def __init__(
        self,
        recording: Recording,
        service: Service,
        *,
        layout: ChannelLayout | None,
        bucket: str,
        job_timeout: timedelta,
        send_deadline: datetime,
        clock: Clock,
    ) -> None:
        self.recording = recording
        self.service_responded = False
        self._service = service
        self._layout = layout
        self._bucket = bucket
        self._job_timeout = job_timeout
        self._send_deadline = send_deadline
        self._clock = clock
        self._transcripts: dict[Channel | None, Transcript] = {}

    def run(self) -> bool:
        """Asks for what is under way, sends what was not sent yet; whether all is done. Raises TranscriptionError."""
        errors: TrackErrors = {}
        for track in self.recording.tracks:
            try:
                if track.job and not self._poll_track(track, track.job):
                    return False
            except JobFailed as error:
                errors[track.channel] = error
        if self._unsent_channels(errors):
            self._send(errors)
        if errors and not self.recording.has_job:
            raise min(errors.values(), key=lambda error: isinstance(error, PermanentError))  # one to be retried, if any
        return not self.recording.has_job

    def load_transcripts(self) -> dict[Channel | None, Transcript]:
        """Of the parts that are done. Raises RetryableError if one that was kept cannot be read."""
        loaded = dict(self._transcripts)
        for track in self.recording.tracks:
            if track.transcript and track.channel not in loaded:
                document = transcripts.get_track(self._bucket, self.recording.id, track.transcript)
                if document is None:
                    self._update_track(track.channel)
                    raise RetryableError("One channel's transcript is gone; it is made again.", code="part_missing")
                loaded[track.channel] = parse_stored_transcript(document)
        return loaded

    def save_tracks(self) -> None:
        """Stores the channels that are done, for the attempt that brings the others."""
        with suppress(RetryableError):  # then that attempt sends them again
            for channel, transcript in self._transcripts.items():
                if channel is not None:
                    name = f"{self.recording.claim_token}-{channel}"
                    transcripts.put_track(self._bucket, self.recording.id, name, asdict(transcript))
                    self._update_track(channel, transcript=name)

    # asking -----------------------------------------------------------------------------------------------------------

    def _poll_track(self, track: AudioTrack, job: str) -> bool:
        """Whether the job has ended, with a transcript. Raises JobEnded if it has ended without one."""
        try:
            transcript = self._poll(job)
        except JobFailed:
            self._discard_job(track)
            raise
        if transcript is not None:
            self._transcripts[track.channel] = transcript
            self._update_track(track.channel)
        elif self.recording.job_deadline is not None and self._clock() > self.recording.job_deadline:
            self._discard_job(track)
            raise JobFailed(JOB_TIMEOUT_MESSAGE, code="job_timeout")
        return transcript is not None

    def _discard_job(self, track: AudioTrack) -> None:
        """What was sent is done with: what is sent next has another name."""
        self._update_track(track.channel)
        self.recording = replace(self.recording, upload_number=self.recording.upload_number + 1)

    def _poll(self, job: str) -> Transcript | None:
        """What the service says of a job; None also where that says nothing about it."""
        timeouts = Timeouts(CONNECT_SECONDS, min(self._seconds_left(), POLL_SECONDS))
        try:
            transcript = self._service.poll(Job(job), timeouts)
        except ServiceUnavailable:
            self._shorten_job_deadline()
            raise
        except RetryableError as error:
            if isinstance(error, JobFailed) or error.code not in TRANSIENT_POLL_ERRORS:
                self.service_responded = True
                raise
            logger.warning("a job could not be polled", recording_id=self.recording.id, code=error.code)
            return None
        self.service_responded = True
        return transcript

    def _shorten_job_deadline(self) -> None:
        """A service that was gone may have been restarted, and then says of its former jobs that they are under way."""
        audio, now = self.recording.audio, self._clock()
        duration = audio.duration if audio and audio.duration else 0.0
        shortened_deadline = now + timedelta(
            seconds=max(MIN_OUTAGE_TIMEOUT_SECONDS, OUTAGE_TIMEOUT_PER_AUDIO_SECOND * duration)
        )
        deadline = (self.recording.job_started_at or now) + self._job_timeout
        self.recording = replace(self.recording, job_deadline=min(deadline, shortened_deadline))

    # sending ----------------------------------------------------------------------------------------------------------

    def _send(self, errors: TrackErrors) -> None:
        """Sends what was not sent yet, but for what has just failed; adds to it what fails now."""
        with self._open_probed() as audio:
            if not self._is_stereo:
                self._send_whole(audio)
                return
            with split_stereo(audio) as splitter:
                if self.recording.tracks or not splitter.is_dual_mono or splitter.silent_channels:
                    self._send_channels(splitter, errors)
                    return
        with self._open_probed() as audio:  # once more from the beginning: two equal channels are sent as one
            self._send_whole(audio)

    @contextmanager
    def _open_probed(self) -> Iterator[AudioFile]:
        with open_for_recording(self.recording.location).open(self.recording.key) as file:
            file_stat, audio_probe = file.stat(self.recording.key), probe(file)
            self.recording = replace(
                self.recording,
                size=file_stat.size,
                etag=file_stat.etag,
                modified_at=file_stat.modified_at,
                audio=audio_probe.info,
                metadata=merge(self.recording.metadata, audio_probe.tag_metadata),
            )
            yield audio_probe.audio

    @property
    def _is_stereo(self) -> bool:
        """Whether its channels are, or were begun, apart."""
        if self.recording.tracks:
            return any(track.channel for track in self.recording.tracks)
        audio = self.recording.audio
        return self._layout is not None and audio is not None and audio.channels == len(Channel)

    def _send_whole(self, audio: Audio) -> None:
        self._send_track(None, audio, PurePosixPath(self.recording.key).suffix.lower())

    def _send_channels(self, splitter: StereoSplitter, errors: TrackErrors) -> None:
        """One that fails does not keep the other from being sent."""
        if not self.recording.tracks:
            layout = self._layout or ChannelLayout.CALLER_LEFT
            tracks = (AudioTrack(channel=channel, speaker=layout.speaker_for(channel)) for channel in Channel)
            self.recording = replace(self.recording, tracks=tuple(tracks))
        for channel in filter(None, self._unsent_channels(errors)):
            if channel in splitter.silent_channels:
                self._transcripts[channel] = EMPTY_TRANSCRIPT  # Whisper makes words up for silence
                continue
            try:
                with splitter.open(channel) as audio:
                    self._send_track(channel, audio, ".wav")
            except ServiceUnavailable:
                raise
            except TranscriptionError as error:
                errors[channel] = error
            if self.recording.has_job:
                return

    def _send_track(self, channel: Channel | None, audio: Audio, extension: str) -> None:
        # never the file's own name: names hold phone numbers. A stack that is set up anew numbers from 0 again, and is
        # not to be given what the server did for the former one.
        upload_id = f"{self.recording.created_at:%Y%m%d%H%M%S%f}-{self.recording.upload_number}"
        name = (
            "-".join((self.recording.id, upload_id, channel) if channel else (self.recording.id, upload_id)) + extension
        )
        timeouts = Timeouts(CONNECT_SECONDS, self._response_timeout())
        self.service_responded = (
            True  # what goes wrong from here on, and is no ServiceUnavailable, went wrong on a connection
        )
        result = self._service.send(audio, name, timeouts, is_resend=self.recording.error is not None)
        if isinstance(result, Job):
            tracks = self.recording.tracks or (AudioTrack(channel=channel),)
            now = self._clock()
            self.recording = replace(
                self.recording, tracks=tracks, job_started_at=now, job_deadline=now + self._job_timeout
            )
            self._update_track(channel, job=result.id)
        else:
            self._transcripts[channel] = result

    def _response_timeout(self) -> float:
        """Seconds that the service may take."""
        audio = self.recording.audio
        if audio is None or audio.duration is None:
            return self._seconds_left()
        return min(self._seconds_left(), MIN_TIMEOUT_SECONDS + TIMEOUT_PER_AUDIO_SECOND * audio.duration)

    def _seconds_left(self) -> float:
        seconds = (self._send_deadline - self._clock()).total_seconds()
        if seconds <= 0:
            raise RetryableError("Opening the audio took all the time that the run had.", code="timeout")
        return seconds

    def _unsent_channels(self, errors: TrackErrors) -> list[Channel | None]:
        """The channels that are to be sent, or None for the whole."""
        tracks = self.recording.tracks or (AudioTrack(),)
        unsent = (track.channel for track in tracks if not track.job and not track.transcript)
        return [channel for channel in unsent if channel not in self._transcripts and channel not in errors]

    def _update_track(self, channel: Channel | None, *, job: str | None = None, transcript: str | None = None) -> None:
        tracks = [
            replace(track, job=job, transcript=transcript) if track.channel == channel else track
            for track in self.recording.tracks
        ]
        # the whole, when its job is over, is as it was before
        self.recording = replace(self.recording, tracks=tuple(track for track in tracks if track != AudioTrack()))
