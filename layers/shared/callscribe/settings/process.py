"""The environment variables of the function process_transcription."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from callscribe.recordings.retry_policy import RetryPolicy
from callscribe.settings.channels import ChannelSettings
from callscribe.settings.environment import choice, min_value, validated_field
from callscribe.settings.whisperx import WhisperXSettings

NO_OVERRIDES: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class ProcessSettings(WhisperXSettings, ChannelSettings):
    """The template's defaults; with overrides applied, the effective settings of a run.

    `retry_base_seconds`: the maximum delay after the first failed attempt. It doubles with each further one, up to an
    hour; the actual delay is between half and all of it.
    `outage_pause_seconds`: the delay after the service was found unavailable; it doubles with each failed probe.
    `job_timeout_minutes`: how long a job of a `tasks` server may run before it counts as a failed attempt.
    `process_interval_seconds`: how often a run starts recordings, `recordings_per_run` each time.
    """

    transcripts_bucket: str
    whisperx_secret: str
    max_attempts: int = validated_field(min_value(1), default=5)
    retry_base_seconds: int = validated_field(min_value(1), default=60)
    max_concurrent_transcriptions: int = validated_field(min_value(1), default=1)
    recordings_per_run: int = validated_field(min_value(1), default=1)
    job_timeout_minutes: int = validated_field(min_value(1), default=360)
    process_interval_seconds: int = validated_field(choice(60, 30, 20, 15, 10), default=60)
    outage_pause_seconds: int = validated_field(min_value(1), default=60)

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(self.max_attempts, self.retry_base_seconds)

    def effective_settings(
        self, overrides: Mapping[str, Any], call_recordings_overrides: Mapping[str, Any] = NO_OVERRIDES
    ) -> Self:
        """The effective settings of a run, from the overrides of both modules.

        Of the module call-recordings, only the channel settings concern the process task.
        """
        names = [field.name for field in fields(ChannelSettings) if field.name in call_recordings_overrides]
        channel_overrides = {name: call_recordings_overrides[name] for name in names}
        return replace(super().effective_settings(overrides), **channel_overrides)

    @property
    def request_options(self) -> dict[str, Any]:
        """The request options to record with a transcript.

        `WhisperXOptions` overrides the individual settings. Of custom options only the names are recorded, because a
        value may be a secret.
        """
        options = dict(self.extra_options)
        return {
            "language": options.get("language", self.whisperx_language) or None,
            "model": options.get("model", self.whisperx_model) or None,
            "diarize": options.get("diarize", str(self.whisperx_diarize)).lower() == "true",
            "channels": self.channels,
            "options": sorted(options),
        }
