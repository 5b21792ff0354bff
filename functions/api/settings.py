"""What the API function reads from its environment."""

import os
from dataclasses import dataclass
from functools import cache

from callscribe.module_settings import CallRecordingsDefaults
from callscribe.settings import load


@dataclass(frozen=True, kw_only=True)
class Settings(CallRecordingsDefaults):
    """`sync_function` and `process_function` are what "sync now" and "transcribe now" invoke."""

    recordings_path: str
    transcripts_bucket: str
    api_key_secret: str
    sync_function: str
    process_function: str


@cache
def settings() -> Settings:
    """Read once a process, when a request first needs it."""
    return load(Settings, os.environ)
