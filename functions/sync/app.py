"""sync_recordings: every file that the phone system left gets a record, once."""

from callscribe import cold_start

# isort: split
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.observability import add_count, logger, metrics
from callscribe.recordings.run import Run, RunStatus, Task, Trigger
from callscribe.settings.call_recordings import CallRecordingsSettings
from callscribe.settings.environment import from_env
from callscribe.settings.sync import SyncEnv
from callscribe.sidecars import group_key
from callscribe.sources import Source, open_source, open_subsource, resolve_key
from callscribe.store import runs, settings_overrides, status_counts, tables
from callscribe.store.settings_overrides import SettingsOverrides
from functions.sync import s3_events, source_test
from functions.sync.ingestion import FileIngester
from functions.sync.metadata_reader import MetadataReader
from functions.sync.scan import Scan

SHUTDOWN_MARGIN = timedelta(minutes=1)
"""Kept back from the function's time to end in order."""


@cache
def load_env() -> SyncEnv:
    """Read once a process, when the first event comes."""
    return from_env(SyncEnv, os.environ)


def build_scan(
    source: Source,
    env: SyncEnv,
    settings: CallRecordingsSettings,
    run: Run,
    *,
    ends_at: datetime,
    retention_cutoff: datetime | None,
) -> Scan:
    """A sweep of the source, as the settings have it. Raises ConfigurationError."""
    reader = MetadataReader(
        source=source,
        run=run,
        phone_system=settings.phone_system,
        patterns=settings.custom_patterns,
        zone=settings.zone,
    )
    ingester = FileIngester(
        source=source,
        reader=reader,
        bucket=env.transcripts_bucket,
        min_age=timedelta(seconds=env.min_file_age_seconds),
        clock=utc_now,
        run=run,
        retention_cutoff=retention_cutoff,
    )
    return Scan(
        source=source,
        ingester=ingester,
        extensions=settings.recording_extensions,
        run=run,
        clock=utc_now,
        stop_at=ends_at - SHUTDOWN_MARGIN,
    )


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes a scheduled event, an upload's, or `{"trigger": "api", "recordingsPath": …}`; answers with the run.

    With a `file` in it, only that file and what lies beside it are looked at. With `{"trigger": "test"}` it only tries
    whether the source can be listed.
    """
    store = tables.configure(os.environ)
    trigger = Trigger.UPLOAD if s3_events.is_upload(event) else event.get("trigger", Trigger.SCHEDULE)
    ends_at = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if trigger == Trigger.TEST:
        return _test_source(event)
    upload_event = _parse_upload_event(event) if trigger == Trigger.UPLOAD else None
    if upload_event and not upload_event.group_keys:
        add_count("UploadsIgnored")
        return {"status": RunStatus.SKIPPED}  # no run: a bucket may hold much that is none of ours
    with runs.record_run(Task.SYNC, trigger, utc_now, ends_at, event.get("run")) as run:
        overrides = settings_overrides.require_enabled(Task.SYNC, upload_event.overrides if upload_event else None)
        env = load_env()
        settings = env.call_recordings.with_overrides(overrides.call_recordings)
        requested_path = event.get("recordingsPath")
        source = (
            open_subsource(settings.recordings_path, requested_path)
            if requested_path
            else open_source(settings.recordings_path)
        )
        # an upload is new, and who asks for a file knows how old it is
        retention_cutoff = None if upload_event or "file" in event else _compute_retention_cutoff(store.retention_days)
        scan = build_scan(source, env, settings, run, ends_at=ends_at, retention_cutoff=retention_cutoff)
        if upload_event:
            for group in upload_event.group_keys:
                scan.run_group(group)
        elif "file" in event:
            scan.run_group(
                group_key(resolve_key(settings.recordings_path, event["file"]), settings.recording_extensions)
            )
        elif requested_path:
            scan.run_prefix()
        else:
            scan.run_full(ignore_lease=trigger == Trigger.API)  # a person does not wait for another run
        add_count("RecordingsAdded", run.counts["added"])
        add_count("FilesIncomplete", run.counts["waiting"])
    return run.to_api()


def _compute_retention_cutoff(retention_days: int) -> datetime | None:
    """Files from before have no record any more, or would not have it for long; not by a longer retention either."""
    cutoff = utc_now() - timedelta(days=retention_days) if retention_days else None
    return max((each for each in (cutoff, status_counts.get_deleted_until()) if each), default=None)


@dataclass(frozen=True, slots=True)
class UploadEvent:
    """The `stems` that an event is about, and the settings by which that was found out."""

    group_keys: list[str]
    overrides: SettingsOverrides


def _parse_upload_event(event: Mapping[str, Any]) -> UploadEvent:
    overrides = settings_overrides.load()
    settings = load_env().call_recordings.with_overrides(overrides.call_recordings)
    keys = s3_events.extract_keys(event, open_source(settings.recordings_path))
    return UploadEvent(s3_events.find_group_keys(keys, settings.recording_extensions), overrides)


def _test_source(payload: Mapping[str, Any]) -> dict[str, Any]:
    """`wish` may hold settings that are tried in the place of those that a person has set."""
    overrides = payload["settings"] if "settings" in payload else settings_overrides.load().call_recordings
    settings = load_env().call_recordings.with_overrides(overrides)
    result = source_test.test_source(settings.recordings_path, settings.recording_extensions)
    add_count("SourceTestsFailed", int(not result["ok"]))
    return result


cold_start.finish_imports()
