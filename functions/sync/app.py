"""Lambda handler of sync_recordings: keeps one record for every recording that the phone system stores."""

from callscribe import cold_start  # first, and finish_imports() last: the garbage collector is off in between

# isort: split
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.observability import add_count, logger, metrics
from callscribe.recordings.run import TEST_TRIGGER, Run, RunStatus, Task, Trigger
from callscribe.settings.call_recordings import CallRecordingsSettings
from callscribe.settings.environment import StoreSettings, from_env
from callscribe.settings.sync import SyncEnv
from callscribe.sidecars import group_key
from callscribe.sources import Source, open_source, open_subsource, resolve_key
from callscribe.sources.file_types import FileKind, classify
from callscribe.store import runs, settings_overrides, status_counts, tables
from functions.sync import source_test
from functions.sync.metadata_reader import MetadataReader
from functions.sync.scan import Scanner
from functions.sync.sync_context import SyncContext

SHUTDOWN_MARGIN = timedelta(minutes=1)
"""A scan stops this long before Lambda would stop it, to save its checkpoint and its run."""


@cache
def configure_tables() -> StoreSettings:
    """Configure the tables from the environment, once per OS process, and return their settings."""
    return tables.configure(os.environ)


@cache
def load_env() -> SyncEnv:
    """Read the environment, once per OS process and not before the first event."""
    return from_env(SyncEnv, os.environ)


def build_scanner(
    source: Source,
    settings: CallRecordingsSettings,
    run: Run,
    lambda_deadline: datetime,
    retention_cutoff: datetime | None = None,
) -> Scanner:
    """Build the scanner of a source. Raises: ConfigurationError, for invalid settings."""
    env = load_env()
    reader = MetadataReader(
        source=source,
        run=run,
        phone_system=settings.phone_system,
        patterns=settings.custom_patterns,
        zone=settings.zone,
    )
    context = SyncContext(
        source=source,
        reader=reader,
        bucket=env.transcripts_bucket,
        min_age=timedelta(seconds=env.min_file_age_seconds),
        clock=utc_now,
        run=run,
        retention_cutoff=retention_cutoff,
    )
    return Scanner(context=context, extensions=settings.recording_extensions, stop_at=lambda_deadline - SHUTDOWN_MARGIN)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a scheduled event, an S3 upload event or a request of the API, and return the run.

    The API sends `{"trigger": "api", "run": ID}` with the id that it chose; with a `recordingsPath` to scan only a part
    of the source, or with a `file` to ingest only that file with its sidecars. `{"trigger": "test"}` tests whether the
    source can be listed.
    """
    store = configure_tables()
    lambda_deadline = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if event.get("trigger") == TEST_TRIGGER:
        return _test_source(event)
    if event.get("source") == "aws.s3" and event.get("detail-type") == "Object Created":
        return _ingest_upload(event, lambda_deadline)
    return _scan_source(event, lambda_deadline, store.retention_days)


def _ingest_upload(event: Mapping[str, Any], lambda_deadline: datetime) -> dict[str, Any]:
    """Ingest an uploaded file with its sidecars. No retention cutoff applies: an upload is new.

    The event only names the file; everything else is read from the source. Events arrive late, twice, in any order, or
    not at all: the scheduled scan finds what they miss.
    """
    overrides = settings_overrides.load()
    settings = load_env().effective_settings(overrides.call_recordings)
    source = open_source(settings.recordings_path)
    group_keys = _uploaded_group_keys(event["detail"], source, settings.recording_extensions)
    if not group_keys:
        add_count("UploadsIgnored")
        return {"status": RunStatus.SKIPPED}  # not recorded as a run: a bucket may hold many files of other kinds
    with runs.record_run(Task.SYNC, Trigger.UPLOAD, utc_now, lambda_deadline) as run:
        settings_overrides.load_if_enabled(Task.SYNC, overrides)
        scanner = build_scanner(source, settings, run, lambda_deadline)
        for key in group_keys:
            scanner.scan_group(key)
        _count_files(run)
    return run.to_api()


def _uploaded_group_keys(detail: Mapping[str, Any], source: Source, extensions: frozenset[str]) -> list[str]:
    """Return the group key of the uploaded recording or sidecar; nothing if it is neither, or not in the source.

    S3 does not URL-encode keys in these events. In case a key is encoded after all, the decoded key is returned as
    well. Source: "EventBridge event message structure", Amazon S3 User Guide.
    """
    if f"s3://{detail['bucket']['name']}" != source.location:
        return []
    key: str = detail["object"]["key"]
    return [
        group_key(candidate, extensions)
        for candidate in dict.fromkeys((key, unquote_plus(key)))
        if candidate.startswith(source.prefix)
        and classify(candidate, None, extensions) in (FileKind.AUDIO, FileKind.SIDECAR)
    ]


def _scan_source(event: Mapping[str, Any], lambda_deadline: datetime, retention_days: int) -> dict[str, Any]:
    """Scan the source, or the part of it that the event names."""
    trigger = Trigger.from_event(event)
    with runs.record_run(Task.SYNC, trigger, utc_now, lambda_deadline, event.get("run")) as run:
        overrides = settings_overrides.load_if_enabled(Task.SYNC)
        settings = load_env().effective_settings(overrides.call_recordings)
        root = settings.recordings_path
        if "file" in event:  # without a retention cutoff: the user chose the file, however old it is
            key = resolve_key(root, event["file"])
            scanner = build_scanner(open_source(root), settings, run, lambda_deadline)
            scanner.scan_group(group_key(key, settings.recording_extensions))
        elif path := event.get("recordingsPath"):
            source = open_subsource(root, path)
            build_scanner(source, settings, run, lambda_deadline, _retention_cutoff(retention_days)).scan_subsource()
        else:
            scanner = build_scanner(
                open_source(root), settings, run, lambda_deadline, _retention_cutoff(retention_days)
            )
            # a user does not have to wait for a scan that is already running
            scanner.scan_all(ignore_lease=trigger is Trigger.API)
        _count_files(run)
    return run.to_api()


def _count_files(run: Run) -> None:
    add_count("RecordingsAdded", run.counts["added"])
    add_count("FilesIncomplete", run.counts["waiting"] + run.counts["in_transfer"])


def _retention_cutoff(retention_days: int) -> datetime | None:
    """Return the time before which new files are ignored: their records were deleted, or would be soon.

    A longer retention does not bring back what was deleted.
    """
    cutoff = utc_now() - timedelta(days=retention_days) if retention_days else None
    return max((each for each in (cutoff, status_counts.get_deleted_until()) if each), default=None)


def _test_source(event: Mapping[str, Any]) -> dict[str, Any]:
    """Test the source that is configured; `settings` in the event replace the stored overrides."""
    overrides = event["settings"] if "settings" in event else settings_overrides.load().call_recordings
    settings = load_env().effective_settings(overrides)
    result = source_test.test_source(settings.recordings_path, settings.recording_extensions)
    add_count("SourceTestsFailed", int(not result["ok"]))
    return result


cold_start.finish_imports()
