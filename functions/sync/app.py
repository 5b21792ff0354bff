"""sync_recordings: every file that the phone system left gets a record, once."""

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.run import Task
from callscribe.settings import at_least, checked, load
from callscribe.sources import open_source, open_within
from callscribe.store import models, runs, switches
from callscribe.telemetry import count, logger, metrics
from functions.sync.discovery import sweep


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`min_file_age_seconds`: how long a file in a folder must have rested before it counts as complete."""

    recordings_path: str
    min_file_age_seconds: int = checked(at_least(0), default=60)


@cache
def settings() -> Settings:
    """Read once a process, when the first event comes."""
    return load(Settings, os.environ)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event, or `{"recordingsPath": …, "trigger": "api"}`; answers with the run."""
    models.bind(os.environ)
    ends_at = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    with runs.recorded(Task.SYNC, event.get("trigger", "schedule"), utc_now, ends_at) as run:
        switches.require(Task.SYNC)
        own = settings()
        asked = event.get("recordingsPath")
        source = open_within(own.recordings_path, asked) if asked else open_source(own.recordings_path)
        sweep(source, run, utc_now(), timedelta(seconds=own.min_file_age_seconds))
        count("RecordingsAdded", run.counts["added"])
    return run.document()
