"""sync on S3 and on a folder alike: every file gets one record when it is complete, and what becomes of it is seen."""

import os
import time
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote_plus

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from callscribe.recordings.recording import Status, recording_id
from callscribe.store import known_files, recordings
from functions.sync import app, scan
from testing.handlers import client
from tests.integration.checks import all_recordings

MINUTES_OLD = 3600
AUDIO = b"ID3" + b"\0" * 200
"""No WAV, so that a folder needs to look at its age only."""


class Bucket:
    def __init__(self, stack):
        self._s3, self._bucket = client("s3", stack.endpoint), stack.buckets["RecordingsBucket"]
        self.path, self.prefix = f"s3://{self._bucket}/", ""
        self.location = f"s3://{self._bucket}"

    def put(self, key, body=AUDIO):
        if "\n" in key:  # moto's server has no route for it, but its bucket takes it, as S3 does
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self._bucket, key, body)
        else:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def delete(self, key):
        self._s3.delete_object(Bucket=self._bucket, Key=key)


class Folder:
    def __init__(self, root):
        self.root, self.path, self.prefix, self.location = root, f"{root}/", f"{root}/".lstrip("/"), "file://"

    def put(self, key, body=AUDIO, age=MINUTES_OLD):
        file = self.root / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        os.utime(file, (time.time() - age,) * 2)

    def delete(self, key):
        (self.root / key).unlink()


@pytest.fixture(params=["s3", "folder"])
def place(request, handlers, stack, tmp_path):
    """A source with nothing in it; `sync` and `seen` beside it."""
    made = Bucket(stack) if request.param == "s3" else Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = made.path

    def seen(key):
        return recordings.get(recording_id(made.location, made.prefix + key))

    return SimpleNamespace(
        put=made.put, delete=made.delete, path=made.path, seen=seen, kind=request.param, sync=lambda: counts(handlers)
    )


def counts(handlers, **event):
    run = handlers.sync(**event)
    assert run["status"] == "succeeded", run
    return {name: number for name, number in run["counts"].items() if number}


def test_each_recording_is_added_once(place, listed):
    for key in ("2026/11/a.wav", "2026/11/b.MP3", "notes.doc", ".hidden.wav", "a b+%.wav"):
        place.put(key, b"ID3" + b"\0" * 100)
    assert place.sync() == {"listed": 3, "added": 3, "ignored": 2}
    assert {item["transcriptionStatus"] for item in listed().values()} == {"pending"}
    assert place.sync() == {"listed": 3, "ignored": 2}
    place.put("2026/11/c.wav")
    assert place.sync() == {"listed": 4, "added": 1, "ignored": 2}
    assert len(listed()) == 4


ODD_NAMES = [
    *("spaces in it.wav", "plus+plus.wav", "percent%20and%.wav", "quotes'\".wav", "line\nend.wav", "tab\t.wav"),
    *("emoji 🎧.wav", "ä/é/ü.wav", "e\u0301.wav", "<script>&amp;.wav", "back\\slash.wav", "trailing. .wav", "#?*.wav"),
    *(
        "a/x.wav",
        "a-b/x.wav",
        "a.wav",
        "a0/x.wav",
        "a/b/c.wav",
        "a/b.wav",
        "a.b/c.wav",
        "A.wav",
        "call.wav",
        "call1.wav",
    ),
    "\U0010fd80 private.wav",
]


def test_whatever_a_name_holds_it_is_found_again_and_in_order(place, stack):
    for name in ODD_NAMES:
        place.put(name)
    assert place.sync() == {"listed": len(ODD_NAMES), "added": len(ODD_NAMES)}
    assert place.sync() == {"listed": len(ODD_NAMES)}
    place.delete("a/b/c.wav")
    assert place.sync() == {"listed": len(ODD_NAMES) - 1, "missing": 1}


def test_the_longest_keys_have_a_record_too(handlers, stack):
    bucket = Bucket(stack)
    longest = "x/" + "ü" * 509 + ".wav"
    assert len(longest.encode()) == 1024
    for key in (longest, longest[2:], "a" * 1015 + ".wav", "a" * 1016 + ".wav"):
        bucket.put(key)
    assert counts(handlers) == {"listed": 4, "added": 4}
    assert counts(handlers) == {"listed": 4}
    bucket.put(longest, AUDIO * 2)
    assert counts(handlers) == {"listed": 4, "updated": 1}
    bucket.delete(longest)
    assert counts(handlers) == {"listed": 3, "missing": 1}


