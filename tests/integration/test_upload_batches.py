"""A batch of upload events from SQS: what sync ingests, and which messages it reports as failed."""

import json
from collections import Counter

import pytest

from callscribe.errors import RetryableError, SourceError
from callscribe.recordings.run import Task
from callscribe.sources import s3
from callscribe.store import settings_overrides
from functions.sync import app, scan
from functions.sync.metadata_reader import MetadataReader
from tests.integration.storage import AUDIO, upload_batch, upload_body, upload_event

KEYS = [f"2026/{number}.mp3" for number in range(10)]


def failed_ids(response):
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def message_id(key):
    """The ID of the message about this key in a batch about all of KEYS."""
    return f"message-{KEYS.index(key) + 1}"


@pytest.fixture
def runs(handlers):
    """Returns the runs, newest first."""
    return lambda: handlers.api("GET", "/api/scheduler/runs").json["items"]


@pytest.fixture
def scanned(monkeypatch):
    """Counts how often each group of files is scanned."""
    counts, scan_group = Counter[str](), scan.Scanner.scan_group

    def count(self, key):
        counts[key] += 1
        return scan_group(self, key)

    monkeypatch.setattr(scan.Scanner, "scan_group", count)
    return counts


@pytest.fixture
def batch(stack, put):
    """The batch of ten uploaded recordings."""
    for key in KEYS:
        put(key, AUDIO)
    return upload_event(stack, *KEYS)


@pytest.fixture
def break_group(monkeypatch):
    """Lets the scan of one group raise an error, until it is called without one."""
    scan_group, broken = scan.Scanner.scan_group, dict[str, Exception | None]()

    def scan_or_raise(self, key):
        if error := broken.get(key):
            raise error
        return scan_group(self, key)

    monkeypatch.setattr(scan.Scanner, "scan_group", scan_or_raise)

    def break_group(key, error=None):
        broken[key.removesuffix(".mp3")] = error

    return break_group


def test_batch_is_ingested_in_one_run(handlers, batch, runs, list_recordings):
    response = handlers.sync(**batch)
    assert (response["counts"]["added"], response["counts"]["listed"], failed_ids(response)) == (10, 10, [])
    assert len(list_recordings()) == 10
    (run,) = runs()
    assert (run["id"], run["trigger"], run["status"]) == (response["id"], "upload", "succeeded")


def test_repeated_events_scan_a_recording_once_per_batch_and_add_it_once(
    handlers, stack, put, scanned, list_recordings
):
    put("a.mp3", AUDIO)
    response = handlers.sync(**upload_event(stack, "a.mp3", "a.mp3", "a.mp3"))
    assert (response["counts"]["added"], failed_ids(response)) == (1, [])
    assert scanned == {"a": 1}
    assert handlers.sync(**upload_event(stack, "a.mp3", "a.mp3"))["counts"]["added"] == 0
    assert list(list_recordings()) == ["a.mp3"]


def test_recording_and_its_sidecar_in_one_batch_are_one_scan(handlers, stack, put, scanned, list_recordings):
    put("a.mp3", AUDIO)
    put("a.txt", b"Good morning, how can I help you?")
    response = handlers.sync(**upload_event(stack, "a.txt", "a.mp3"))
    assert (response["counts"]["completed"], response["counts"]["added"], failed_ids(response)) == (1, 0, [])
    assert scanned == {"a": 1}
    assert list_recordings()["a.mp3"]["transcriptionStatus"] == "completed"


def test_unreadable_file_among_ten_is_the_only_one_that_is_delivered_again(
    handlers, stack, put, monkeypatch, list_recordings
):
    keys = [f"{number}.wav" for number in range(10)]
    for key in keys:
        put(key)
    read_at, refused = s3.S3Source.read_at, {"3.wav"}

    def read_or_fail(self, file, *arguments):
        if file.key in refused:
            raise RetryableError("S3 could not be reached.")
        return read_at(self, file, *arguments)

    monkeypatch.setattr(s3.S3Source, "read_at", read_or_fail)
    response = handlers.sync(**upload_event(stack, *keys))
    assert (response["status"], response["counts"]["unreadable"]) == ("succeeded", 1)
    assert failed_ids(response) == ["message-4"]
    assert set(list_recordings()) == set(keys) - refused
    refused.clear()
    assert failed_ids(handlers.sync(**upload_event(stack, "3.wav"))) == []
    assert set(list_recordings()) == set(keys)


