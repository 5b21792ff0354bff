"""The dialect `asr`: whisper-asr-webservice and whisperx-asr-service.

POST /asr with the multipart field `audio_file`; every option is a query parameter, and form fields are silently
ignored. The response is JSON, served as text/plain. The server processes one request at a time, and finishes a job even
after the client has disconnected. Its model is set when it starts.
"""

from callscribe.settings.whisperx import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import DialectInfo, Service, Timeouts
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


def connect(settings: WhisperXSettings, client: WhisperXClient) -> Service:
    return AsrService(settings, client)


class AsrService(SynchronousService):
    def __init__(self, settings: WhisperXSettings, client: WhisperXClient) -> None:
        self._client = client
        defaults = {
            "task": "transcribe",
            "output": "json",
            "word_timestamps": "true",
            "language": settings.whisperx_language,
            # min_speakers and max_speakers are never sent: the server mixes them up
            "diarize": "true" if settings.whisperx_diarize else "",
        }
        self._query = build_parameters(defaults.items(), settings)

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript:  # noqa: ARG002
        body = MultipartUpload(audio, field="audio_file", name=name)
        return self._client.post(DIALECT_INFO.upload_path, body, timeouts, parse_transcript_response, query=self._query)
