"""sync_recordings on S3 and on a folder: one record for each complete file, kept up to date when the file changes."""

import os
from datetime import timedelta
from urllib.parse import quote_plus

import pytest

from callscribe.recordings.recording import Status
from callscribe.store import known_files
from functions.sync import app, scan
from functions.sync.ingestion import EMPTY, HEADER_ONLY, IN_TRANSFER
from tests.integration.storage import AUDIO, Bucket, Folder, sync_counts, upload_event
from tests.integration.store_assertions import all_recordings


def test_recording_is_added_once(source, list_recordings):
    for key in ("2026/11/a.wav", "2026/11/b.MP3", "notes.doc", ".hidden.wav", "a b+%.wav"):
        source.put(key, b"ID3" + b"\0" * 100)
    assert source.sync() == {"listed": 3, "added": 3, "ignored": 2}
    assert {item["transcriptionStatus"] for item in list_recordings().values()} == {"pending"}
    assert source.sync() == {"listed": 3, "ignored": 2}
    source.put("2026/11/c.wav")
    assert source.sync() == {"listed": 4, "added": 1, "ignored": 2}
    assert len(list_recordings()) == 4


ODD_NAMES = [
    *("spaces in it.wav", "plus+plus.wav", "percent%20and%.wav", "quotes'\".wav", "line\nend.wav", "tab\t.wav"),
    *("emoji 🎧.wav", "ä/é/ü.wav", "e\u0301.wav", "<script>&amp;.wav", "back\\slash.wav", "trailing. .wav", "#?*.wav"),
    *("a/x.wav", "a-b/x.wav", "a.wav", "a0/x.wav", "a/b/c.wav", "a/b.wav", "a.b/c.wav", "A.wav"),
    *("call.wav", "call1.wav"),
    "\U0010fd80 private.wav",
]


def test_file_with_any_name_is_added_once_and_found_in_order(source):
    for name in ODD_NAMES:
        source.put(name)
    assert source.sync() == {"listed": len(ODD_NAMES), "added": len(ODD_NAMES)}
    assert source.sync() == {"listed": len(ODD_NAMES)}
    source.delete("a/b/c.wav")
    assert source.sync() == {"listed": len(ODD_NAMES) - 1, "missing": 1}


def test_keys_of_the_maximum_length_are_recorded(handlers, stack):
    bucket = Bucket(stack)
    longest = "x/" + "ü" * 509 + ".wav"
    assert len(longest.encode()) == 1024
    for key in (longest, longest[2:], "a" * 1015 + ".wav", "a" * 1016 + ".wav"):
        bucket.put(key)
    assert sync_counts(handlers) == {"listed": 4, "added": 4}
    assert sync_counts(handlers) == {"listed": 4}
    bucket.put(longest, AUDIO * 2)
    assert sync_counts(handlers) == {"listed": 4, "updated": 1}
    bucket.delete(longest)
    assert sync_counts(handlers) == {"listed": 3, "missing": 1}


def test_file_name_that_is_not_utf8_is_ingested(handlers, tmp_path, stack):
    folder = Folder(tmp_path)
    names = [b"caf\xe9.wav", b"\xff\xfe\x80.wav", "\U0010fde9.wav".encode(), b"z.wav", "\U0010ffff.wav".encode()]
    for name in names:
        folder.put(os.fsdecode(name))
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    assert sync_counts(handlers) == {"listed": 5, "added": 5}
    assert sync_counts(handlers) == {"listed": 5}
    handlers.queue()
    for _ in names:
        assert handlers.process()["counts"]["completed"] == 1


# complete files only -------------------------------------------------------------------------------------------------


