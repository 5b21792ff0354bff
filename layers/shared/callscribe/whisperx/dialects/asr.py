"""The dialect `asr`: whisper-asr-webservice and whisperx-asr-service.

POST /asr with the multipart field `audio_file`; every option is a query parameter, form fields are ignored without a
word. The answer is JSON under text/plain. The server is fully serial, and goes on with a job whose client gave up. Its
model is fixed when it starts.
"""

from callscribe.settings.whisperx import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import DialectInfo, RequestLogger, Service, Timeouts
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.dialects.base import SynchronousService, parse_transcript_response
from callscribe.whisperx.dialects.options import build_parameters
from callscribe.whisperx.multipart import MultipartUpload

DIALECT_INFO = DialectInfo(
    server_name="whisper-asr-webservice", upload_path="/asr", auth_check_paths=("/openapi.json",)
)


def connect(settings: WhisperXSettings, api_key: str, log_request: RequestLogger) -> Service:
    return AsrService(settings, api_key, log_request)


class AsrService(SynchronousService):
    def __init__(self, settings: WhisperXSettings, api_key: str, log_request: RequestLogger) -> None:
        self._client = WhisperXClient(settings.whisperx_url, api_key, log_request)
        defaults = {
            "task": "transcribe",
            "output": "json",
            "word_timestamps": "true",
            "language": settings.whisperx_language,
            # min_speakers and max_speakers are mixed up by the server: never sent
            "diarize": "true" if settings.whisperx_diarize else "",
        }
        self._query = build_parameters(defaults.items(), settings)

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript:  # noqa: ARG002
        body = MultipartUpload(audio, field="audio_file", name=name)
        return self._client.post(DIALECT_INFO.upload_path, body, timeouts, parse_transcript_response, query=self._query)
