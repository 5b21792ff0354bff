"""The environment variables of the function process_transcription."""

from dataclasses import dataclass

from callscribe.recordings.retry_policy import RetryPolicy
from callscribe.settings.channels import ChannelSettings
from callscribe.settings.environment import choice, min_value, validated_field
from callscribe.settings.whisperx import WhisperXSettings


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
