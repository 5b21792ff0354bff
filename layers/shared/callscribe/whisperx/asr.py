"""The dialect `asr`: whisper-asr-webservice and whisperx-asr-service.

POST /asr with the multipart field `audio_file`; every option is a query parameter, form fields are ignored without a
word. The answer is JSON under text/plain. The server is fully serial, and goes on with a job whose client gave up.
"""

from callscribe.settings import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcript import Transcript, parse_answer
from callscribe.whisperx import Observer, Service, Timeouts
from callscribe.whisperx.http import BearerKey, post
from callscribe.whisperx.multipart import MultipartFile


def connect(settings: WhisperXSettings, api_key: str, _observe: Observer) -> Service:
    return AsrService(settings, api_key)


class AsrService:
    def __init__(self, settings: WhisperXSettings, api_key: str) -> None:
        self._url = f"{settings.whisperx_url.rstrip('/')}/asr"
        # min_speakers and max_speakers are mixed up by the server: never sent
        self._query = {"task": "transcribe", "output": "json", "word_timestamps": "true"}
        if settings.whisperx_language:
            self._query["language"] = settings.whisperx_language
        if settings.whisperx_diarize:
            self._query["diarize"] = "true"
        self._auth = BearerKey(api_key) if api_key else None

    def poll(self, _job, _timeouts):  # type: ignore
        raise NotImplementedError

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, again: bool = False) -> Transcript:  # noqa: ARG002
        body = MultipartFile(audio, field="audio_file", name=name)
        return parse_answer(post(self._url, self._query, body, timeouts, auth=self._auth))
