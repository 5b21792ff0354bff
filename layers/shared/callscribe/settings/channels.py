"""The settings of the module call-recordings that say which party is on which channel of a stereo recording."""

from dataclasses import dataclass

from callscribe.settings.environment import choice, validated_field
from callscribe.transcripts.stereo import AUTO, CHANNEL_MODES


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """`channels`: see `stereo.channel_layout`. `phone_system`: one of SYSTEMS, or empty to detect it per recording."""

    phone_system: str = ""
    channels: str = validated_field(choice(*CHANNEL_MODES), default=AUTO)
