"""`recordingsPath` over the API: whatever it names, nothing outside of the configured source is listed.

More ways to write a path are in unit/test_sources.py; here are those that a query can encode in other ways.
"""

from types import SimpleNamespace
from urllib.parse import quote

import pytest

from callscribe.recordings.run import RunStatus

SYNC = "/api/call-recordings/sync"
AUDIO = b"RIFF" + b"\0" * 100


@pytest.fixture
def sync(handlers, monkeypatch):
    """Asks for a path over the API, whose call of the sync function is answered by the sync function itself."""
    monkeypatch.setattr("functions.api.invoke.invoke_and_wait", lambda _function, payload: handlers.sync(**payload))
    handlers.overrides["MIN_FILE_AGE_SECONDS"] = "0"

    def sync(path, root):
        handlers.overrides["RECORDINGS_PATH"] = root
        handlers.advance_clock(minutes=1)  # the files are older than now
        answer = handlers.api("POST", SYNC, query=f"recordingsPath={path}")
        return SimpleNamespace(status=answer.status, error=answer.json.get("error"), run=answer.json)

    return sync


@pytest.fixture
def folder(tmp_path):
    """A source with one recording, in `deeper`; beside it and behind links what is nobody's business."""
    for name in ("in/deeper/a.wav", "out/secret.wav", "in-other/secret.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(AUDIO)
    (tmp_path / "in/link").symlink_to(tmp_path / "out")
    (tmp_path / "in/deeper/up").symlink_to("../..")
    return tmp_path


@pytest.fixture
def bucket(stack, put):
    put("in/deeper/a.wav", AUDIO)
    put("in-other/secret.wav", AUDIO)
    put("out/secret.wav", AUDIO)
    return stack.buckets["RecordingsBucket"]


def refused(answer, listed):
    """A 400 that says what to do, and nothing was recorded."""
    assert answer.status == 400, answer
    assert answer.error["code"] in ("invalid_path", "invalid_request", "sync_failed")
    assert answer.error["message"]
    assert listed() == {}


def test_a_part_of_a_folder_is_listed_alone(sync, folder, listed):
    answer = sync(f"{folder}/in/deeper", f"{folder}/in")
    assert (answer.status, answer.run["counts"]["added"], list(listed())) == (200, 1, ["a.wav"])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc",
        "{0}/in/../out",
        "{0}/in/link",
        "{0}/in/deeper/a.wav",
        "{0}/in/none",
        "{0}/in/%252e%252e/out",
        "{0}/in/%25252e%25252e/out",
        "{0}/in/%2e%2e/out",
        "{0}%2Fin%2F..%2Fout",
        "{0}/in/deeper%00/../../out",
        "{0}/in/%FF",
        "{0}/in/%ED%A0%80",
        "s3://bucket/in/",
        "{0}/in/" + "x/" * 300,
        "{0}/in/" + "x" * 5000,
    ],
)
def test_no_path_leads_out_of_a_folder(sync, folder, listed, path):
    refused(sync(path.format(folder), f"{folder}/in"), listed)


def test_a_link_to_the_source_is_followed_and_one_below_it_is_not(sync, folder, listed):
    (folder / "here").symlink_to("in")
    refused(sync(f"{folder}/here/link", f"{folder}/here"), listed)
    refused(sync(f"{folder}/in/deeper", f"{folder}/here"), listed)
    assert sync(f"{folder}/here", f"{folder}/here").run["counts"]["added"] == 1
    assert [item["path"] for item in listed().values()] == [f"{folder}/here/deeper/a.wav"]


def test_a_part_of_a_bucket_is_listed_alone(sync, bucket, listed):
    answer = sync(f"s3://{bucket}/in/deeper", f"s3://{bucket}/in/")
    assert (answer.status, answer.run["counts"]["added"], list(listed())) == (200, 1, ["a.wav"])


@pytest.mark.parametrize(
    "path",
    [
        "s3://{0}/in-other/",
        "s3://{0}/in/%2e%2e/out/",
        "s3://other/in/",
        "s3://{0}/in/%00",
        "s3://{0}/in/" + "x" * 2000,
        "/in/deeper",
    ],
)
def test_no_path_leads_out_of_a_prefix(sync, bucket, listed, path):
    refused(sync(path.format(bucket), f"s3://{bucket}/in/"), listed)


@pytest.mark.parametrize(
    "path",
    ["in/%252e%252e/out/", "in/..%5Cout/", "in/deeper/a.wav", "in/%EF%BC%8E%EF%BC%8E/out/", "in/deeper./", "in//"],
)
def test_what_s3_takes_for_a_name_finds_nothing_outside(sync, bucket, listed, path):
    assert sync(f"s3://{bucket}/{path}", f"s3://{bucket}/in/").status == 200
    assert set(listed()) <= {"a.wav"}


def test_the_sync_function_checks_for_itself_whoever_invokes_it(handlers, folder, listed):
    handlers.overrides["RECORDINGS_PATH"] = f"{folder}/in"
    for path in ("/etc", f"{folder}/in/link", f"{folder}/in/\0"):
        run = handlers.sync(recordingsPath=path)
        assert (run["status"], run["errorCode"]) == (RunStatus.FAILED, "configuration_error")
    assert listed() == {}


def test_the_name_of_a_folder_may_hold_what_names_hold(sync, stack, put, listed):
    bucket = stack.buckets["RecordingsBucket"]
    put("in/Büro +49 (1)/a.wav", AUDIO)
    assert sync(quote(f"s3://{bucket}/in/Büro +49 (1)"), f"s3://{bucket}/in/").run["counts"]["added"] == 1
    assert list(listed()) == ["a.wav"]
