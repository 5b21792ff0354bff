"""What the API function reads from its environment, and the settings of the modules as they count."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from callscribe.recordings.run import Task
from callscribe.settings.call_recordings import CallRecordingsEnv, CallRecordingsSettings
from callscribe.settings.environment import WhisperXSettings, from_env, min_value, validated_field
from callscribe.store import settings_overrides
from callscribe.transcripts.stereo import AUTO


@dataclass(frozen=True, kw_only=True)
class ApiSettings(CallRecordingsEnv):
    """Of call-recordings, what the template gives. `…_function` are invoked, `…_schedule` tell when the tasks run.

    `max_attempts` is what process goes by, and here only shown.
    """

    channels: str = AUTO
    transcripts_bucket: str
    api_key_secret: str
    whisperx_secret: str
    sync_function: str
    queue_function: str
    process_function: str
    sync_schedule: str
    queue_schedule: str
    process_schedule: str
    max_attempts: int = validated_field(min_value(1), default=5)

    @property
    def call_recordings(self) -> CallRecordingsSettings:
        return replace(super().call_recordings, channels=self.channels)

    @property
    def functions(self) -> Mapping[Task, str]:
        """What does each task."""
        return {
            Task.SYNC: self.sync_function,
            Task.QUEUE: self.queue_function,
            Task.PROCESS: self.process_function,
            Task.RETRY: self.queue_function,
        }

    @property
    def schedules(self) -> Mapping[Task, str]:
        return {Task.SYNC: self.sync_schedule, Task.QUEUE: self.queue_schedule, Task.PROCESS: self.process_schedule}


@dataclass(frozen=True, kw_only=True)
class EdgeSettings:
    """What every request needs, also one to /health; nothing in it can be missing.

    `cors_origins`: whose pages may use the API in a browser, parted by spaces.
    """

    cors_origins: str = ""


@cache
def cors_origins() -> str:
    return from_env(EdgeSettings, os.environ).cors_origins


@cache
def settings() -> ApiSettings:
    """Read once a process, when a request first needs it."""
    return from_env(ApiSettings, os.environ)


@cache
def whisperx_defaults() -> WhisperXSettings:
    """Of whisperx, what the template gives. By itself: where it is wrong, all else works. Raises ConfigurationError."""
    return from_env(WhisperXSettings, os.environ)


def effective_call_recordings() -> CallRecordingsSettings:
    """Those of call-recordings as they are now. Raises StoreError."""
    return settings().call_recordings.with_overrides(settings_overrides.load().call_recordings)
