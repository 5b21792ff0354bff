"""The environment variables of the API function. Those of the module whisperx are in `WhisperXSettings`."""

from collections.abc import Mapping
from dataclasses import dataclass

from callscribe.recordings.run import Task
from callscribe.settings.call_recordings import CallRecordingsEnv
from callscribe.settings.environment import min_value, validated_field


@dataclass(frozen=True, kw_only=True)
class ApiSettings(CallRecordingsEnv):
    """`…_function`: the names of the functions that the API invokes. `…_schedule`: their schedule expressions.

    `max_attempts` is only shown here; the process task applies it.
    """

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
    def functions(self) -> Mapping[Task, str]:
        """The function that runs each task."""
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
    """What every request needs, even one to /health; nothing in it can be missing.

    `cors_origins`: the origins of the web pages that may use the API from a browser, separated by spaces.
    """

    cors_origins: str = ""
