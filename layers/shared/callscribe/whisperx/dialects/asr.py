"""The dialect `asr`: whisper-asr-webservice and whisperx-asr-service.

POST /asr with the multipart field `audio_file`; every option is a query parameter, and form fields are silently
ignored. The response is JSON, served as text/plain. The server processes one request at a time, and finishes a job even
after the client has disconnected. Its model is set when it starts.

`vad_filter=true` removes what is not speech, for which Whisper invents text. Of the engines of whisper-asr-webservice,
faster_whisper uses it; the others, and whisperx-asr-service, ignore it like any unknown option.
"""

import time
from http import HTTPStatus

from callscribe.errors import ServiceUnavailable
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import DialectInfo, Response, Service, Timeouts
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.dialects.base import (
    MultipartUpload,
    SynchronousService,
    build_parameters,
    parse_transcript_response,
)

DIALECT_INFO = DialectInfo(
    server_name="whisper-asr-webservice", upload_path="/asr", auth_check_paths=("/openapi.json",)
)


REFUSAL_STATUSES = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)

REFUSED_SECONDS = 86_400.0
"""For how long `vad_filter` is left out after a server has refused it."""

_vad_filter_refused_at: dict[str, float] = {}
"""When the server at a URL last refused it, as a time of `time.monotonic`."""


def connect(settings: WhisperXSettings, client: WhisperXClient) -> Service:
    return AsrService(settings, client)


class AsrService(SynchronousService):
    def __init__(self, settings: WhisperXSettings, client: WhisperXClient) -> None:
        self._client = client
        defaults = {
            "task": "transcribe",
            "output": "json",
            "word_timestamps": "true",
            "vad_filter": "" if _refuses_vad_filter(settings.whisperx_url) else "true",
            "language": settings.whisperx_language,
            # min_speakers and max_speakers are never sent: the server mixes them up
            "diarize": "true" if settings.whisperx_diarize else "",
        }
        self._query = build_parameters(defaults.items(), settings)
        self._url = settings.whisperx_url
        self._has_default_vad_filter = "vad_filter" not in dict(settings.extra_options)

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript:  # noqa: ARG002
        body = MultipartUpload(audio, field="audio_file", name=name)
        return self._client.post(DIALECT_INFO.upload_path, body, timeouts, self._parse, query=self._query)

    def _parse(self, response: Response) -> Transcript:
        is_refused = response.status in REFUSAL_STATUSES and b"vad_filter" in response.body
        if is_refused and self._has_default_vad_filter:
            _vad_filter_refused_at[self._url] = time.monotonic()
            raise ServiceUnavailable(
                f"The WhisperX server does not know the option vad_filter ({response.status}). It is left out from now "
                "on. If this message stays, add vad_filter= to the additional options.",
                code="invalid_options",
                status=response.status,
            )
        return parse_transcript_response(response)


def _refuses_vad_filter(url: str) -> bool:
    refused_at = _vad_filter_refused_at.get(url)
    return refused_at is not None and time.monotonic() < refused_at + REFUSED_SECONDS
