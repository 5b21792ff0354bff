"""The dialect `openai`: whisperx-api-server, meet-whisperx, speaches and others that speak as OpenAI's API does.

POST /v1/audio/transcriptions with the multipart field `file`; every option is a form field. Segments may be nested one
level deeper, and some servers send no text beside them.
"""

from functools import partial

from callscribe.errors import PermanentError, ServiceUnavailable
from callscribe.settings import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcript import Transcript
from callscribe.whisperx import Description, Observer, Service, Timeouts
from callscribe.whisperx.http import Client
from callscribe.whisperx.immediate import WithoutJobs, transcript
from callscribe.whisperx.multipart import MultipartFile
from callscribe.whisperx.options import parameters
from callscribe.whisperx.verdicts import Meaning, Meanings

DESCRIPTION = Description(
    server="OpenAI's API",
    route="/v1/audio/transcriptions",
    guarded=("/v1/models", "/models/catalog"),
    lists="data",
    optional="/v1",
)
"""Clients of OpenAI's API want its address with the /v1."""

MEANINGS: Meanings = {
    404: Meaning(
        ServiceUnavailable,
        "wrong_address",
        "There is no such route or no such model on the service ({}). "
        "Correct the server's address, the dialect or the model.",
    ),
    422: Meaning(PermanentError, "not_audio", "The service cannot read this audio ({})."),
}


def connect(settings: WhisperXSettings, api_key: str, observe: Observer) -> Service:
    return OpenAiService(settings, api_key, observe)


class OpenAiService(WithoutJobs):
    def __init__(self, settings: WhisperXSettings, api_key: str, observe: Observer) -> None:
        self._client = Client(DESCRIPTION.address(settings.whisperx_url), api_key, observe)
        ours = [
            ("model", settings.whisperx_model),
            ("language", settings.whisperx_language),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities[]", "segment"),
            ("diarize", "true" if settings.whisperx_diarize else ""),
        ]
        self._fields = parameters(ours, settings)

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, again: bool = False) -> Transcript:  # noqa: ARG002
        body = MultipartFile(audio, field="file", name=name, fields=self._fields)
        return self._client.post(DESCRIPTION.route, body, timeouts, partial(transcript, meanings=MEANINGS))
