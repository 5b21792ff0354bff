"""The dialect `openai`: whisperx-api-server, meet-whisperx, speaches and others that are compatible with OpenAI's API.

POST /v1/audio/transcriptions with the multipart field `file`; every option is a form field. Segments may be nested one
level deeper, and some servers send no text next to them.
"""

import re
from collections.abc import Mapping
from functools import partial

from callscribe.errors import PermanentError, ServiceUnavailable
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import DialectInfo, Service, Timeouts
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.dialects.base import (
    MultipartUpload,
    Parameters,
    SynchronousService,
    build_parameters,
    parse_transcript_response,
)
from callscribe.whisperx.error_tables import ErrorMapping, ErrorTable

DIALECT_INFO = DialectInfo(
    server_name="OpenAI's API",
    upload_path="/v1/audio/transcriptions",
    auth_check_paths=("/v1/models", "/models/catalog"),
    list_member="data",
    optional_suffix="/v1",
    lists_models=True,
    other_upload_paths=("/audio/transcriptions", "/inference"),
)
"""The suffix is optional because clients of OpenAI's API expect the URL to end with it. Providers whose API is not
below /v1 have the route /audio/transcriptions, and whisper.cpp has /inference unless it is started with another one."""

DIALECT_ERRORS: ErrorTable = {
    404: ErrorMapping(
        ServiceUnavailable,
        "endpoint_not_found",
        "The WhisperX server has no such route or no such model ({}). Correct the server URL, the dialect or the "
        "model.",
    ),
    422: ErrorMapping(PermanentError, "not_audio", "The WhisperX server cannot decode this audio ({})."),
}

WITHOUT_TIMES = re.compile("(^|[/:])gpt-(.+-)?transcribe")
"""OpenAI's models that know neither `verbose_json` nor `timestamp_granularities[]`, also behind a proxy that puts a
provider before the name. Source: OpenAI's API reference, "Create transcription"."""

WITH_SPEAKERS = re.compile(f"{WITHOUT_TIMES.pattern}.*-diarize")
"""Of these, the ones that return segments with times and speakers, but only as `diarized_json`."""

OPTIONS_OF_FORMAT: Mapping[str, Parameters] = {
    "verbose_json": (("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")),
    "diarized_json": (("chunking_strategy", "auto"),),  # required for more than 30 seconds of audio
}
"""What is sent with a `response_format`; servers reject it with any other."""


def connect(settings: WhisperXSettings, client: WhisperXClient) -> Service:
    return OpenAiService(settings, client)


class OpenAiService(SynchronousService):
    def __init__(self, settings: WhisperXSettings, client: WhisperXClient) -> None:
        self._client = client
        self._upload_path = DIALECT_INFO.for_url(settings.whisperx_url).upload_path
        self._fields = _build_fields(settings)

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Transcript:  # noqa: ARG002
        body = MultipartUpload(audio, field="file", name=name, fields=self._fields)
        return self._client.post(
            self._upload_path, body, timeouts, partial(parse_transcript_response, error_table=DIALECT_ERRORS)
        )


def _build_fields(settings: WhisperXSettings) -> Parameters:
    options = {"model": settings.whisperx_model, **dict(settings.extra_options)}
    model = options["model"]
    default_format = (
        "diarized_json" if WITH_SPEAKERS.search(model) else "json" if WITHOUT_TIMES.search(model) else "verbose_json"
    )
    defaults = [
        ("model", settings.whisperx_model),
        ("language", settings.whisperx_language),
        ("response_format", default_format),
        *OPTIONS_OF_FORMAT.get(options.get("response_format", default_format), ()),
        ("diarize", "true" if settings.whisperx_diarize and default_format == "verbose_json" else ""),
    ]
    return build_parameters(defaults, settings)
