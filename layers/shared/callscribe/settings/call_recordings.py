"""The settings of the module call-recordings: the template's, and over them what a person has set over the API."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from callscribe.errors import ConfigurationError
from callscribe.phone_systems import SYSTEMS
from callscribe.settings import environment
from callscribe.sources import open_source
from callscribe.sources.file_types import AUDIO_EXTENSIONS, PARTIAL_EXTENSIONS, SIDECAR_EXTENSIONS
from callscribe.transcripts.stereo import AUTO, CHANNEL_MODES

if TYPE_CHECKING:
    from callscribe.phone_systems.custom_patterns import CustomPattern

MAX_PATTERNS = 20
"""Each new name meets all of them."""

MAX_EXTENSIONS = 50

SYSTEM_FOLDERS = ("", "proc", "sys", "dev", "etc")
"""Folders at the root where no recordings lie: a slip would take up all that a machine has."""

EXTENSION = re.compile("[a-z0-9]{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecordingsSettings:
    """How recordings are recognised, and their names read.

    `recordings_path` is the source. `phone_system` is one of SYSTEMS, or empty to recognise it; `time_zone` that of
    times which do not tell theirs; `patterns` the site's own for names, the first that matches counts; no `extensions`
    are all that are usual. `channels`: who speaks where in stereo (`conversation.sides_of`).
    """

    recordings_path: str = ""
    phone_system: str = ""
    time_zone: str = "UTC"
    patterns: Sequence[str] = ()
    extensions: Sequence[str] = ()
    channels: str = AUTO

    def with_overrides(self, overrides: Mapping[str, Any]) -> "CallRecordingsSettings":
        """These, with what a person has set in their place."""
        return replace(self, **overrides)

    @property
    def zone(self) -> tzinfo:
        """Raises ConfigurationError for a time zone that there is not."""
        from zoneinfo import ZoneInfo

        if problem := environment.time_zone(self.time_zone):
            raise ConfigurationError(
                f"The time zone '{self.time_zone}' is none: it {problem}. Correct it in the settings of the module "
                "call-recordings."
            )
        return ZoneInfo(self.time_zone)

    @property
    def custom_patterns(self) -> "Sequence[CustomPattern]":
        """Raises ConfigurationError for one that cannot be used."""
        if not self.patterns:
            return ()
        from callscribe.phone_systems.custom_patterns import CustomPattern

        return tuple(CustomPattern.parse(text) for text in self.patterns)

    @property
    def recording_extensions(self) -> frozenset[str]:
        """The extensions of recordings, in small letters."""
        return frozenset(self.extensions) or AUDIO_EXTENSIONS


@dataclass(frozen=True, kw_only=True)
class CallRecordingsEnv:
    """What the template gives of them, as a function reads it from its environment."""

    recordings_path: str
    phone_system: str = ""
    time_zone: str = "UTC"
    audio_extensions: str = ""

    @property
    def call_recordings(self) -> CallRecordingsSettings:
        """The settings, as long as nobody has set others."""
        extensions = tuple(normalise_extensions(self.audio_extensions.split()))
        return CallRecordingsSettings(
            recordings_path=self.recordings_path,
            phone_system=self.phone_system,
            time_zone=self.time_zone,
            extensions=extensions,
        )


def normalise_extensions(extensions: Sequence[str]) -> list[str]:
    """In small letters, without a dot, once each: `.WAV` is `wav`."""
    return list(dict.fromkeys(each.strip().lower().removeprefix(".") for each in extensions))


def validation_errors(
    values: Mapping[str, Any], validators: "Mapping[str, environment.Validator] | None" = None
) -> dict[str, str]:
    """What is wrong with settings that a person gives, in words for that person, by the field's name.

    `checks` are those of the module; by default of call-recordings.
    """
    results = {name: (VALIDATORS if validators is None else validators)[name](value) for name, value in values.items()}
    return {name: problem for name, problem in results.items() if problem}


def _validate_recordings_path(value: str) -> str | None:
    if value.startswith("/") and posixpath.normpath(value).split("/")[1] in SYSTEM_FOLDERS:
        return "must be a folder of recordings, not one of the system's"
    try:
        open_source(value)
    except ConfigurationError as error:
        return error.message
    return None


def _validate_phone_system(value: str) -> str | None:
    return None if not value or value in SYSTEMS else f"must be empty, or one of {', '.join(SYSTEMS)}"


def _validate_patterns(values: Sequence[str]) -> str | None:
    if len(values) > MAX_PATTERNS:
        return f"may be {MAX_PATTERNS} at most, not {len(values)}"
    from callscribe.phone_systems.custom_patterns import CustomPattern

    try:
        for text in values:
            CustomPattern.parse(text)
    except ConfigurationError as error:
        return error.message
    return None


def _validate_extensions(values: Sequence[str]) -> str | None:
    if len(values) > MAX_EXTENSIONS:
        return f"may be {MAX_EXTENSIONS} at most, not {len(values)}"
    for value in values:
        if not EXTENSION.fullmatch(value):
            return f"must be the endings of names, such as wav or mp3, not '{value[:20]}'"
        if value in SIDECAR_EXTENSIONS or value in PARTIAL_EXTENSIONS:
            return f"cannot hold {value}: such files tell of recordings, or are not complete yet"
    return None


VALIDATORS: Mapping[str, environment.Validator] = {
    "recordings_path": _validate_recordings_path,
    "channels": environment.choice(*CHANNEL_MODES),
    "phone_system": _validate_phone_system,
    "time_zone": environment.time_zone,
    "patterns": _validate_patterns,
    "extensions": _validate_extensions,
}