def test_file_without_audio_is_incomplete_and_listed_in_the_run(source, handlers):
    source.put("empty.mp3", b"")
    source.put("header.WAV", b"\0" * 44)
    source.put("header.wav49", b"\0" * 44)
    source.put("copied.wav.part")
    run = handlers.sync()
    assert (run["counts"]["waiting"], run["counts"]["in_transfer"], run["counts"]["added"]) == (3, 1, 0)
    reasons = {file["path"].rpartition("/")[2]: file["reason"] for file in run["waiting"]}
    assert reasons == {
        "empty.mp3": EMPTY,
        "header.WAV": HEADER_ONLY,
        "header.wav49": HEADER_ONLY,
        "copied.wav.part": IN_TRANSFER,
    }
    last = handlers.api("GET", "/api/scheduler/runs", query="task=sync_recordings").json["items"][0]
    assert last["counts"]["waiting"] == 3
    source.put("empty.mp3")
    assert source.sync()["added"] == 1


# changed, deleted ----------------------------------------------------------------------------------------------------


def test_changed_file_remains_the_same_recording(source, handlers):
    source.put("a.mp3")
    source.sync()
    source.put("a.mp3", AUDIO * 2)
    assert source.sync() == {"listed": 1, "updated": 1}
    recording = source.get("a.mp3")
    assert (recording.size, recording.status, recording.source_changed) == (2 * len(AUDIO), Status.PENDING, None)
    assert source.sync() == {"listed": 1}
    handlers.queue()
    handlers.process()
    source.put("a.mp3", AUDIO)
    assert source.sync() == {"listed": 1, "updated": 1}
    recording = source.get("a.mp3")
    assert (recording.size, recording.status) == (2 * len(AUDIO), Status.COMPLETED)
    assert recording.source_changed is not None
    assert source.sync() == {"listed": 1}
    handlers.api("POST", f"/api/call-recordings/{recording.id}/transcribe", body={"force": True})
    handlers.process()
    recording = source.get("a.mp3")
    assert (recording.size, recording.status, recording.source_changed) == (len(AUDIO), Status.COMPLETED, None)
    assert source.sync() == {"listed": 1}


def test_file_changed_before_its_transcription_is_not_marked_as_changed(source, handlers):
    source.put("a.mp3")
    source.sync()
    handlers.queue()
    source.put("a.mp3", AUDIO * 2)
    handlers.process()
    assert source.get("a.mp3").size == 2 * len(AUDIO)
    source.sync()
    recording = source.get("a.mp3")
    assert (recording.status, recording.source_changed) == (Status.COMPLETED, None)
    assert source.sync() == {"listed": 1}


def test_file_changed_during_its_transcription_is_marked_as_changed_afterwards(source, handlers, service, reply):
    source.put("a.mp3")
    source.sync()
    handlers.queue()

    def reply_after_change(_):
        source.put("a.mp3", AUDIO[:-1])
        assert source.sync() == {"listed": 1}  # not updated
        return reply()

    service.choose_reply = reply_after_change
    handlers.process()
    assert (source.get("a.mp3").size, source.get("a.mp3").source_changed) == (len(AUDIO), None)
    assert source.sync() == {"listed": 1, "updated": 1}
    assert source.get("a.mp3").source_changed


def test_deleted_file_is_marked_as_missing_until_it_returns(source):
    for key in ("a.mp3", "b.mp3", "c.mp3"):
        source.put(key)
    source.sync()
    for key in ("a.mp3", "c.mp3"):
        source.delete(key)
    assert source.sync() == {"listed": 1, "missing": 2}
    assert source.get("a.mp3").source_missing
    assert source.get("a.mp3").status is Status.PENDING
    assert source.sync() == {"listed": 1}
    source.put("c.mp3", AUDIO * 2)
    assert source.sync() == {"listed": 2, "updated": 1}
    recording = source.get("c.mp3")
    assert (recording.source_missing, recording.size) == (None, 2 * len(AUDIO))
    assert source.sync() == {"listed": 2}