def test_unexpected_error_of_one_file_does_not_keep_the_others_from_being_ingested(
    handlers, batch, monkeypatch, runs, list_recordings
):
    read = MetadataReader.read

    def read_or_crash(self, file, *arguments):
        if file.key == KEYS[0]:
            raise ValueError(f"a bug that quotes {file.key}")
        return read(self, file, *arguments)

    monkeypatch.setattr(MetadataReader, "read", read_or_crash)
    response = handlers.sync(**batch)
    assert failed_ids(response) == [message_id(KEYS[0])]
    assert len(list_recordings()) == 9
    (run,) = runs()
    assert (run["status"], run["errorCode"], run["counts"]["added"]) == ("failed", "internal_error", 9)
    assert KEYS[0] not in json.dumps(run)


def test_error_of_the_source_fails_the_run_and_returns_what_is_not_ingested_yet(
    handlers, batch, break_group, runs, list_recordings
):
    break_group(KEYS[4], SourceError("S3 did not list the bucket."))
    response = handlers.sync(**batch)
    assert (response["status"], response["errorCode"]) == ("failed", "source_error")
    assert failed_ids(response) == [message_id(key) for key in KEYS[4:]]
    assert len(list_recordings()) == 4
    assert [run["status"] for run in runs()] == ["failed"]
    break_group(KEYS[4])
    assert handlers.sync(**batch)["counts"]["added"] == 6


def test_uploads_for_which_no_time_is_left_are_delivered_again(handlers, batch, monkeypatch, list_recordings):
    scan_group = scan.Scanner.scan_group

    def scan_slowly(self, key):
        if key == "2026/7":
            handlers.advance_clock(minutes=20)
        return scan_group(self, key)

    monkeypatch.setattr(scan.Scanner, "scan_group", scan_slowly)
    response = handlers.sync(**batch)
    assert failed_ids(response) == [message_id(key) for key in KEYS[7:]]
    assert response["counts"]["incomplete"] == 1
    assert len(list_recordings()) == 7


@pytest.mark.parametrize("body", ["", "not JSON", "null", "[]", "{}", '{"detail": null}', '{"detail": {"bucket": {}}}'])
def test_broken_message_does_not_block_its_batch(handlers, stack, put, runs, list_recordings, body):
    put("a.mp3", AUDIO)
    response = handlers.sync(**upload_batch(body, upload_body(stack, "a.mp3")))
    assert (response["counts"]["added"], failed_ids(response)) == (1, ["message-1"])
    assert list(list_recordings()) == ["a.mp3"]
    response = handlers.sync(**upload_batch(body))
    assert (response["status"], failed_ids(response)) == ("skipped", ["message-1"])
    assert len(runs()) == 1


def test_files_of_other_kinds_and_buckets_are_counted_and_consumed(handlers, stack, put, monkeypatch):
    counted = Counter[str]()
    monkeypatch.setattr(app, "add_count", lambda name, value=1: counted.update({name: value}))
    put("a.mp3", AUDIO)
    bodies = [upload_body(stack, "notes.doc"), upload_body(stack, "b.mp3", "another"), upload_body(stack, "a.mp3")]
    response = handlers.sync(**upload_batch(*bodies))
    assert (response["counts"]["added"], failed_ids(response)) == (1, [])
    assert (counted["UploadsIgnored"], counted["RecordingsAdded"]) == (2, 1)


@pytest.mark.parametrize("settings", ["valid", "invalid"])
@pytest.mark.parametrize("switch", ["paused", "module_disabled"])
def test_sync_that_is_switched_off_consumes_its_messages(handlers, batch, switch, settings, runs, list_recordings):
    """The next scan finds the files. Otherwise they would end as failed events after an hour."""
    if switch == "paused":
        settings_overrides.set_paused(Task.SYNC, paused=True)
    else:
        assert handlers.api("PUT", "/api/modules/call-recordings", body={"enabled": False}).status == 200
    if settings == "invalid":
        handlers.overrides["RECORDINGS_PATH"] = "nowhere"
    response = handlers.sync(**batch)
    assert (response["status"], response["errorCode"], failed_ids(response)) == ("skipped", switch, [])
    assert [run["status"] for run in runs()] == ["skipped"]
    assert list_recordings() == {}


def test_invalid_settings_fail_the_run_and_return_all_messages(handlers, batch, runs):
    handlers.overrides["RECORDINGS_PATH"] = "nowhere"
    response = handlers.sync(**batch)
    assert (response["status"], response["errorCode"]) == ("failed", "configuration_error")
    assert failed_ids(response) == [message_id(key) for key in KEYS]
    assert [(run["status"], run["trigger"]) for run in runs()] == [("failed", "upload")]


def test_response_is_json(handlers, batch):
    assert json.loads(json.dumps(handlers.sync(**batch)))["batchItemFailures"] == []
