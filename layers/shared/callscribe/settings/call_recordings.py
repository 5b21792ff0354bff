"""The settings of the module call-recordings: the template's defaults, and the overrides set over the API."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from callscribe.errors import ConfigurationError
from callscribe.phone_systems import SYSTEMS
from callscribe.settings import environment
from callscribe.settings.channels import ChannelSettings
from callscribe.sources import open_source
from callscribe.sources.file_types import AUDIO_EXTENSIONS, INCOMPLETE_EXTENSIONS, SIDECAR_EXTENSIONS
from callscribe.transcripts.stereo import CHANNEL_MODES

if TYPE_CHECKING:
    from callscribe.phone_systems.custom_patterns import CustomPattern

MAX_PATTERNS = 20
"""Every new file name is matched against all of them."""

MAX_EXTENSIONS = 50

SYSTEM_FOLDERS = ("", "proc", "sys", "dev", "etc")
"""Top-level folders that never hold recordings: a typing error would otherwise ingest every file on the
machine."""

EXTENSION = re.compile("[a-z0-9]{1,10}")


@dataclass(frozen=True, kw_only=True)
class CallRecordingsSettings(ChannelSettings):
    """The effective settings: how recordings are recognised and their file names parsed.

    `recordings_path`: the source. `time_zone`: used when a timestamp has no zone. `patterns`: the custom filename
    patterns; the first that matches takes precedence. `extensions`: empty means AUDIO_EXTENSIONS.
    """

    recordings_path: str = ""
    time_zone: str = "UTC"
    patterns: Sequence[str] = ()
    extensions: Sequence[str] = ()

    @property
    def zone(self) -> tzinfo:
        """The time zone `time_zone`.

        Raises: ConfigurationError, when there is no such time zone.
        """
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(self.time_zone)
        except (ValueError, KeyError, OSError) as error:  # the same exceptions as in environment.time_zone
            raise ConfigurationError(
                f"The time zone '{self.time_zone}' does not exist. Correct it in the settings of the module "
                "call-recordings: it must be the name of a time zone, such as Europe/Berlin or UTC."
            ) from error

    @property
    def custom_patterns(self) -> "Sequence[CustomPattern]":
        """The parsed `patterns`.

        Raises: ConfigurationError, when a pattern is invalid.
        """
        if not self.patterns:
            return ()
        from callscribe.phone_systems.custom_patterns import CustomPattern

        return tuple(CustomPattern.parse(text) for text in self.patterns)

    @property
    def recording_extensions(self) -> frozenset[str]:
        """The file extensions of recordings, in lowercase and without a dot."""
        return frozenset(self.extensions) or AUDIO_EXTENSIONS


@dataclass(frozen=True, kw_only=True)
class CallRecordingsEnv(ChannelSettings):
    """The template's defaults, as environment variables. `audio_extensions` are separated by spaces."""

    recordings_path: str
    time_zone: str = "UTC"
    audio_extensions: str = environment.validated_field(
        lambda text: _validate_extensions(normalise_extensions(text.split())), default=""
    )

    def effective_settings(self, overrides: Mapping[str, Any]) -> CallRecordingsSettings:
        """The effective settings: template defaults with user overrides applied."""
        defaults = CallRecordingsSettings(
            recordings_path=self.recordings_path,
            phone_system=self.phone_system,
            channels=self.channels,
            time_zone=self.time_zone,
            extensions=tuple(normalise_extensions(self.audio_extensions.split())),
        )
        return replace(defaults, **overrides)


def normalise_extensions(extensions: Sequence[str]) -> list[str]:
    """In lowercase, without a dot and without duplicates: `.WAV` becomes `wav`."""
    return list(dict.fromkeys(extension.strip().lower().removeprefix(".") for extension in extensions))


def _validate_recordings_path(value: str) -> str | None:
    if value.startswith("/") and posixpath.normpath(value).split("/")[1] in SYSTEM_FOLDERS:
        return "must be a folder of recordings, not a system folder"
    try:
        open_source(value)
    except ConfigurationError as error:
        return error.message
    return None


def _validate_phone_system(value: str) -> str | None:
    return None if not value or value in SYSTEMS else f"must be empty, or one of {', '.join(SYSTEMS)}"


def _validate_patterns(values: Sequence[str]) -> str | None:
    if len(values) > MAX_PATTERNS:
        return f"must have at most {MAX_PATTERNS} items, not {len(values)}"
    from callscribe.phone_systems.custom_patterns import CustomPattern

    try:
        for text in values:
            CustomPattern.parse(text)
    except ConfigurationError as error:
        return error.message
    return None


def _validate_extensions(values: Sequence[str]) -> str | None:
    if len(values) > MAX_EXTENSIONS:
        return f"must have at most {MAX_EXTENSIONS} items, not {len(values)}"
    for value in values:
        if not EXTENSION.fullmatch(value):
            return f"must be file extensions, such as wav or mp3, not '{value[:20]}'"
        if value in SIDECAR_EXTENSIONS or value in INCOMPLETE_EXTENSIONS:
            return f"cannot contain {value}: such files are sidecars or incomplete files"
    return None


VALIDATORS: Mapping[str, environment.Validator] = {
    "recordings_path": _validate_recordings_path,
    "channels": environment.choice(*CHANNEL_MODES),
    "phone_system": _validate_phone_system,
    "time_zone": environment.time_zone,
    "patterns": _validate_patterns,
    "extensions": _validate_extensions,
}
"""By the name of the setting."""