def test_recordings_in_an_unreadable_folder_are_not_marked_as_missing(handlers, tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.put("a/x.mp3")
    folder.put("b/x.mp3")
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    sync_counts(handlers)
    original_open = os.open

    def open_if_permitted(path, *flags, **options):  # the tests may run as root, which may open everything
        if path == "b":
            raise PermissionError(13, "Permission denied")
        return original_open(path, *flags, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_if_permitted)
        # the folder, and the recording in it, which is requested by its key
        assert sync_counts(handlers) == {"listed": 1, "unreadable": 2}
    assert sync_counts(handlers) == {"listed": 2}


def test_file_replaced_by_something_else_is_missing(handlers, tmp_path):
    folder, moved = Folder(tmp_path / "in"), tmp_path / "moved"
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    names = ("folder.mp3", "link.mp3", "pipe.mp3", "a/now a file.mp3", "b/now a link.mp3")
    for name in names:
        folder.put(name)
    assert sync_counts(handlers) == {"listed": 5, "added": 5}
    for name in names[:4]:
        folder.delete(name)
    (folder.root / "folder.mp3").mkdir()
    (folder.root / "link.mp3").symlink_to(folder.root / "b/now a link.mp3")
    os.mkfifo(folder.root / "pipe.mp3")
    (folder.root / "a").rmdir()
    (folder.root / "a").write_text("a")
    (folder.root / "b").rename(moved)
    (folder.root / "b").symlink_to(moved)
    assert sync_counts(handlers) == {"missing": 5, "ignored": 1}
    assert sync_counts(handlers) == {"ignored": 1}


def test_modification_time_in_the_future_does_not_delay_a_file_until_then(handlers, tmp_path):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    folder.put("a.mp3", age=-365 * 86400)
    assert sync_counts(handlers) == {"listed": 1, "waiting": 1}
    handlers.advance_clock(minutes=1)
    assert sync_counts(handlers) == {"listed": 1, "added": 1}
    assert sync_counts(handlers) == {"listed": 1}


# long scans ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow_down(handlers, monkeypatch):
    """From this call on, each check of the clock takes a minute. It is checked before each file."""
    monkeypatch.setattr(scan, "CLOCK_CHECK_INTERVAL", 1)

    def now():
        handlers.advance_clock(minutes=1)
        return handlers.now()

    return lambda: monkeypatch.setattr(app, "utc_now", now)


def test_scan_resumes_after_a_file_with_any_name(handlers, tmp_path):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    longest = "/".join(["d" * 200] * 6) + "/x.mp3"
    names = [longest, *(f"\U0010ffff{each}.mp3" for each in "abc")]  # no character sorts after that one
    for name in names:
        folder.put(name)
    assert sync_counts(handlers) == {"listed": 4, "added": 3, "path_too_long": 1}
    folder.delete(names[-1])
    for name, counts in ((names[1], {"listed": 1, "missing": 1}), (longest, {"listed": 2})):
        known_files.save_checkpoint(folder.path, known_files.ScanCheckpoint(folder.prefix + name))
        assert sync_counts(handlers) == counts


def test_recording_is_ingested_with_all_sidecars_wherever_a_scan_stops(source, handlers, slow_down):
    for number in range(6):
        source.put(f"{number}/call.json", b'{"caller": "+12025550143"}')
        source.put(f"{number}/call.mp3")
        source.put(f"{number}/call.txt", b"Hello there.")
    slow_down()
    scans = 1
    while handlers.sync()["counts"].get("incomplete"):
        assert {recording.status for recording in all_recordings().values()} <= {Status.COMPLETED}
        scans += 1
    assert scans > 1
    ingested = [(recording.status, recording.metadata.caller) for recording in all_recordings().values()]
    assert ingested == [(Status.COMPLETED, "+12025550143")] * 6
    while (counts := handlers.sync()["counts"]).get("incomplete"):
        assert counts["updated"] == 0


def test_file_named_like_a_folder_is_updated_however_often_the_scan_stops(source, handlers, slow_down):
    source.put("r.mp3")
    for number in range(30):
        source.put(f"r/{number:02}.mp3")
    source.sync()
    source.put("r.mp3", AUDIO * 2)
    slow_down()
    while handlers.sync()["counts"].get("incomplete"):
        pass
    assert source.get("r.mp3").size == 2 * len(AUDIO)


def test_killed_scan_is_resumed_and_misses_nothing(source, handlers, monkeypatch, list_recordings):
    """test_crashes.py kills processes with SIGKILL at every request."""
    keys = [f"{number:02}.mp3" for number in range(12)]
    for key in keys:
        source.put(key)
    visit = scan.Scanner._visit

    class Killed(BaseException):
        pass

    def die_at_the_sixth_file(self, *arguments):
        if self.context.run.counts["listed"] == 5:
            raise Killed
        return visit(self, *arguments)

    monkeypatch.setattr(scan, "CLOCK_CHECK_INTERVAL", 1)
    monkeypatch.setattr(scan, "CHECKPOINT_INTERVAL", timedelta())
    with monkeypatch.context() as patch:
        patch.setattr(scan.Scanner, "_visit", die_at_the_sixth_file)
        for _ in range(2):
            with pytest.raises(Killed):
                handlers.sync()
            run = handlers.sync()  # the killed scan still holds the lease
            assert (run["status"], run["errorCode"]) == ("skipped", "already_running")
            requested_run = handlers.sync(trigger="api", recordingsPath=f"{source.path}nothing/")
            assert requested_run["status"] in ("succeeded", "failed")  # a user does not have to wait for the lease
            handlers.advance_clock(minutes=5)
    assert len(list_recordings()) > 5  # the second scan resumed where the first one stopped
    while handlers.sync()["counts"].get("incomplete"):
        pass
    assert set(list_recordings()) == set(keys)


# uploads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["2026/a.mp3", "a b+c%20.mp3", "ä 🎧/ü.wav", "a%2Bb.mp3", "100%.mp3", "a\"'.mp3"])
@pytest.mark.parametrize("encoded", [False, True])
def test_uploaded_file_is_added_at_once(handlers, put, list_recordings, stack, key, encoded):
    put(key, AUDIO)
    put("another.mp3", AUDIO)
    run = handlers.sync(**upload_event(stack, quote_plus(key, safe="/") if encoded else key))
    assert (run["trigger"], run["counts"]["added"]) == ("upload", 1)
    assert handlers.sync(**upload_event(stack, key))["counts"]["added"] == 0
    assert list(list_recordings()) == [key.rpartition("/")[2]]


def test_upload_event_only_names_the_file_to_scan(handlers, put, list_recordings, stack):
    run = handlers.sync(**upload_event(stack, "deleted.mp3"))
    assert (run["status"], run["counts"]["added"]) == ("succeeded", 0)
    put("empty.mp3", b"")
    assert handlers.sync(**upload_event(stack, "empty.mp3"))["counts"]["waiting"] == 1
    put("a.mp3", AUDIO)
    put("a.json", b"{}")
    assert handlers.sync(**upload_event(stack, "a.json"))["counts"]["added"] == 1
    put("a.mp3", AUDIO * 2)
    assert handlers.sync(**upload_event(stack, "a.mp3"))["counts"]["updated"] == 1
    assert list_recordings()["a.mp3"]["size"] == 2 * len(AUDIO)


def test_upload_that_is_not_a_recording_is_not_recorded_as_a_run(handlers, put, stack):
    put("notes.doc")
    put("elsewhere/a.mp3")
    assert handlers.sync(**upload_event(stack, "notes.doc"))["status"] == "skipped"
    assert handlers.sync(**upload_event(stack, "a.mp3", bucket="another"))["status"] == "skipped"
    handlers.overrides["RECORDINGS_PATH"] = f"s3://{stack.buckets['RecordingsBucket']}/in/"
    assert handlers.sync(**upload_event(stack, "elsewhere/a.mp3"))["status"] == "skipped"
    handlers.overrides["RECORDINGS_PATH"] = "/mnt/recordings"
    assert handlers.sync(**upload_event(stack, "a.mp3"))["status"] == "skipped"
    assert handlers.api("GET", "/api/scheduler/runs").json["items"] == []


# errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "configuration_error"),
        ("/no/such/folder", "source_error"),
        ("s3://no-such-bucket-here/", "source_error"),
    ],
)
def test_invalid_recordings_path_fails_the_run(handlers, path, code):
    handlers.overrides["RECORDINGS_PATH"] = path
    run = handlers.sync()
    assert (run["status"], run["errorCode"]) == ("failed", code)