def test_a_name_that_is_not_utf8_is_a_recording_like_any_other(handlers, tmp_path, stack):
    folder = Folder(tmp_path)
    names = [b"caf\xe9.wav", b"\xff\xfe\x80.wav", "\U0010fde9.wav".encode(), b"z.wav", "\U0010ffff.wav".encode()]
    for name in names:
        folder.put(os.fsdecode(name))
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    assert counts(handlers) == {"listed": 5, "added": 5}
    assert counts(handlers) == {"listed": 5}
    handlers.queue()
    for _ in names:
        assert handlers.process()["counts"]["completed"] == 1


# complete files only -------------------------------------------------------------------------------------------------


def test_what_holds_no_audio_yet_waits_and_is_shown(place, handlers, listed):
    place.put("empty.mp3", b"")
    place.put("header.WAV", b"\0" * 44)
    place.put("header.wav49", b"\0" * 44)
    place.put("copied.wav.part")
    run = handlers.sync()
    assert (run["counts"]["waiting"], run["counts"]["in_transfer"], run["counts"]["added"]) == (3, 1, 0)
    shown = {each["path"].rpartition("/")[2]: each["reason"] for each in run["waiting"]}
    assert set(shown) == {"empty.mp3", "header.WAV", "header.wav49", "copied.wav.part"}
    assert "empty" in shown["empty.mp3"]
    assert "no audio" in shown["header.WAV"]
    last = handlers.api("GET", "/api/scheduler/runs", query="task=sync_recordings").json["items"][0]
    assert last["counts"]["waiting"] == 3
    place.put("empty.mp3")
    assert place.sync()["added"] == 1


# changed, vanished ---------------------------------------------------------------------------------------------------


def test_a_file_that_changes_stays_the_same_recording(place, handlers):
    place.put("a.mp3")
    place.sync()
    place.put("a.mp3", AUDIO * 2)
    assert place.sync() == {"listed": 1, "updated": 1}
    seen = place.seen("a.mp3")
    assert (seen.size, seen.status, seen.source_changed) == (2 * len(AUDIO), Status.PENDING, None)
    assert place.sync() == {"listed": 1}
    handlers.queue()
    handlers.process()
    place.put("a.mp3", AUDIO * 3)
    assert place.sync() == {"listed": 1, "updated": 1}
    seen = place.seen("a.mp3")
    assert (seen.size, seen.status) == (2 * len(AUDIO), Status.COMPLETED)
    assert seen.source_changed is not None
    assert place.sync() == {"listed": 1}
    handlers.api("POST", f"/api/call-recordings/{seen.id}/transcribe", body={"force": True})
    handlers.process()
    seen = place.seen("a.mp3")
    assert (seen.size, seen.status, seen.source_changed) == (3 * len(AUDIO), Status.COMPLETED, None)
    assert place.sync() == {"listed": 1}


def test_a_file_that_changed_between_sync_and_its_transcription_has_not_changed_since(place, handlers):
    place.put("a.mp3")
    place.sync()
    handlers.queue()
    place.put("a.mp3", AUDIO * 2)
    handlers.process()
    assert place.seen("a.mp3").size == 2 * len(AUDIO)
    place.sync()
    seen = place.seen("a.mp3")
    assert (seen.status, seen.source_changed) == (Status.COMPLETED, None)
    assert place.sync() == {"listed": 1}


def test_a_file_that_changes_while_it_is_transcribed_is_marked_after_that(place, handlers, service, reply):
    place.put("a.mp3")
    place.sync()
    handlers.queue()

    def changed(_):
        place.put("a.mp3", AUDIO * 2)
        assert place.sync() == {"listed": 1}  # and is left alone
        return reply()

    service.choose_reply = changed
    handlers.process()
    assert (place.seen("a.mp3").size, place.seen("a.mp3").source_changed) == (len(AUDIO), None)
    assert place.sync() == {"listed": 1, "updated": 1}
    assert place.seen("a.mp3").source_changed


def test_a_file_that_vanishes_is_marked_and_comes_back(place):
    for key in ("a.mp3", "b.mp3", "c.mp3"):
        place.put(key)
    place.sync()
    for key in ("a.mp3", "c.mp3"):
        place.delete(key)
    assert place.sync() == {"listed": 1, "missing": 2}
    assert place.seen("a.mp3").source_missing
    assert place.seen("a.mp3").status is Status.PENDING
    assert place.sync() == {"listed": 1}
    place.put("c.mp3", AUDIO * 2)
    assert place.sync() == {"listed": 2, "updated": 1}
    seen = place.seen("c.mp3")
    assert (seen.source_missing, seen.size) == (None, 2 * len(AUDIO))
    assert place.sync() == {"listed": 2}


