"""One attempt on one recording: sends or polls its tracks and stores the transcript.

It writes no status. Whatever the attempt learns is part of the recording that it returns, so that a later attempt
continues from there.
"""

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from callscribe import aws
from callscribe.aws import AwsError
from callscribe.clock import Clock, to_iso
from callscribe.errors import (
    AudioRefused,
    ConfigurationError,
    RetryableError,
    ServiceUnavailable,
    TranscriptionError,
)
from callscribe.observability import logger, safe_exception_info
from callscribe.recordings.recording import Channel, Failure, Recording, TranscriptRef
from callscribe.recordings.retry_policy import will_retry
from callscribe.recordings.service_request import HttpExchange, ServiceRequest
from callscribe.settings.process import ProcessSettings
from callscribe.settings.whisperx import Credentials, credential_errors, server_origin
from callscribe.store import transcripts
from callscribe.transcripts.quality import assess
from callscribe.transcripts.stereo import ChannelLayout, merge_channels
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import RequestLogger, Service, connect
from callscribe.whisperx.response_errors import is_unexplained
from functions.process.audio.loudness import MIN_AUDIBLE_SECONDS
from functions.process.audio.stereo_split import split_stereo
from functions.process.source_refusal import explain_missing, explain_refusal
from functions.process.tracks import TrackTranscriber

KEY_CACHE_SECONDS = 300
"""How long the WhisperX secret is cached, so that most runs need no request for it. A changed key or header may go
unnoticed this long."""


@dataclass(frozen=True, slots=True)
class _CachedSecret:
    """The credentials in the secret, the server URL that they were read for, and when, by the monotonic clock."""

    credentials: Credentials
    server_url: str
    read_at: float


_secret_cache: dict[str, _CachedSecret] = {}
"""By the secret's name."""

NO_CHANGES: Mapping[str, Any] = {}
ALL_CREDENTIALS = {"api_key", "headers"}


@dataclass(slots=True)
class WhisperXConnection:
    """Connects to the WhisperX server with its credentials.

    `default_url` is the template's server, to which the credentials belong if the secret names no server.
    """

    settings: ProcessSettings
    default_url: str
    _credentials: Credentials = field(default=Credentials(), init=False, repr=False)

    def prepare(self, *, refresh_key: bool) -> None:
        """Load the credentials and check the settings, before a recording is claimed.

        Raises: ConfigurationError.
        """
        self._credentials = self.load_credentials(refresh_key=refresh_key)
        connect(self.settings, self._credentials)

    def open(self, log_request: RequestLogger) -> Service:
        """Connect with the credentials that were loaded last."""
        return connect(self.settings, self._credentials, log_request)

    def load_credentials(self, *, refresh_key: bool, changes: Mapping[str, Any] = NO_CHANGES) -> Credentials:
        """Return the credentials from Secrets Manager; with `refresh_key`, bypass the cache.

        They are also re-read when the server changes, because a new server is stored together with them. They are only
        ever sent to the server they were stored for (the template's, if the secret does not name one), so that someone
        who can change the address through the API cannot have them sent to a host of their own. `changes` replace the
        fields of Credentials that they name, for a test; these may be sent to any server.

        Raises: ConfigurationError, when the secret is unreadable, cannot be sent, or is for another server.
        """
        cached = None if changes.keys() >= ALL_CREDENTIALS else self._read_secret(refresh=refresh_key)
        stored = cached.credentials if cached else Credentials()
        kept = replace(stored, **{name: type(value)() for name, value in changes.items()})
        if kept and (stored.server or server_origin(self.default_url)) != server_origin(self.settings.whisperx_url):
            raise ConfigurationError(
                "The key or the headers in the WhisperX secret belong to another server and are not sent to this one. "
                "Set this server's own in the settings of the module whisperx, or remove them if it needs none."
            )
        credentials = replace(kept, **changes)
        if errors := credential_errors(credentials):
            problems = "; ".join(f"its {name.removeprefix('api_')} {problem}" for name, problem in errors.items())
            raise ConfigurationError(f"The WhisperX secret cannot be used: {problems}. Set it again.")
        if cached:  # only now: a secret that cannot be used is read again
            _secret_cache[self.settings.whisperx_secret] = cached
        return credentials

    def _read_secret(self, *, refresh: bool) -> _CachedSecret:
        name, url, now = self.settings.whisperx_secret, self.settings.whisperx_url, time.monotonic()
        cached = _secret_cache.get(name)
        if cached and not refresh and cached.server_url == url and now - cached.read_at <= KEY_CACHE_SECONDS:
            return cached
        try:
            return _CachedSecret(Credentials.from_secret(aws.read_secret(name)), url, now)
        except (AwsError, ValueError) as error:
            reason = error.code if isinstance(error, AwsError) else type(error).__name__
            # the cause may quote the secret, so it is in no message and no log
            raise ConfigurationError(
                f"The WhisperX secret cannot be read ({reason}). "
                'It must exist and hold {"apiKey": "…"}, with an empty string if the server needs no key.'
            ) from None


