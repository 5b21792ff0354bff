"""The modules' settings as clients see and set them. A secret is only ever set."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StrictBool

from callscribe.recordings.run import Module
from callscribe.settings.whisperx import DIALECTS
from callscribe.transcripts.stereo import CHANNEL_MODES
from functions.api.schemas.base import ModulePatchModel, RequestModel, ResponseModel, patch_model_config
from functions.api.schemas.recordings import MetadataResponse

ShortText = Annotated[str, Field(max_length=100)]


def extract_settings(request: RequestModel) -> dict[str, Any]:
    """What was given, by name and in the order of the fields; neither the switch nor the key is a setting."""
    field_names = request.model_fields_set - {"enabled", "api_key"}
    return {name: getattr(request, name) for name in type(request).model_fields if name in field_names}


class CallRecordingsModule(ResponseModel):
    """The module call-recordings with its settings as they count, and what there is to choose from."""

    slug: Literal[Module.CALL_RECORDINGS] = Module.CALL_RECORDINGS
    enabled: bool
    recordings_path: str = Field(description="Where the recordings lie.", examples=["s3://recordings/2026/"])
    phone_system: str = Field(description="Empty: recognised by the names.", examples=["freepbx"])
    time_zone: str = Field(description="Of times which do not tell theirs.", examples=["Europe/Berlin"])
    patterns: list[str] = Field(description="The site's own for names; the first that matches counts.")
    channels: str = Field(description="Who speaks where in stereo.", examples=["auto"])
    extensions: list[str] = Field(description="Those of recordings.", examples=[["mp3", "wav"]])
    phone_systems: list[str] = Field(description="Those that `phoneSystem` may name.", examples=[["3cx", "freepbx"]])
    changed: list[str] = Field(description="Which of them are not the template's.")


class PreviewRequest(RequestModel):
    """What is given is tried instead of the present setting; null tries the template's."""

    phone_system: ShortText | None = None
    time_zone: ShortText | None = Field(None, description="Of times which do not tell theirs.")
    patterns: list[Annotated[str, Field(max_length=500)]] | None = Field(
        None, max_length=100, description="The site's own for names, with named groups; the first that matches counts."
    )

    def submitted_settings(self) -> dict[str, Any]:
        """The settings that were given, by name."""
        return extract_settings(self)


class CallRecordingsTestRequest(PreviewRequest):
    """What is given is tried instead of the present setting; null tries the template's."""

    recordings_path: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="Where the recordings lie: s3://BUCKET/PREFIX/, or the path of a folder."
    )
    channels: Literal[*map(str, CHANNEL_MODES)] | None = None  # type: ignore[valid-type]
    extensions: list[Annotated[str, Field(max_length=20)]] | None = Field(
        None, max_length=100, description="Those of recordings, such as wav and mp3."
    )


class CallRecordingsUpdateRequest(CallRecordingsTestRequest, ModulePatchModel):
    """Only what is given is changed; null brings the template's setting back."""

    model_config = patch_model_config({"timeZone": "Europe/Berlin"})


class WhisperXModule(ResponseModel):
    """The module whisperx with its settings as they count."""

    slug: Literal[Module.WHISPERX] = Module.WHISPERX
    enabled: bool
    base_url: str = Field(examples=["http://gpu-box:9000"])
    dialect: str = Field(description="The HTTP contract that the server speaks.", examples=["asr"])
    language: str = Field(description="Empty: the server detects it.", examples=["en"])
    diarize: bool = Field(description="Whether the server is asked to tell speakers apart.")
    model: str = Field(description="Empty: the server's own choice.")
    options: str = Field(description="Sent besides, as the server names them.", examples=["compute_type=int8"])
    api_key_set: bool = Field(description="Whether there is a key. The key itself is never shown.")
    changed: list[str] = Field(description="Which of them are not the template's.")


class WhisperXTestRequest(RequestModel):
    """What is given is tried instead of the present setting; null tries the template's."""

    base_url: Annotated[str, Field(max_length=1024)] | None = None
    dialect: Literal[*DIALECTS] | None = Field(  # type: ignore[valid-type]
        None, description="The HTTP contract that the server speaks."
    )
    # told, and not checked: CHECKS say what is wrong in a person's words
    language: Annotated[str, Field(json_schema_extra={"pattern": "^([a-z]{2,3})?$"})] | None = None
    diarize: StrictBool | None = Field(None, description="Whether the server is asked to tell speakers apart.")
    model: ShortText | None = Field(
        None, description="For servers that have several; empty is the server's own choice."
    )
    options: Annotated[str, Field(max_length=1000)] | None = Field(
        None, description="Sent besides, as the server names them: compute_type=int8. No place for secrets."
    )
    api_key: SecretStr | None = Field(
        None, max_length=4096, description="Kept in Secrets Manager. Null or empty: none is sent."
    )

    def submitted_settings(self) -> dict[str, Any]:
        """The settings that were given, by name."""
        return extract_settings(self)

    @property
    def new_api_key(self) -> str | None:
        """The key that was given; None where none was, empty where it is to be taken away."""
        if "api_key" not in self.model_fields_set:
            return None
        return self.api_key.get_secret_value() if self.api_key else ""


class WhisperXUpdateRequest(WhisperXTestRequest, ModulePatchModel):
    """Only what is given is changed; null brings the template's setting back."""

    model_config = patch_model_config({"baseUrl": "http://gpu-box:9000", "language": "en"})


class ParsedName(MetadataResponse):
    """What a recording's name tells."""

    path: str
    recorded_at: datetime = Field(description="When the call then was, in UTC.")


class NamesPreview(ResponseModel):
    """How the newest names are read."""

    names: int
    understood: int = Field(description="So many tell something of the call.")
    by_pattern: int = Field(description="So many by a pattern of the site.")
    systems: dict[str, int] = Field(description="How many names each phone system was recognised by.")
    examples: list[ParsedName]
    not_understood: list[str]


class ModuleTestResult(ResponseModel):
    """What came of trying a module."""

    ok: bool
    code: str = Field(examples=["refused"])
    message: str = Field(description="In a person's words: what is wrong, and what to do.")