def test_a_part_of_a_folder_that_cannot_be_read_does_not_count_as_gone(handlers, tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.put("a/x.mp3")
    folder.put("b/x.mp3")
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    counts(handlers)
    opened = os.open

    def forbidden(path, *flags, **options):  # as the tests may run as root, whom nothing is forbidden
        if path == "b":
            raise PermissionError(13, "Permission denied")
        return opened(path, *flags, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", forbidden)
        # the folder, and the recording in it that is asked for by its name
        assert counts(handlers) == {"listed": 1, "unreadable": 2}
    assert counts(handlers) == {"listed": 2}


def test_what_something_else_has_taken_the_place_of_is_gone(handlers, tmp_path):
    folder, moved = Folder(tmp_path / "in"), tmp_path / "moved"
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    names = ("folder.mp3", "link.mp3", "pipe.mp3", "a/now a file.mp3", "b/now a link.mp3")
    for name in names:
        folder.put(name)
    assert counts(handlers) == {"listed": 5, "added": 5}
    for name in names[:4]:
        folder.delete(name)
    (folder.root / "folder.mp3").mkdir()
    (folder.root / "link.mp3").symlink_to(folder.root / "b/now a link.mp3")
    os.mkfifo(folder.root / "pipe.mp3")
    (folder.root / "a").rmdir()
    (folder.root / "a").write_text("a")
    (folder.root / "b").rename(moved)
    (folder.root / "b").symlink_to(moved)
    assert counts(handlers) == {"missing": 5, "ignored": 1}
    assert counts(handlers) == {"ignored": 1}


def test_a_time_in_the_future_keeps_no_file_waiting_until_then(handlers, tmp_path):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    folder.put("a.mp3", age=-365 * 86400)
    assert counts(handlers) == {"listed": 1, "waiting": 1}
    handlers.advance_clock(minutes=1)
    assert counts(handlers) == {"listed": 1, "added": 1}
    assert counts(handlers) == {"listed": 1}


# long sweeps ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(handlers, monkeypatch):
    """Each look at the clock takes a minute, and it is looked at before each file."""
    monkeypatch.setattr(scan, "CLOCK_CHECK_INTERVAL", 1)

    def now():
        handlers.advance_clock(minutes=1)
        return handlers.now()

    def slow():
        monkeypatch.setattr(app, "utc_now", now)

    return slow


def test_a_sweep_goes_on_behind_whatever_name_it_stopped_at(handlers, tmp_path):
    folder = Folder(tmp_path)
    handlers.overrides["RECORDINGS_PATH"] = folder.path
    longest = "/".join(["d" * 200] * 6) + "/x.mp3"
    names = [longest, *(f"\U0010ffff{each}.mp3" for each in "abc")]  # no character sorts behind that one
    for name in names:
        folder.put(name)
    assert counts(handlers) == {"listed": 4, "added": 3, "path_too_long": 1}
    folder.delete(names[-1])
    for name, left in ((names[1], {"listed": 1, "missing": 1}), (longest, {"listed": 2})):
        known_files.save_checkpoint(folder.path, known_files.ScanCheckpoint(folder.prefix + name))
        assert counts(handlers) == left


def test_wherever_a_sweep_stops_a_recording_is_taken_with_all_that_lies_beside_it(place, handlers, slow, monkeypatch):
    for number in range(6):
        for ending in (".json", ".mp3", ".txt"):
            body = {".json": b'{"caller": "+12025550143"}', ".txt": b"Hello.", ".mp3": AUDIO}[ending]
            place.put(f"{number}/call{ending}", body)
    slow()
    rounds = 1
    while handlers.sync()["counts"].get("incomplete"):
        assert {each.status for each in all_recordings().values()} <= {Status.COMPLETED}
        rounds += 1
    assert rounds > 1
    found = all_recordings().values()
    assert len(found) == 6
    assert {(each.status, each.metadata.caller) for each in found} == {(Status.COMPLETED, "+12025550143")}
    while (counted := handlers.sync()["counts"]).get("incomplete"):
        assert counted["updated"] == 0


def test_a_file_beside_a_folder_of_its_name_is_noticed_however_often_the_sweep_stops(place, handlers, slow):
    place.put("r.mp3")
    for number in range(30):
        place.put(f"r/{number:02}.mp3")
    place.sync()
    place.put("r.mp3", AUDIO * 2)
    slow()
    while handlers.sync()["counts"].get("incomplete"):
        pass
    assert place.seen("r.mp3").size == 2 * len(AUDIO)


def test_a_sweep_that_dies_is_gone_on_with_and_misses_nothing(place, handlers, monkeypatch, listed):
    """By kill -9 at every single request: test_crashes.py."""
    keys = [f"{number:02}.mp3" for number in range(12)]
    for key in keys:
        place.put(key)
    sight, killed = scan.Scan._visit, 0

    class Killed(BaseException):
        pass

    def die_later(self, *arguments):
        if self.run.counts["listed"] == 5:
            raise Killed
        return sight(self, *arguments)

    monkeypatch.setattr(scan, "CLOCK_CHECK_INTERVAL", 1)
    monkeypatch.setattr(scan, "CHECKPOINT_INTERVAL", timedelta())
    with monkeypatch.context() as patch:
        patch.setattr(scan.Scan, "_visit", die_later)
        while killed < 2:
            with pytest.raises(Killed):
                handlers.sync()
            killed += 1
            run = handlers.sync()  # at once: another may still be at it
            assert (run["status"], run["errorCode"]) == ("skipped", "under_way")
            asked = handlers.sync(trigger="api", recordingsPath=f"{place.path}nothing/")
            assert asked["status"] in ("succeeded", "failed")  # a person does not wait for it
            handlers.advance_clock(minutes=5)
    begins_at = len(listed())
    assert begins_at > 5  # the second went on where the first one stopped
    while handlers.sync()["counts"].get("incomplete"):
        pass
    assert set(listed()) == set(keys)


# uploads at once -----------------------------------------------------------------------------------------------------


def upload(stack, key, bucket=None):
    return {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"bucket": {"name": bucket or stack.buckets["RecordingsBucket"]}, "object": {"key": key, "size": 5}},
    }


@pytest.mark.parametrize("key", ["2026/a.mp3", "a b+c%20.mp3", "ä 🎧/ü.wav", "a%2Bb.mp3", "100%.mp3", "a\"'.mp3"])
@pytest.mark.parametrize("encoded", [False, True])
def test_an_upload_is_a_recording_at_once(handlers, put, listed, stack, key, encoded):
    put(key, AUDIO)
    put("another.mp3", AUDIO)
    run = handlers.sync(**upload(stack, quote_plus(key, safe="/") if encoded else key))
    assert (run["trigger"], run["counts"]["added"]) == ("upload", 1)
    assert handlers.sync(**upload(stack, key))["counts"]["added"] == 0
    assert list(listed()) == [key.rpartition("/")[2]]


def test_an_event_tells_where_to_look_and_no_more(handlers, put, listed, stack):
    gone = handlers.sync(**upload(stack, "gone.mp3"))
    assert (gone["status"], gone["counts"]["added"]) == ("succeeded", 0)
    put("empty.mp3", b"")
    assert handlers.sync(**upload(stack, "empty.mp3"))["counts"]["waiting"] == 1
    put("a.mp3", AUDIO)
    put("a.json", b"{}")
    assert handlers.sync(**upload(stack, "a.json"))["counts"]["added"] == 1
    put("a.mp3", AUDIO * 2)
    assert handlers.sync(**upload(stack, "a.mp3"))["counts"]["updated"] == 1
    assert listed()["a.mp3"]["size"] == 2 * len(AUDIO)


def test_an_upload_that_is_none_of_ours_is_no_run(handlers, put, stack):
    put("notes.doc")
    put("elsewhere/a.mp3")
    assert handlers.sync(**upload(stack, "notes.doc"))["status"] == "skipped"
    assert handlers.sync(**upload(stack, "a.mp3", bucket="another"))["status"] == "skipped"
    handlers.overrides["RECORDINGS_PATH"] = f"s3://{stack.buckets['RecordingsBucket']}/in/"
    assert handlers.sync(**upload(stack, "elsewhere/a.mp3"))["status"] == "skipped"
    handlers.overrides["RECORDINGS_PATH"] = "/mnt/recordings"
    assert handlers.sync(**upload(stack, "a.mp3"))["status"] == "skipped"
    assert handlers.api("GET", "/api/scheduler/runs").json["items"] == []


# faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "recordings path is not set"),
        ("/no/such/folder", "does not exist"),
        ("s3://no-such-bucket-here/", "NoSuchBucket"),
    ],
)
def test_a_recordings_path_that_is_none_ends_the_run_in_order(handlers, path, says):
    handlers.overrides["RECORDINGS_PATH"] = path
    run = handlers.sync()
    assert run["status"] == "failed"
    assert says in run["error"]
