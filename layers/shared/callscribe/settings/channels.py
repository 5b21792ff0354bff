"""The settings of the module call-recordings that say which party is on which channel of a stereo recording."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from callscribe.settings.environment import validated_field
from callscribe.settings.validators import choice
from callscribe.transcripts.stereo import AUTO, CHANNEL_MODES


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """`channels`: see `stereo.channel_layout`. `phone_system`: one of SYSTEMS, or empty to detect it per recording."""

    phone_system: str = ""
    channels: str = validated_field(choice(*CHANNEL_MODES), default=AUTO)

    def with_channel_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """A copy with those of the user overrides of call-recordings that are fields of this class."""
        names = [field.name for field in fields(ChannelSettings)]
        return replace(self, **{name: overrides[name] for name in names if name in overrides})
