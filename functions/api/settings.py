"""What the API function reads from its environment, and the settings of the modules as they count."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from callscribe.conversation import AUTO
from callscribe.module_settings import CallRecordingsDefaults, CallRecordingsSettings
from callscribe.run import Task
from callscribe.settings import WhisperXSettings, at_least, checked, load
from callscribe.store import module_settings


@dataclass(frozen=True, kw_only=True)
class Settings(CallRecordingsDefaults):
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
    max_attempts: int = checked(at_least(1), default=5)

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
class Edge:
    """What every request needs, also one to /health; nothing in it can be missing.

    `cors_origins`: whose pages may use the API in a browser, parted by spaces.
    """

    cors_origins: str = ""


@cache
def origins() -> str:
    return load(Edge, os.environ).cors_origins


@cache
def settings() -> Settings:
    """Read once a process, when a request first needs it."""
    return load(Settings, os.environ)


@cache
def whisperx() -> WhisperXSettings:
    """Of whisperx, what the template gives. By itself: where it is wrong, all else works. Raises ConfigurationError."""
    return load(WhisperXSettings, os.environ)


def call_recordings() -> CallRecordingsSettings:
    """Those of call-recordings as they are now. Raises StoreError."""
    return settings().call_recordings.with_kept(module_settings.read().call_recordings)
