"""Settings of the modules in requests and responses. Secrets are write-only."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, StrictBool

from callscribe.recordings.run import Module
from callscribe.settings.certificates import MAX_PEM_LENGTH
from callscribe.settings.whisperx import DIALECTS
from callscribe.transcripts.stereo import CHANNEL_MODES
from functions.api.schemas.base import ModuleUpdateModel, RequestModel, ResponseModel, update_model_config
from functions.api.schemas.recordings import MetadataResponse

ShortText = Annotated[str, Field(max_length=100)]


def extract_settings(request: RequestModel) -> dict[str, Any]:
    """Return the submitted settings by name, in the order of the fields, without the switch and the credentials."""
    field_names = request.model_fields_set - {"enabled", "api_key", "headers"}
    return {name: getattr(request, name) for name in type(request).model_fields if name in field_names}


class CallRecordingsModule(ResponseModel):
    """The module call-recordings with its effective settings."""

    slug: Literal[Module.CALL_RECORDINGS] = Module.CALL_RECORDINGS
    enabled: bool
    recordings_path: str = Field(description="Location of the recordings.", examples=["s3://recordings/2026/"])
    phone_system: str = Field(description="Empty: detected from the file names.", examples=["freepbx"])
    time_zone: str = Field(description="Time zone of timestamps without one.", examples=["Europe/Berlin"])
    patterns: list[str] = Field(description="Custom patterns for file names; the first match is used.")
    channels: str = Field(description="Which channel of a stereo recording is which speaker.", examples=["auto"])
    extensions: list[str] = Field(description="File extensions of recordings.", examples=[["mp3", "wav"]])
    phone_systems: list[str] = Field(description="Allowed values of `phoneSystem`.", examples=[["3cx", "freepbx"]])
    changed: list[str] = Field(description="Settings that override the template's.")


class PreviewRequest(RequestModel):
    """Settings to try instead of the current ones; null tries the template's."""

    phone_system: ShortText | None = None
    time_zone: ShortText | None = Field(None, description="Time zone of timestamps without one.")
    patterns: list[Annotated[str, Field(max_length=500)]] | None = Field(
        None, max_length=100, description="Custom patterns for file names, with named groups; the first match is used."
    )

    def submitted_settings(self) -> dict[str, Any]:
        """Return the submitted settings by name."""
        return extract_settings(self)


class CallRecordingsTestRequest(PreviewRequest):
    """Settings to test instead of the current ones; null tests the template's."""

    recordings_path: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="Location of the recordings: s3://BUCKET/PREFIX/, or the path of a folder."
    )
    channels: Literal[*map(str, CHANNEL_MODES)] | None = None  # type: ignore[valid-type]
    extensions: list[Annotated[str, Field(max_length=20)]] | None = Field(
        None, max_length=100, description="File extensions of recordings, such as wav and mp3."
    )


class CallRecordingsUpdateRequest(CallRecordingsTestRequest, ModuleUpdateModel):
    """Settings to change; null restores the template's."""

    model_config = update_model_config({"timeZone": "Europe/Berlin"})


class WhisperXModule(ResponseModel):
    """The module whisperx with its effective settings."""

    slug: Literal[Module.WHISPERX] = Module.WHISPERX
    enabled: bool
    base_url: str = Field(examples=["http://gpu-box:9000"])
    dialect: str = Field(description="HTTP API of the server.", examples=["asr"])
    language: str = Field(description="Empty: the server detects it.", examples=["en"])
    diarize: bool = Field(description="Whether to request speaker diarization.")
    model: str = Field(description="Empty: the server's default.")
    options: str = Field(description="Additional request options of the server.", examples=["compute_type=int8"])
    ca_certificate: str = Field(description="Certificates that are trusted in addition to public authorities, in PEM.")
    api_key_set: bool = Field(description="Whether an API key is stored. The key itself is never returned.")
    header_names: list[str] = Field(
        description="Names of the stored headers. Their values are never returned.", examples=[["X-API-Key"]]
    )
    changed: list[str] = Field(description="Settings that override the template's.")


class WhisperXTestRequest(RequestModel):
    """Settings to test instead of the current ones; null tests the template's."""

    base_url: Annotated[str, Field(max_length=1024)] | None = None
    dialect: Literal[*DIALECTS] | None = Field(  # type: ignore[valid-type]
        None, description="HTTP API of the server."
    )
    # documented, but not validated here: the messages of VALIDATORS are easier to understand
    language: Annotated[str, Field(json_schema_extra={"pattern": "^([a-z]{2,3})?$"})] | None = None
    diarize: StrictBool | None = Field(None, description="Whether to request speaker diarization.")
    model: ShortText | None = Field(None, description="For servers with several models. Empty: the server's default.")
    options: Annotated[str, Field(max_length=1000)] | None = Field(
        None, description="Additional request options of the server, such as compute_type=int8. Not for secrets."
    )
    ca_certificate: Annotated[str, Field(max_length=2 * MAX_PEM_LENGTH)] | None = Field(
        None,
        description="Certificate of the private authority that signed the server's, or the server's own, in PEM.",
    )
    api_key: SecretStr | None = Field(
        None,
        max_length=4096,
        description="API key of the server, kept in Secrets Manager. Null or empty: none is sent.",
    )
    headers: Annotated[dict[str, SecretStr], Field(max_length=100)] | None = Field(
        None,
        description=(
            "Headers of each request, kept in Secrets Manager. They replace all stored ones. Null or empty: none. "
            "A user and a password can be written as `Basic USER:PASSWORD`."
        ),
        examples=[{"X-API-Key": "the-key"}, {"Authorization": "Basic user:password"}],
    )

    def submitted_settings(self) -> dict[str, Any]:
        """Return the submitted settings by name."""
        return extract_settings(self)

    @property
    def new_credentials(self) -> dict[str, Any]:
        """The fields of Credentials that the request contains; an empty value removes what is stored."""
        submitted: dict[str, Any] = {
            "api_key": self.api_key.get_secret_value() if self.api_key else "",
            "headers": {name: value.get_secret_value() for name, value in (self.headers or {}).items()},
        }
        return {name: value for name, value in submitted.items() if name in self.model_fields_set}


class WhisperXUpdateRequest(WhisperXTestRequest, ModuleUpdateModel):
    """Settings to change; null restores the template's."""

    model_config = update_model_config({"baseUrl": "http://gpu-box:9000", "language": "en"})


class ParsedName(MetadataResponse):
    """Metadata parsed from the name of a recording."""

    path: str
    recorded_at: datetime = Field(description="Resulting time of the call, in UTC.")


class NamesPreview(ResponseModel):
    """Result of parsing the newest file names."""

    names: int = Field(description="Number of names that were parsed.")
    understood: int = Field(description="Names that contain metadata of the call.")
    by_pattern: int = Field(description="Names that match a custom pattern.")
    systems: dict[str, int] = Field(description="Number of names by detected phone system.")
    examples: list[ParsedName]
    not_understood: list[str]


class ModuleTestResult(ResponseModel):
    """Result of a connection test."""

    ok: bool
    code: str = Field(examples=["connection_refused"])
    message: str = Field(description="For users: what is wrong and what to do.")
