"""`recordingsPath` of a sync requested over the API: no path can list anything outside the configured source.

tests/unit/test_sources.py tests more spellings of a path; here are those that a query string can encode differently.
"""

from types import SimpleNamespace
from urllib.parse import quote

import pytest

from callscribe.recordings.run import RunStatus

SYNC = "/api/call-recordings/sync"
AUDIO = b"RIFF" + b"\0" * 100


@pytest.fixture
def sync(handlers, monkeypatch):
    """Requests a sync of a path over the API, which invokes the handler of the sync function."""
    monkeypatch.setattr("functions.api.invoke.invoke_and_wait", lambda _function, payload: handlers.sync(**payload))
    handlers.overrides["MIN_FILE_AGE_SECONDS"] = "0"

    def sync(path, root):
        handlers.overrides["RECORDINGS_PATH"] = root
        handlers.advance_clock(minutes=1)  # the files are older than now
        response = handlers.api("POST", SYNC, query=f"recordingsPath={path}")
        return SimpleNamespace(status=response.status, error=response.json.get("error"), run=response.json)

    return sync


@pytest.fixture
def folder(tmp_path):
    """A source `in` with one recording in `deeper`. Next to the source, and behind links, are files outside of it."""
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


def assert_refused(response, list_recordings):
    """Assert a 400 with a message, and that nothing was recorded."""
    assert response.status == 400, response
    assert response.error["code"] in ("invalid_path", "invalid_request", "sync_failed")
    assert response.error["message"]
    assert list_recordings() == {}


def test_subfolder_is_scanned_alone(sync, folder, list_recordings):
    response = sync(f"{folder}/in/deeper", f"{folder}/in")
    assert (response.status, response.run["counts"]["added"], list(list_recordings())) == (200, 1, ["a.wav"])


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
def test_no_path_leads_out_of_the_folder(sync, folder, list_recordings, path):
    assert_refused(sync(path.format(folder), f"{folder}/in"), list_recordings)


def test_link_to_the_source_is_followed_but_not_links_in_it(sync, folder, list_recordings):
    (folder / "here").symlink_to("in")
    assert_refused(sync(f"{folder}/here/link", f"{folder}/here"), list_recordings)
    assert_refused(sync(f"{folder}/in/deeper", f"{folder}/here"), list_recordings)
    assert sync(f"{folder}/here", f"{folder}/here").run["counts"]["added"] == 1
    assert [item["path"] for item in list_recordings().values()] == [f"{folder}/here/deeper/a.wav"]


def test_prefix_of_a_bucket_is_scanned_alone(sync, bucket, list_recordings):
    response = sync(f"s3://{bucket}/in/deeper", f"s3://{bucket}/in/")
    assert (response.status, response.run["counts"]["added"], list(list_recordings())) == (200, 1, ["a.wav"])


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
def test_no_path_leads_out_of_the_prefix(sync, bucket, list_recordings, path):
    assert_refused(sync(path.format(bucket), f"s3://{bucket}/in/"), list_recordings)


@pytest.mark.parametrize(
    "path",
    ["in/%252e%252e/out/", "in/..%5Cout/", "in/deeper/a.wav", "in/%EF%BC%8E%EF%BC%8E/out/", "in/deeper./", "in//"],
)
def test_unusual_key_prefix_finds_nothing_outside_the_source(sync, bucket, list_recordings, path):
    assert sync(f"s3://{bucket}/{path}", f"s3://{bucket}/in/").status == 200
    assert set(list_recordings()) <= {"a.wav"}


def test_sync_validates_the_path_for_every_caller(handlers, folder, list_recordings):
    handlers.overrides["RECORDINGS_PATH"] = f"{folder}/in"
    for path in ("/etc", f"{folder}/in/link", f"{folder}/in/\0"):
        run = handlers.sync(recordingsPath=path)
        assert (run["status"], run["errorCode"]) == (RunStatus.FAILED, "configuration_error")
    assert list_recordings() == {}


def test_folder_name_may_contain_spaces_and_other_letters(sync, stack, put, list_recordings):
    bucket = stack.buckets["RecordingsBucket"]
    put("in/Büro +49 (1)/a.wav", AUDIO)
    assert sync(quote(f"s3://{bucket}/in/Büro +49 (1)"), f"s3://{bucket}/in/").run["counts"]["added"] == 1
    assert list(list_recordings()) == ["a.wav"]
