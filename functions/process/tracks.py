"""Transcribes the tracks of a recording: the whole file, or each channel of a stereo call, one after the other.

A track is sent, then either done or, when the server responds with a job, polled by later runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from callscribe.call_metadata.metadata import merge
from callscribe.clock import Clock
from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.observability import logger
from callscribe.recordings.recording import AudioTrack, Channel, Recording
from callscribe.recordings.retry_policy import to_failure
from callscribe.settings.process import ProcessSettings
from callscribe.sources import Audio, open_for_recording
from callscribe.sources.file_types import has_no_extension
from callscribe.store import transcripts
from callscribe.transcripts.stereo import ChannelLayout, channel_layout
from callscribe.transcripts.transcript import Transcript, parse_stored_transcript
from callscribe.whisperx import Job, Service, Timeouts
from functions.process.audio.loudness import ChannelLevels
from functions.process.audio.probe import AudioProbe, probe
from functions.process.audio.stereo_split import StereoSplitter, split_stereo

CONNECT_SECONDS = 5.0

POLL_SECONDS = 120.0
"""Timeout of a poll, whose response can be megabytes of words."""

BASE_TIMEOUT_SECONDS, TIMEOUT_PER_AUDIO_SECOND = 300.0, 4.0
"""Response timeout in seconds: a base, because the server may have to load its model, plus this much per second of
audio. Generous, because most servers keep working on an aborted request, and the next attempt would wait behind it."""

JOB_TIMEOUT_MESSAGE = (
    "The server did not finish its job within the job timeout. If it was restarted, it has lost the job. The recording "
    "is sent again."
)

TRANSIENT_POLL_ERRORS = ("timeout", "connection_lost", "service_error", "gateway_timeout")
"""Errors of a poll that say nothing about the job: it is polled again."""

LEVELS = "levels"  # stored under this name next to the transcripts of the channels


class TrackTranscriber:
    """Transcribes the tracks of a claimed recording.

    `recording`: with everything that the attempt has learned so far. `service_responded`: the server was available.
    """

    def __init__(
        self,
        recording: Recording,
        service: Service,
        settings: ProcessSettings,
        response_deadline: datetime,
        clock: Clock,
    ) -> None:
        self.recording = recording
        self.service_responded = False
        self._levels: ChannelLevels | None = None
        self._service = service
        self._settings = settings
        self._bucket = settings.transcripts_bucket
        self._job_timeout = timedelta(minutes=settings.job_timeout_minutes)
        self._response_deadline = response_deadline
        self._clock = clock
        self._transcripts: dict[Channel | None, Transcript] = {}

    def run(self) -> bool:
        """Poll the pending job, then send what is not sent yet. Return whether all tracks are done.

        If one channel fails, the other one is sent anyway.

        Raises: TranscriptionError, a retryable one if any track has one.
        """
        for track in self.recording.tracks:
            try:
                if track.job and not self._poll_track(track.channel, track.job):
                    return False
            except JobFailed as error:
                self._record_failure(track.channel, error)
        if self._unsent_channels():
            self._send()
        if self.recording.has_job:
            return False
        if failures := [track.failure for track in self.recording.tracks if track.failure]:
            failure = max(failures, key=lambda failure: failure.retryable)
            error_class = RetryableError if failure.retryable else PermanentError
            raise error_class(failure.message, code=failure.code, status=failure.status)
        return True

    def complete_without_speech(self, channel: Channel | None) -> None:
        """Replace the result of a track by an empty transcript."""
        self._transcripts[channel] = Transcript(segments=())
        self._update_track(channel)

    def load_transcripts(self) -> dict[Channel | None, Transcript]:
        """Return the transcripts of all tracks that are done, including those of earlier attempts.

        Raises: RetryableError, when a stored one cannot be read.
        """
        loaded = dict(self._transcripts)
        for track in self.recording.tracks:
            if track.transcript_version and track.channel not in loaded:
                document = transcripts.get_track(self._bucket, self.recording.id, track.transcript_version)
                if document is None:
                    self._update_track(track.channel)
                    raise RetryableError(
                        "The stored transcript of one channel is gone. It is transcribed again.", code="track_missing"
                    )
                loaded[track.channel] = parse_stored_transcript(document)
        return loaded

    def save_tracks(self) -> None:
        """Store the levels and the channels that are done, for the attempt that completes the others."""
        with suppress(RetryableError):  # then that attempt sends them again
            for channel, transcript in self._transcripts.items():
                if channel is not None:
                    version = f"{self.recording.claim_token}-{channel}"
                    transcripts.put_track(self._bucket, self.recording.id, version, asdict(transcript))
                    self._update_track(channel, transcript_version=version)
            if self._levels and self.recording.tracks:
                transcripts.put_track(self._bucket, self.recording.id, LEVELS, self._levels.to_document())

    def load_levels(self) -> ChannelLevels | None:
        """Return the levels of both channels, also if an earlier run decoded them; None if they are not available."""
        if self._levels is None:
            with suppress(RetryableError):
                document = transcripts.get_track(self._bucket, self.recording.id, LEVELS)
                self._levels = document and ChannelLevels.from_document(document)
        return self._levels

    def _poll_track(self, channel: Channel | None, job: str) -> bool:
        """Return whether the job has ended with a transcript.

        Raises: JobFailed, when it has ended without one or has timed out.
        """
        try:
            transcript = self._poll(job)
        except JobFailed:
            self._discard_job(channel)
            raise
        if transcript is not None:
            self._transcripts[channel] = transcript
            self._update_track(channel)
        elif self.recording.job_deadline is not None and self._clock() > self.recording.job_deadline:
            self._discard_job(channel)
            raise JobFailed(JOB_TIMEOUT_MESSAGE, code="job_timeout")
        return transcript is not None

    def _discard_job(self, channel: Channel | None) -> None:
        self._update_track(channel)
        self._update(upload_number=self.recording.upload_number + 1)  # the next upload needs another name

    def _poll(self, job: str) -> Transcript | None:
        """Return the job's transcript; None while it is pending, or if this poll failed without saying anything."""
        timeouts = Timeouts(CONNECT_SECONDS, min(self._seconds_left(), POLL_SECONDS))
        try:
            transcript = self._service.poll(Job(job), timeouts)
        except ServiceUnavailable:
            raise
        except TranscriptionError as error:
            is_transient = error.code in TRANSIENT_POLL_ERRORS and not isinstance(error, JobFailed)
            if not is_transient:
                self.service_responded = True
                raise
            logger.warning("job poll failed", recording_id=self.recording.id, code=error.code)
            return None
        self.service_responded = True
        return transcript

    def _send(self) -> None:
        """Send what is not sent yet, up to the first job."""
        with self.open_probed() as audio_probe:
            layout = None if self.recording.tracks else self._stereo_layout()
            resumes_channels = any(track.channel for track in self.recording.tracks)
            if not layout and not resumes_channels:
                with audio_probe.open_if_audible() as audio:
                    self._send_track(None, audio)
                return
            with split_stereo(audio_probe.audio) as splitter:
                self._levels = splitter.levels
                # two silent channels are equal too, but nothing is sent for them
                if resumes_channels or not splitter.is_dual_mono or splitter.silent_channels:
                    if layout:
                        self._update(
                            tracks=tuple(
                                AudioTrack(channel=channel, speaker=layout.speaker_for(channel)) for channel in Channel
                            )
                        )
                    self._send_channels(splitter)
                    return
        with self.open_probed() as audio_probe:  # read from the start again: two equal channels are sent as one
            self._send_track(None, audio_probe.audio)

    @contextmanager
    def open_probed(self) -> Iterator[AudioProbe]:
        """Open the file and probe it. What it says about itself becomes part of the recording."""
        key = self.recording.key
        with open_for_recording(self.recording.location).open(key) as file:
            file_stat, audio_probe = file.stat(key), probe(file)
            self._update(
                size=file_stat.size,
                etag=file_stat.etag,
                modified_at=file_stat.modified_at,
                audio=audio_probe.info,
                metadata=merge(self.recording.metadata, audio_probe.tag_metadata),
            )
            yield audio_probe

    def _stereo_layout(self) -> ChannelLayout | None:
        """Return who speaks on which channel; None to send the file as it is."""
        audio = self.recording.audio
        if audio is None or audio.channels != len(Channel):
            return None
        phone_system = self._settings.phone_system or self.recording.metadata.phone_system or ""
        return channel_layout(self._settings.channels, phone_system, self.recording.metadata)

    def _send_channels(self, splitter: StereoSplitter) -> None:
        for channel in filter(None, self._unsent_channels()):
            try:
                with splitter.open(channel) as audio:
                    self._send_track(channel, None if channel in splitter.silent_channels else audio)
            except ServiceUnavailable:
                raise
            except TranscriptionError as error:
                self._record_failure(channel, error)
            if self.recording.has_job:
                return

    def _send_track(self, channel: Channel | None, audio: Audio | None) -> None:
        if audio is None:  # Whisper hallucinates text for silence
            self.complete_without_speech(channel)
            return
        # Never the file's own name: names contain phone numbers. The creation time is part of the name because a new
        # stack counts uploads from 0 again, and must not receive results of the previous stack.
        upload_id = f"{self.recording.created_at:%Y%m%d%H%M%S%f}-{self.recording.upload_number}"
        path = PurePosixPath(self.recording.key)
        extension = ".wav" if channel or has_no_extension(path.name) else path.suffix.lower()
        name = "-".join(filter(None, (self.recording.id, upload_id, channel))) + extension
        timeouts = Timeouts(CONNECT_SECONDS, self._response_timeout())
        # from here on, any error except ServiceUnavailable happened on an open connection
        self.service_responded = True
        result = self._service.send(audio, name, timeouts, is_resend=self.recording.error is not None)
        if isinstance(result, Job):
            now = self._clock()
            self._update(job_started_at=now, job_deadline=now + self._job_timeout, job_presumed_lost_at=None)
            self._update_track(channel, job=result.id)
        else:
            self._transcripts[channel] = result

    def _response_timeout(self) -> float:
        """Return how many seconds the server may take."""
        if self._duration is None:
            return self._seconds_left()
        return min(self._seconds_left(), BASE_TIMEOUT_SECONDS + TIMEOUT_PER_AUDIO_SECOND * self._duration)

    @property
    def _duration(self) -> float | None:
        audio = self.recording.audio
        return audio.duration if audio else None

    def _seconds_left(self) -> float:
        seconds = (self._response_deadline - self._clock()).total_seconds()
        if seconds <= 0:
            raise RetryableError("The run had no time left to wait for the server.", code="timeout")
        return seconds

    def _unsent_channels(self) -> list[Channel | None]:
        """Return the channels still to be sent in this attempt; None is the whole file."""
        tracks = self.recording.tracks or (AudioTrack(),)
        return [track.channel for track in tracks if track.is_unsent and track.channel not in self._transcripts]

    def _record_failure(self, channel: Channel | None, error: TranscriptionError) -> None:
        if channel is None:  # the whole file: nothing else to wait for
            raise error
        self._update_track(channel, failure=to_failure(error, self._clock()))

    def _update_track(self, channel: Channel | None, **result: Any) -> None:
        self.recording = self.recording.with_track(channel, **result)

    def _update(self, **changes: Any) -> None:
        self.recording = replace(self.recording, **changes)
