"""The dialect `asr`: whisper-asr-webservice and whisperx-asr-service.

POST /asr with the multipart field `audio_file`; every option is a query parameter, form fields are ignored without a
word. The answer is JSON under text/plain. The server is fully serial, and goes on with a job whose client gave up. Its
model is fixed when it starts.
"""

from callscribe.settings import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcript import Transcript
from callscribe.whisperx import Description, Observer, Service, Timeouts
from callscribe.whisperx.http import Client
from callscribe.whisperx.immediate import WithoutJobs, transcript
from callscribe.whisperx.multipart import MultipartFile
from callscribe.whisperx.options import parameters

DESCRIPTION = Description(server="whisper-asr-webservice", route="/asr", guarded=("/openapi.json",))


def connect(settings: WhisperXSettings, api_key: str, observe: Observer) -> Service:
    return AsrService(settings, api_key, observe)


class AsrService(WithoutJobs):
    def __init__(self, settings: WhisperXSettings, api_key: str, observe: Observer) -> None:
        self._client = Client(settings.whisperx_url, api_key, observe)
        ours = {
            "task": "transcribe",
            "output": "json",
            "word_timestamps": "true",
            "language": settings.whisperx_language,
            # min_speakers and max_speakers are mixed up by the server: never sent
            "diarize": "true" if settings.whisperx_diarize else "",
        }
        self._query = parameters(ours.items(), settings)

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, again: bool = False) -> Transcript:  # noqa: ARG002
        body = MultipartFile(audio, field="audio_file", name=name)
        return self._client.post(DESCRIPTION.route, body, timeouts, transcript, query=self._query)
