"""sync_recordings: every file that the phone system left gets a record, once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.ingest import AUDIO
from callscribe.run import Outcome, Run, Task
from callscribe.settings import at_least, checked, load, time_zone
from callscribe.sources import Source, open_source, open_within
from callscribe.store import models, runs, switches
from callscribe.telemetry import count, logger, metrics
from functions.sync import uploads
from functions.sync.intake import Intake
from functions.sync.reading import Reader
from functions.sync.sweep import Sweep

SCHEDULE, UPLOAD, API = "schedule", "upload", "api"

RESERVE = timedelta(minutes=1)
"""Kept back from the function's time to end in order."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`min_file_age_seconds`: how long a file in a folder must have rested before it counts as complete.

    `time_zone` is that of the times in file names that do not tell theirs. `extensions` are those of recordings.
    """

    recordings_path: str
    transcripts_bucket: str
    min_file_age_seconds: int = checked(at_least(0), default=60)
    phone_system: str = ""
    time_zone: str = checked(time_zone, default="UTC")
    audio_extensions: str = ""


@cache
def settings() -> Settings:
    """Read once a process, when the first event comes."""
    return load(Settings, os.environ)


def sweep_of(source: Source, own: Settings, run: Run, stop_at: datetime) -> Sweep:
    """A sweep of the source, as the settings have it."""
    reader = Reader(source=source, run=run, phone_system=own.phone_system, patterns=(), zone=ZoneInfo(own.time_zone))
    intake = Intake(
        source=source,
        reader=reader,
        bucket=own.transcripts_bucket,
        min_age=timedelta(seconds=own.min_file_age_seconds),
        clock=utc_now,
        run=run,
    )
    return Sweep(
        source=source,
        intake=intake,
        extensions=extensions_of(own),
        run=run,
        clock=utc_now,
        stop_at=stop_at,
    )


def extensions_of(own: Settings) -> frozenset[str]:
    """Of recordings, in small letters."""
    return frozenset(own.audio_extensions.lower().split()) or AUDIO


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event, an upload's, or `{"recordingsPath": …, "trigger": "api"}`; answers with the run."""
    models.bind(os.environ)
    ends_at = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if uploads.is_upload(event):
        return _uploaded(event, settings(), ends_at)
    with runs.recorded(Task.SYNC, event.get("trigger", SCHEDULE), utc_now, ends_at) as run:
        switches.require(Task.SYNC)
        own = settings()
        asked = event.get("recordingsPath")
        source = open_within(own.recordings_path, asked) if asked else open_source(own.recordings_path)
        sweep = sweep_of(source, own, run, ends_at - RESERVE)
        if asked or run.trigger == API:
            sweep.part()  # for whoever waits for it: at once, and from the beginning
        else:
            sweep.all()
        _measure(run)
    return run.document()


def _uploaded(event: Mapping[str, Any], own: Settings, ends_at: datetime) -> dict[str, Any]:
    """No run where it does not concern us: a bucket may hold much else."""
    source = open_source(own.recordings_path)
    stems = uploads.stems_of(event, source, extensions_of(own))
    count("UploadsPassedOver", int(not stems))
    if not stems:
        return {"status": Outcome.SKIPPED}
    with runs.recorded(Task.SYNC, UPLOAD, utc_now, ends_at) as run:
        switches.require(Task.SYNC)
        for stem in stems:
            sweep_of(source, own, run, ends_at - RESERVE).family(stem)
        _measure(run)
    return run.document()


def _measure(run: Run) -> None:
    count("RecordingsAdded", run.counts.get("added", 0))
    count("FilesWaiting", run.counts.get("waiting", 0))
