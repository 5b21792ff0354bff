"""The tables as PynamoDB models; template.yaml declares them.

PynamoDB keeps a connection in each model class, so `configure` sets the table names of the classes once, at start.
"""

from collections.abc import Mapping
from datetime import timedelta

from pynamodb.attributes import (
    BooleanAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.models import Model

from callscribe.settings.environment import StoreSettings, from_env
from callscribe.store.indexes import (
    ByCall,
    ByKey,
    ByName,
    ByNumber1,
    ByNumber2,
    ByNumber3,
    ByStatus,
    ByStatusAndTime,
    ByTime,
    ServiceRequestsByRecording,
)

SERVICE_REQUEST_KIND = "transcription_call"
"""The only value of `kind`."""

ALL_RECORDINGS = "all"
"""The only value of `listing`: the index of all recordings by time has one partition."""

MAX_RUN_RETENTION_DAYS = 30
"""Runs and service requests are never kept longer, whatever the retention is."""


class FailureMap(MapAttribute[str, object]):
    code = UnicodeAttribute()
    message = UnicodeAttribute()
    at = UTCDateTimeAttribute()
    retryable = BooleanAttribute()
    status = NumberAttribute(null=True)


class TranscriptMap(MapAttribute[str, object]):
    version = UnicodeAttribute()
    language = UnicodeAttribute(null=True)
    duration = NumberAttribute(null=True)
    preview = UnicodeAttribute()
    no_speech = BooleanAttribute()
    partial = BooleanAttribute(default=False)


class AudioMap(MapAttribute[str, object]):
    codec = UnicodeAttribute(null=True)
    duration = NumberAttribute(null=True)
    sample_rate = NumberAttribute(null=True)
    channels = NumberAttribute(null=True)
    is_unfinished = BooleanAttribute(null=True)


class AudioTrackMap(MapAttribute[str, object]):
    channel = UnicodeAttribute(null=True)
    speaker = UnicodeAttribute(null=True)
    job = UnicodeAttribute(null=True)
    transcript_version = UnicodeAttribute(null=True)
    failure = FailureMap(null=True)


class RecordingModel(Model):
    class Meta:
        table_name = ""

    id = UnicodeAttribute(hash_key=True)
    source_hash = UnicodeAttribute(attr_name="s")
    index_key = UnicodeAttribute(attr_name="k", null=True)
    location = UnicodeAttribute()
    key = UnicodeAttribute()
    size = NumberAttribute()
    etag = UnicodeAttribute(null=True)
    modified_at = UTCDateTimeAttribute()
    recorded_at = UTCDateTimeAttribute()
    created_at = UTCDateTimeAttribute()
    listing = UnicodeAttribute(default=ALL_RECORDINGS)
    status = UnicodeAttribute()
    status_since = UTCDateTimeAttribute()
    sort_key = UnicodeAttribute()
    metadata: MapAttribute[str, object] = MapAttribute(default=dict)
    source_changed = UTCDateTimeAttribute(null=True)
    source_missing = UTCDateTimeAttribute(null=True)
    attempts = NumberAttribute(default=0)
    outage_count = NumberAttribute(default=0)
    error = FailureMap(null=True)
    next_attempt_at = UTCDateTimeAttribute(null=True)
    queue_sort_key = UnicodeAttribute(null=True)
    claim_token = UnicodeAttribute(null=True)
    lease_expires_at = UTCDateTimeAttribute(null=True)
    transcript = TranscriptMap(null=True)
    audio = AudioMap(null=True)
    tracks = ListAttribute(of=AudioTrackMap, null=True)
    upload_number = NumberAttribute(default=0)
    job_started_at = UTCDateTimeAttribute(null=True)
    job_deadline = UTCDateTimeAttribute(null=True)
    job_presumed_lost_at = UTCDateTimeAttribute(null=True)
    slot = UnicodeAttribute(null=True)
    metadata_hash = UnicodeAttribute(null=True)
    """A hash of the metadata, for conditions: not every implementation of DynamoDB compares maps."""
    # for the search indexes: derived from the key and the metadata
    name = UnicodeAttribute(null=True)
    call = UnicodeAttribute(null=True)
    numbers = UnicodeAttribute(null=True)
    number_1 = UnicodeAttribute(attr_name="n1", null=True)
    number_2 = UnicodeAttribute(attr_name="n2", null=True)
    number_3 = UnicodeAttribute(attr_name="n3", null=True)

    by_key = ByKey()
    by_status = ByStatus()
    by_time = ByTime()
    by_status_and_time = ByStatusAndTime()
    by_call = ByCall()
    by_name = ByName()
    by_number_1 = ByNumber1()
    by_number_2 = ByNumber2()
    by_number_3 = ByNumber3()


class OutageMap(MapAttribute[str, object]):
    since = UTCDateTimeAttribute()
    next_try_at = UTCDateTimeAttribute()
    backoff_seconds = NumberAttribute()
    failures = NumberAttribute()
    code = UnicodeAttribute()
    message = UnicodeAttribute()
    by_refusals = BooleanAttribute(default=False)


class ControlModel(Model):
    """An item of the control table. There are six, each with its own name and attributes."""

    class Meta:
        table_name = ""

    name = UnicodeAttribute(hash_key=True)
    # admission: the held slots and the circuit breaker
    slots = UnicodeSetAttribute(null=True)
    # the released slots of jobs that the server has presumably lost, and when it was last seen to have stopped
    lost_job_slots = UnicodeSetAttribute(null=True)
    server_stopped_at = UTCDateTimeAttribute(null=True)
    outage = OutageMap(null=True)
    probe = UnicodeAttribute(null=True)
    probe_lease = UTCDateTimeAttribute(null=True)
    # how the server refused recordings since the last success, each with the recording's ID
    refusals = UnicodeSetAttribute(null=True)
    # paused-tasks: the tasks that a user has paused
    paused = UnicodeSetAttribute(null=True)
    # call-recordings, whisperx: whether the module is enabled, its settings overrides, and their `write_token`
    enabled = BooleanAttribute(null=True)
    settings: MapAttribute[str, object] = MapAttribute(null=True)
    # scan: where the scan of a source continues
    source = UnicodeAttribute(null=True)
    after_key = UnicodeAttribute(null=True)
    lease_until = UTCDateTimeAttribute(null=True)
    # completed: the checkpoint of the number of completed recordings, from `retention_cutoff` to `counted_until`
    # `deleted_until`: the latest cutoff there has ever been
    completed_count = NumberAttribute(null=True)
    retention_cutoff = UnicodeAttribute(null=True)
    deleted_until = UnicodeAttribute(null=True)
    counted_until = UnicodeAttribute(null=True)
    write_token = UnicodeAttribute(null=True)
    blocked_until = UTCDateTimeAttribute(null=True)


class IncompleteFileMap(MapAttribute[str, object]):
    path = UnicodeAttribute()
    size = NumberAttribute()
    since = UTCDateTimeAttribute()
    reason = UnicodeAttribute()


class RunModel(Model):
    """A run. The table also holds service requests, so that a run is written together with its requests."""

    class Meta:
        table_name = ""

    retention = timedelta(days=MAX_RUN_RETENTION_DAYS)

    task = UnicodeAttribute(hash_key=True)
    run = UnicodeAttribute(range_key=True)
    trigger = UnicodeAttribute()
    started_at = UTCDateTimeAttribute()
    deadline = UTCDateTimeAttribute()
    status = UnicodeAttribute()
    finished_at = UTCDateTimeAttribute(null=True)
    counts: MapAttribute[str, int] = MapAttribute(default=dict)
    incomplete_files = ListAttribute(of=IncompleteFileMap, null=True)
    error = UnicodeAttribute(null=True)
    error_code = UnicodeAttribute(null=True)
    # of a retry, both JSON: the filters, and where it continues
    filters = UnicodeAttribute(null=True)
    resume_cursor = UnicodeAttribute(null=True)
    expires_at = TTLAttribute()


class ServiceRequestModel(Model):
    """A request to the service, in the table of runs: its partition key is its kind in place of a task."""

    class Meta:
        table_name = ""

    retention = timedelta(days=MAX_RUN_RETENTION_DAYS)

    kind = UnicodeAttribute(hash_key=True, attr_name="task", default=SERVICE_REQUEST_KIND)
    id = UnicodeAttribute(range_key=True, attr_name="run")
    recording_id = UnicodeAttribute()
    attempt = NumberAttribute()
    method = UnicodeAttribute()
    url = UnicodeAttribute()
    started_at = UTCDateTimeAttribute()
    duration = NumberAttribute()
    status = NumberAttribute(null=True)
    bytes_sent = NumberAttribute()
    bytes_received = NumberAttribute()
    error = UnicodeAttribute(null=True)
    expires_at = TTLAttribute()

    by_recording = ServiceRequestsByRecording()


def configure(environ: Mapping[str, str]) -> StoreSettings:
    """Set the table names and the retention from the environment.

    Raises: ConfigurationError.
    """
    settings = from_env(StoreSettings, environ)
    RunModel.retention = ServiceRequestModel.retention = timedelta(
        days=min(MAX_RUN_RETENTION_DAYS, settings.retention_days or MAX_RUN_RETENTION_DAYS)
    )
    for model, table in (
        (RecordingModel, settings.recordings_table),
        (ControlModel, settings.control_table),
        (RunModel, settings.runs_table),
        (ServiceRequestModel, settings.runs_table),
    ):
        if model.Meta.table_name != table:
            model.Meta.table_name = table
            model._connection = None  # noqa: SLF001 — it belongs to the previous table
    return settings
