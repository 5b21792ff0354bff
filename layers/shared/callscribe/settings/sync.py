"""The environment variables of the function sync_recordings."""

from dataclasses import dataclass

from callscribe.settings.call_recordings import CallRecordingsEnv
from callscribe.settings.environment import min_value, validated_field


@dataclass(frozen=True, kw_only=True)
class SyncEnv(CallRecordingsEnv):
    """`min_file_age_seconds`: how long a file in a folder must be unchanged before it counts as complete."""

    transcripts_bucket: str
    min_file_age_seconds: int = validated_field(min_value(0), default=60)
