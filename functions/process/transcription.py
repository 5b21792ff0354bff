"""One attempt on one recording: its parts are sent or asked for, and what comes of them is stored.

It writes no status. What it learns on the way goes into the recording that it returns: a later attempt goes on there.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from callscribe.clock import Clock, to_iso
from callscribe.errors import RetryableError, ServiceUnavailable, TranscriptionError
from callscribe.observability import logger, safe_exception_info
from callscribe.recordings.recording import Channel, Recording, TranscriptRef
from callscribe.recordings.service_request import HttpExchange, ServiceRequest
from callscribe.recordings.state_machine import RetryPolicy, will_retry
from callscribe.store import transcripts
from callscribe.transcripts.stereo import CALLER, ChannelLayout, merge_channels
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import RequestLogger, Service
from functions.process.tracks import TrackTranscriber


class JobPending:
    """The service works on the recording by itself: to be polled."""


type TranscriptionResult = TranscriptRef | JobPending | TranscriptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """How an attempt on `recording` ended, which took `seconds`. `answered`: the service was there.

    `partial` is the transcript of one channel, where the other one has failed for good.
    """

    recording: Recording
    result: TranscriptionResult
    service_responded: bool = False
    seconds: float = 0.0
    partial_transcript: TranscriptRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """What all attempts of a run have in common.

    `connect` makes a connection to the service, which tells of its exchanges. `sides`: who speaks on
    which channel of a recording in stereo; None sends it as it is. `origin` goes into the transcript: where it came
    from.
    `language` is what the server was asked for; some do not tell which one they heard.
    """

    connect: Callable[[RequestLogger], Service]
    bucket: str
    layout_for: Callable[[Recording], ChannelLayout | None]
    produced_by: Mapping[str, Any]
    language: str | None
    retry_policy: RetryPolicy
    job_timeout: timedelta
    clock: Clock

    def attempt(
        self, recording: Recording, send_deadline: datetime, service_requests: list[ServiceRequest]
    ) -> AttemptResult:
        """Transcribes a claimed recording before `until`. Raises nothing: whatever goes wrong is the attempt's result.

        Nothing is sent after that: the run may have given the recording up by then, and another have its slot. The
        calls to the service are added to `calls`.
        """

        def log_request(exchange: HttpExchange) -> None:
            values = {each.name: getattr(exchange, each.name) for each in fields(HttpExchange)}
            service_requests.append(ServiceRequest(recording_id=recording.id, attempt=recording.attempts, **values))

        started_at = self.clock()
        try:
            track_transcriber = TrackTranscriber(
                recording,
                self.connect(log_request),
                layout=self.layout_for(recording),
                bucket=self.bucket,
                job_timeout=self.job_timeout,
                send_deadline=send_deadline,
                clock=self.clock,
            )
            result, partial_transcript = self._transcribe(track_transcriber)
        except Exception as error:  # noqa: BLE001
            # The edge of one recording: whatever went wrong here must not leave it in processing, nor stop the others.
            logger.error(
                "transcription failed on a fault of ours", recording_id=recording.id, **safe_exception_info(error)
            )
            return AttemptResult(
                recording=recording, result=RetryableError(_internal_error_message(error), code="internal_error")
            )
        return AttemptResult(
            recording=track_transcriber.recording,
            result=result,
            service_responded=track_transcriber.service_responded and not isinstance(result, ServiceUnavailable),
            seconds=(self.clock() - started_at).total_seconds(),
            partial_transcript=partial_transcript,
        )

    def _transcribe(self, track_transcriber: TrackTranscriber) -> tuple[TranscriptionResult, TranscriptRef | None]:
        """The result and, where there is none, what one channel alone has given."""
        result: TranscriptionResult
        partial_transcript = None
        try:
            if track_transcriber.run():
                return self._store(track_transcriber.recording, track_transcriber.load_transcripts()), None
            result = JobPending()
        except TranscriptionError as error:
            result = error
            is_final = not isinstance(error, ServiceUnavailable) and not will_retry(
                track_transcriber.recording, error, self.retry_policy
            )
            if is_final:
                with suppress(RetryableError):
                    if track_transcripts := track_transcriber.load_transcripts():
                        partial_transcript = self._store(track_transcriber.recording, track_transcripts)
            if partial_transcript and not partial_transcript.partial:
                return partial_transcript, None  # it only could not be stored before
        track_transcriber.save_tracks()
        return result, partial_transcript

    def _store(self, recording: Recording, track_transcripts: Mapping[Channel | None, Transcript]) -> TranscriptRef:
        """Stores a new version. Raises RetryableError when S3 does not take it."""
        if None in track_transcripts:
            transcript = track_transcripts[None]
        else:
            transcript = merge_channels(
                {channel: each for channel, each in track_transcripts.items() if channel}, _original_layout(recording)
            )
        missing_channels = [track.channel for track in recording.tracks if track.channel not in track_transcripts]
        now = self.clock()
        # unique, so that no version is ever overwritten; sorts by time
        version = transcripts.new_version(now, str(recording.claim_token))
        produced_by: dict[str, Any] = {
            "recordingId": recording.id,
            "version": version,
            "attempt": recording.attempts,
            "createdAt": to_iso(now),
            **self.produced_by,
        }
        document = transcript.to_document(produced_by) | {"missingChannels": missing_channels}
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
            partial=bool(missing_channels),
        )


def _original_layout(recording: Recording) -> ChannelLayout:
    """Those under which its channels were begun."""
    left_speaker = next(track.speaker for track in recording.tracks if track.channel is Channel.LEFT)
    return ChannelLayout.CALLER_LEFT if left_speaker == CALLER else ChannelLayout.CALLER_RIGHT


def _internal_error_message(error: Exception) -> str:
    return f"A fault in Callscribe itself ({type(error).__name__}). The log of the process function says more."