class JobPending:
    """Result of an attempt: the server is still working on a job, to be polled by a later run."""


type TranscriptionResult = TranscriptRef | JobPending | TranscriptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """How an attempt on `recording` ended, and how many `seconds` it took.

    `service_responded`: the server was available, even if it responded with an error. `partial_transcript`: the
    transcript of one channel when the other one has failed permanently.
    """

    recording: Recording
    result: TranscriptionResult
    service_responded: bool = False
    seconds: float = 0.0
    partial_transcript: TranscriptRef | None = None


@dataclass(frozen=True, slots=True)
class Transcriber:
    """Transcribes the recordings of a run."""

    settings: ProcessSettings
    connection: WhisperXConnection
    clock: Clock

    def attempt(
        self, recording: Recording, response_deadline: datetime, service_requests: list[ServiceRequest]
    ) -> AttemptResult:
        """Transcribe a claimed recording. Raises nothing: any error is the attempt's result.

        `response_deadline`: when the server must have responded. Nothing is sent after it, because the run may have
        aborted the attempt by then, and another recording may use its slot. Requests to the server are appended to
        `service_requests`.
        """

        def log_request(exchange: HttpExchange) -> None:
            service_requests.append(
                ServiceRequest(
                    id=f"{to_iso(exchange.started_at)}-{uuid.uuid4().hex[:8]}",
                    recording_id=recording.id,
                    attempt=recording.attempts,
                    **asdict(exchange),
                )
            )

        started_at = self.clock()
        try:
            service = self.connection.open(log_request)
            tracks = TrackTranscriber(recording, service, self.settings, response_deadline, self.clock)
            result, partial_transcript = self._transcribe(tracks)
        except Exception as error:  # noqa: BLE001
            # Last resort for one recording: it must not stay in `processing`, nor stop the others.
            logger.error(
                "unhandled exception during transcription", recording_id=recording.id, **safe_exception_info(error)
            )
            message = f"Unexpected error in Callscribe ({type(error).__name__}). See the log of the process function."
            return AttemptResult(recording=recording, result=RetryableError(message, code="internal_error"))
        return AttemptResult(
            recording=tracks.recording,
            result=result,
            service_responded=tracks.service_responded and not isinstance(result, ServiceUnavailable),
            seconds=(self.clock() - started_at).total_seconds(),
            partial_transcript=partial_transcript,
        )

    def _transcribe(self, tracks: TrackTranscriber) -> tuple[TranscriptionResult, TranscriptRef | None]:
        """Return the result and, if it is a terminal failure, the transcript of the one channel that succeeded."""
        result: TranscriptionResult
        transcript = None
        try:
            if tracks.run():
                return self._store(tracks, tracks.load_transcripts()), None
            result = JobPending()
        except AudioRefused as error:
            result = explain_refusal(tracks.recording, error)
        except TranscriptionError as error:
            result = error = explain_missing(tracks.recording, error)
            retry_policy = self.settings.retry_policy
            if not isinstance(error, ServiceUnavailable) and not will_retry(tracks.recording, error, retry_policy):
                with suppress(TranscriptionError):
                    near_silence = _complete_near_silence(tracks, error)
                    if by_channel := tracks.load_transcripts():
                        transcript = self._store(tracks, by_channel, near_silence=near_silence)
            if transcript and not transcript.partial:  # all is done: only storing had failed, or there was no speech
                return transcript, None
        tracks.save_tracks()
        return result, transcript

    def _store(
        self,
        tracks: TrackTranscriber,
        by_channel: Mapping[Channel | None, Transcript],
        *,
        near_silence: bool = False,
    ) -> TranscriptRef:
        """Store a new version of the transcript.

        Raises: RetryableError, when S3 does not accept it.
        """
        recording, echo_segments = tracks.recording, 0
        audio_seconds = recording.audio.duration if recording.audio else None
        assessed = {channel: assess(transcript, audio_seconds) for channel, transcript in by_channel.items()}
        transcript = assessed.get(None)
        if transcript is None:
            channels = {channel: transcript for channel, transcript in assessed.items() if channel}
            transcript, echo_segments = _merge(channels, tracks)
        options = {**self.settings.request_options, "channels": self.settings.channels}
        missing_channels = [track.channel for track in recording.tracks if track.channel not in by_channel]
        now = self.clock()
        # the claim token makes the name unique, so no version is ever overwritten; names sort by time
        version = transcripts.new_version(now, str(recording.claim_token))
        produced_by: dict[str, Any] = {
            "recordingId": recording.id,
            "version": version,
            "attempt": recording.attempts,
            "createdAt": to_iso(now),
            "dialect": self.settings.whisperx_dialect,
            "settings": options,
            "echoSegments": echo_segments,
            "nearSilence": near_silence,
        }
        document = transcript.to_document(produced_by) | {"missingChannels": missing_channels}
        document["language"] = document["language"] or options["language"]  # some servers do not report it
        if audio_seconds is not None:
            document["duration"] = audio_seconds
        transcripts.put(self.settings.transcripts_bucket, recording.id, version, document)
        return TranscriptRef(
            version=version,
            language=document["language"],
            duration=document["duration"],
            preview=transcript.preview,
            no_speech=not transcript.segments,
            partial=bool(missing_channels),
        )


