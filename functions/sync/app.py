"""Lambda handler of sync_recordings: keeps one record for every recording that the phone system stores."""

from callscribe import cold_start  # first, and finish_imports() last: the garbage collector is off in between

# isort: split
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.clock import utc_now
from callscribe.errors import CallscribeError
from callscribe.observability import add_count, logger, metrics, safe_exception_info
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
    """Handle a scheduled event, a batch of S3 upload events or a request of the API, and return the run.

    The API sends `{"trigger": "api", "run": ID}` with the id that it chose; with a `recordingsPath` to scan only a part
    of the source, or with a `file` to ingest only that file with its sidecars. `{"trigger": "test"}` tests whether the
    source can be listed.
    """
    store = configure_tables()
    lambda_deadline = utc_now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    if event.get("trigger") == TEST_TRIGGER:
        return _test_source(event)
    if "Records" in event:
        return _ingest_uploads(event["Records"], lambda_deadline)
    return _scan_source(event, lambda_deadline, store.retention_days)


def _ingest_uploads(messages: Sequence[Mapping[str, Any]], lambda_deadline: datetime) -> dict[str, Any]:
    """Ingest the uploaded files of an SQS batch with their sidecars. Return the run, and the messages to deliver again.

    Files of one recording are scanned once. No retention cutoff applies: an upload is new. An event only names its
    file; everything else is read from the source. Events arrive late, twice, in any order, or not at all: the scheduled
    scan finds what they miss. So a task that is paused consumes its messages.

    Source of `batchItemFailures`: "Implementing partial batch responses", AWS Lambda Developer Guide. Lambda ignores
    the other keys.
    """
    uploads, failed_ids = _parse_upload_events(messages)
    try:
        overrides = settings_overrides.load()
        settings = load_env().effective_settings(overrides.call_recordings)
        source = open_source(settings.recordings_path)
    except CallscribeError:  # without settings it is unknown which files are recordings
        with runs.record_run(Task.SYNC, Trigger.UPLOAD, utc_now, lambda_deadline) as run:
            settings_overrides.load_if_enabled(Task.SYNC)
            raise
        return _batch_response(run.to_api(), [*failed_ids, *(uploads if run.status is RunStatus.FAILED else ())])
    group_keys = {
        message_id: _uploaded_group_keys(upload, source, settings.recording_extensions)
        for message_id, upload in uploads.items()
    }
    add_count("UploadsIgnored", sum(not keys for keys in group_keys.values()))
    if not any(group_keys.values()):  # not recorded as a run: a bucket may hold many files of other kinds
        return _batch_response({"status": RunStatus.SKIPPED}, failed_ids)
    ingested = set[str]()
    with runs.record_run(Task.SYNC, Trigger.UPLOAD, utc_now, lambda_deadline) as run:
        settings_overrides.load_if_enabled(Task.SYNC, overrides)
        scanner = build_scanner(source, settings, run, lambda_deadline)
        try:
            _scan_groups(scanner, dict.fromkeys(chain.from_iterable(group_keys.values())), ingested)
        finally:
            _count_files(run)
    if run.status is not RunStatus.SKIPPED:
        failed_ids += [message_id for message_id, keys in group_keys.items() if not ingested.issuperset(keys)]
    return _batch_response(run.to_api(), failed_ids)


class Upload(NamedTuple):
    """An uploaded object, by the location of its source and its key."""

    location: str
    key: str


def _parse_upload_events(messages: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Upload], list[str]]:
    """Return the uploads by the IDs of their messages, and the IDs of the messages that contain none."""
    uploads: dict[str, Upload] = {}
    unreadable_ids: list[str] = []
    for message in messages:
        try:
            detail = json.loads(message["body"])["detail"]
            uploads[message["messageId"]] = Upload(f"s3://{detail['bucket']['name']}", str(detail["object"]["key"]))
        except (KeyError, TypeError, ValueError):  # it ends in the queue of failed events
            logger.error("upload event unreadable", message_id=message["messageId"])
            unreadable_ids.append(message["messageId"])
    return uploads, unreadable_ids


def _uploaded_group_keys(upload: Upload, source: Source, extensions: frozenset[str]) -> list[str]:
    """Return the group key of the uploaded recording or sidecar; nothing if it is neither, or not in the source.

    S3 does not URL-encode keys in these events. In case a key is encoded after all, the decoded key is returned as
    well. Source: "EventBridge event message structure", Amazon S3 User Guide.
    """
    if upload.location != source.location:
        return []
    return [
        group_key(candidate, extensions)
        for candidate in dict.fromkeys((upload.key, unquote_plus(upload.key)))
        if candidate.startswith(source.prefix)
        and classify(candidate, None, extensions) in (FileKind.AUDIO, FileKind.SIDECAR)
    ]


def _scan_groups(scanner: Scanner, group_keys: Iterable[str], ingested: set[str]) -> None:
    """Scan each group, and add its key to `ingested` unless a file of it could not be read, or time was up.

    Raises: SourceError, StoreError; CallscribeError at the end, if a group met an unexpected error: that must not keep
    the others of its batch from being ingested.
    """
    unexpected: Exception | None = None
    for key in group_keys:
        try:
            if scanner.scan_group(key):
                ingested.add(key)
            elif "incomplete" in scanner.context.run.counts:
                break  # time is up
        except CallscribeError:
            raise
        except Exception as error:  # noqa: BLE001
            logger.error("uploaded file not ingested", **safe_exception_info(error))
            unexpected = error
    if unexpected:
        message = f"Unexpected error in Callscribe ({type(unexpected).__name__}). See the function's log."
        raise CallscribeError(message, code="internal_error") from unexpected


def _batch_response(result: Mapping[str, Any], failed_ids: Iterable[str]) -> dict[str, Any]:
    return {**result, "batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed_ids]}


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
    add_count("RecordingsAdded", run.counts.get("added", 0))
    add_count("FilesIncomplete", run.counts.get("waiting", 0) + run.counts.get("in_transfer", 0))


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
