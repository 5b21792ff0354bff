"""sync_recordings: every file that the phone system left gets a record, once."""

from callscribe import start

# isort: split
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.module_settings import CallRecordingsDefaults, CallRecordingsSettings
from callscribe.run import Outcome, Run, Task
from callscribe.settings import at_least, checked, load
from callscribe.sidecars import stem_of
from callscribe.sources import Source, key_within, open_source, open_within
from callscribe.store import counts, models, module_settings, runs
from callscribe.store.module_settings import Kept
from callscribe.telemetry import count, logger, metrics
from functions.sync import check, uploads
from functions.sync.intake import Intake
from functions.sync.reading import Reader
from functions.sync.sweep import Sweep

UPLOAD, TEST = "upload", "test"

RESERVE = timedelta(minutes=1)
"""Kept back from the function's time to end in order."""


@dataclass(frozen=True, kw_only=True)
class Settings(CallRecordingsDefaults):
    """`min_file_age_seconds`: how long a file in a folder must have rested before it counts as complete."""

    transcripts_bucket: str
    min_file_age_seconds: int = checked(at_least(0), default=60)


@cache
def settings() -> Settings:
    """Read once a process, when the first event comes."""
    return load(Settings, os.environ)


def sweep_of(
    source: Source,
    own: Settings,
    ours: CallRecordingsSettings,
    run: Run,
    *,
    ends_at: datetime,
    kept_since: datetime | None,
) -> Sweep:
    """A sweep of the source, as the settings have it. Raises ConfigurationError."""
    reader = Reader(source=source, run=run, phone_system=ours.phone_system, patterns=ours.site_patterns, zone=ours.zone)
    intake = Intake(
        source=source,
        reader=reader,
        bucket=own.transcripts_bucket,
        min_age=timedelta(seconds=own.min_file_age_seconds),
        clock=utc_now,
        run=run,
        kept_since=kept_since,
    )
    return Sweep(source=source, intake=intake, extensions=ours.audio, run=run, clock=utc_now, stop_at=ends_at - RESERVE)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event, an upload's, or `{"trigger": "api", "recordingsPath": …}`; answers with the run.

    With a `file` in it, only that file and what lies beside it are looked at. With `{"trigger": "test"}` it only tries
    whether the source can be listed.
    """
    store = models.bind(os.environ)
    trigger = UPLOAD if uploads.is_upload(event) else event.get("trigger", runs.SCHEDULE)
    ends_at = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if trigger == TEST:
        return _tested(event)
    uploaded = _uploaded(event) if trigger == UPLOAD else None
    if uploaded and not uploaded.stems:
        count("UploadsPassedOver")
        return {"status": Outcome.SKIPPED}  # no run: a bucket may hold much that is none of ours
    with runs.recorded(Task.SYNC, trigger, utc_now, ends_at, event.get("run")) as run:
        kept = module_settings.require(Task.SYNC, uploaded.kept if uploaded else None)
        own = settings()
        ours = own.call_recordings.with_kept(kept.call_recordings)
        asked = event.get("recordingsPath")
        source = open_within(ours.recordings_path, asked) if asked else open_source(ours.recordings_path)
        # an upload is new, and who asks for a file knows how old it is
        kept_since = None if uploaded or "file" in event else _kept_since(store.retention_days)
        sweep = sweep_of(source, own, ours, run, ends_at=ends_at, kept_since=kept_since)
        if uploaded:
            for stem in uploaded.stems:
                sweep.family(stem)
        elif "file" in event:
            sweep.family(stem_of(key_within(ours.recordings_path, event["file"]), ours.audio))
        elif asked:
            sweep.part()
        else:
            sweep.all(beside_another=trigger == runs.API)  # a person does not wait for another run
        count("RecordingsAdded", run.counts["added"])
        count("FilesWaiting", run.counts["waiting"])
    return run.document()


def _kept_since(retention_days: int) -> datetime | None:
    """Files from before have no record any more, or would not have it for long; not by a longer retention either."""
    kept_since = utc_now() - timedelta(days=retention_days) if retention_days else None
    return max((each for each in (kept_since, counts.deleted_until()) if each), default=None)


@dataclass(frozen=True, slots=True)
class _Uploaded:
    """The `stems` that an event is about, and the settings by which that was found out."""

    stems: list[str]
    kept: Kept


def _uploaded(event: Mapping[str, Any]) -> _Uploaded:
    kept = module_settings.read()
    ours = settings().call_recordings.with_kept(kept.call_recordings)
    keys = uploads.keys_of(event, open_source(ours.recordings_path))
    return _Uploaded(uploads.stems_of(keys, ours.audio), kept)


def _tested(wish: Mapping[str, Any]) -> dict[str, Any]:
    """`wish` may hold settings that are tried in the place of those that a person has set."""
    kept = wish["settings"] if "settings" in wish else module_settings.read().call_recordings
    ours = settings().call_recordings.with_kept(kept)
    verdict = check.tried(ours.recordings_path, ours.audio)
    count("SourceTestsFailed", int(not verdict["ok"]))
    return verdict


start.ended()