def _complete_near_silence(tracks: TrackTranscriber, error: TranscriptionError) -> bool:
    """Complete without speech what holds hardly any sound, if the server failed on it without a known cause, again.

    Some servers fail on audio in which they find no speech. Return whether there was such a track.

    Raises: what reading the file raises.
    """
    recording, has_completed = tracks.recording, False
    failures: dict[Channel | None, Failure | TranscriptionError]
    failures = {track.channel: track.failure for track in recording.tracks if track.failure} or {None: error}
    if all(cause is None or is_unexplained(cause) for cause in (*failures.values(), recording.error)):
        with tracks.open_probed() as audio_probe, split_stereo(audio_probe.audio) as splitter:
            for channel in failures:
                seconds = [splitter.audible_seconds[each] for each in ([channel] if channel else Channel)]
                if max(seconds) < MIN_AUDIBLE_SECONDS:
                    tracks.complete_without_speech(channel)
                    has_completed = True
    return has_completed


def _merge(by_channel: Mapping[Channel, Transcript], tracks: TrackTranscriber) -> tuple[Transcript, int]:
    """Return the merged transcript without echo, and from how many segments echo was left out."""
    echo_segments = 0
    if all(channel in by_channel and by_channel[channel].segments for channel in Channel):
        from functions.process.audio.crosstalk import remove_echo  # only for stereo calls

        if levels := tracks.load_levels():
            by_channel, echo_segments = remove_echo(by_channel, levels)
    speakers = {track.channel: track.speaker for track in tracks.recording.tracks}  # of the first attempt
    layout = ChannelLayout.from_speakers(speakers[Channel.LEFT], speakers[Channel.RIGHT])
    return merge_channels(by_channel, layout), echo_segments
