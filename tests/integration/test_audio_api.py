"""Audio over the HTTP API: redirects to S3, files in a folder, and signed links."""

import re
from base64 import b64decode
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from functions.api import auth
from functions.api.routes.audio import MAX_PART_BYTES, MEDIA_TYPES
from local.cloud.client import aws_client
from testing.waiting import LIMIT_SECONDS
from tests.integration.storage import AUDIO, Folder

LIST = "/api/call-recordings"
NAME = "in-2025550100-12025550143 Zoë+%.mp3"
MAX_LAMBDA_RESPONSE_BYTES = 6_291_556
"""JSON included."""


def status_and_code(response):
    return response.status, response.json["error"]["code"]


def content_of(response):
    return b64decode(response.body)


@pytest.fixture
def sync(handlers, list_recordings):
    """Sync, and return the id of the recording with this file name."""

    def sync(name):
        handlers.sync()
        return list_recordings()[name]["id"]

    return sync


@pytest.fixture
def folder(handlers, tmp_path):
    """A folder with files that are old enough to be ingested."""
    source = Folder(tmp_path / "in")
    source.root.mkdir()
    handlers.overrides["RECORDINGS_PATH"] = source.path
    return source


@pytest.fixture
def recording(handlers, folder, sync):
    """A recording in a folder; `get` requests its audio."""
    body = bytes(range(256)) * 4
    folder.put(f"2026/{NAME}", body)
    recording_id = sync(NAME)
    path = f"{LIST}/{recording_id}/audio"
    return SimpleNamespace(
        id=recording_id,
        path=path,
        body=body,
        file=folder.root / "2026" / NAME,
        get=lambda **headers: handlers.api("GET", path, **headers),
    )


@pytest.fixture
def open_link(handlers):
    """Request a link without a key."""

    def open_link(url, method="GET", **headers):
        parts = urlsplit(url)
        return handlers.api(method, parts.path, query=parts.query, key=None, **headers)

    return open_link


def test_s3_audio_redirects_to_a_url_without_key_and_phone_number(handlers, put, sync):
    put(f"2026/{NAME}", AUDIO)
    recording_id = sync(NAME)
    response = handlers.api("GET", f"{LIST}/{recording_id}/audio")
    assert (response.status, response.body) == (302, "")
    assert response.headers["Cache-Control"] == "no-store"
    address = response.headers["Location"]
    assert dict(parse_qsl(urlsplit(address).query))["X-Amz-Expires"] == "300"
    downloaded = requests.get(address, timeout=LIMIT_SECONDS)
    assert (downloaded.status_code, downloaded.content, downloaded.headers["Content-Type"]) == (
        200,
        AUDIO,
        "audio/mpeg",
    )
    assert downloaded.headers["Content-Disposition"] == f'inline; filename="{recording_id}.mp3"'
    part = requests.get(address, headers={"Range": "bytes=1-2"}, timeout=LIMIT_SECONDS)
    assert (part.status_code, part.content) == (206, AUDIO[1:3])


def test_s3_audio_link_is_valid_for_an_hour(handlers, put, sync):
    put("a.wav", AUDIO)
    link = handlers.api("GET", f"{LIST}/{sync('a.wav')}/audio-link").json
    downloaded = requests.get(link["url"], timeout=LIMIT_SECONDS)
    assert (downloaded.content, downloaded.headers["Content-Type"]) == (AUDIO, "audio/wav")
    assert dict(parse_qsl(urlsplit(link["url"]).query))["X-Amz-Expires"] == str(auth.LINK_LIFETIME_SECONDS)
    remaining = datetime.fromisoformat(link["expiresAt"]) - datetime.now(UTC)
    assert auth.LINK_LIFETIME_SECONDS - 60 < remaining.total_seconds() <= auth.LINK_LIFETIME_SECONDS


def test_audio_of_a_missing_object_returns_404(handlers, put, sync, stack):
    put("a.wav")
    recording_id = sync("a.wav")
    aws_client("s3", stack.endpoint).delete_object(Bucket=stack.buckets["RecordingsBucket"], Key="a.wav")
    handlers.sync()
    for path in ("audio", "audio-link"):
        assert status_and_code(handlers.api("GET", f"{LIST}/{recording_id}/{path}")) == (404, "audio_missing")


def test_audio_of_an_unknown_recording_returns_404(handlers):
    for path in (f"{'a' * 20}/audio", "x/audio", f"{'a' * 20}/audio-link", "x/audio-link"):
        assert status_and_code(handlers.api("GET", f"{LIST}/{path}")) == (404, "recording_not_found")


def test_folder_audio_is_the_file_without_phone_number_in_headers(recording):
    response = recording.get(accept_encoding="gzip")
    assert (response.status, content_of(response)) == (200, recording.body)
    assert "Content-Encoding" not in response.headers
    assert response.headers["Content-Type"] == "audio/mpeg"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Disposition"] == f'inline; filename="{recording.id}.mp3"'
    assert "Content-Range" not in response.headers
    assert not re.search("2025550", str(response.headers))


def test_content_type_follows_the_file_extension(handlers, folder, list_recordings):
    for ending in ("WAV", "opus", "m4a", "3gp"):
        folder.put(f"a.{ending}")
    handlers.sync()
    for name, item in list_recordings().items():
        ending = name.rpartition(".")[2].lower()
        response = handlers.api("GET", f"{LIST}/{item['id']}/audio")
        assert response.headers["Content-Type"] == MEDIA_TYPES[ending]
        assert response.headers["Content-Disposition"] == f'inline; filename="{item["id"]}.{ending}"'


def test_range_request_returns_206_with_content_range(recording):
    for range_header, first, last in (("bytes=0-0", 0, 0), ("bytes=5-", 5, 1023), ("bytes=-3", 1021, 1023)):
        response = recording.get(range=range_header)
        assert (response.status, content_of(response)) == (206, recording.body[first : last + 1])
        assert response.headers["Content-Range"] == f"bytes {first}-{last}/1024"


def test_range_after_the_end_returns_416_with_the_length(recording):
    response = recording.get(range="bytes=1024-")
    assert status_and_code(response) == (416, "range_not_satisfiable")
    assert response.headers["Content-Range"] == "bytes */1024"


def test_known_file_is_not_sent_again_until_it_changes(recording):
    tag = recording.get().headers["ETag"]
    unchanged = recording.get(if_none_match=tag)
    assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, "", tag)
    assert recording.get(if_none_match=f"W/{tag}", range="bytes=0-0").status == 304
    assert recording.get(if_range=tag, range="bytes=0-0").status == 206
    recording.file.write_bytes(b"ID3 another")
    for response in (recording.get(if_none_match=tag), recording.get(if_range=tag, range="bytes=0-0")):
        assert (response.status, content_of(response)) == (200, b"ID3 another")
        assert response.headers["ETag"] != tag


def test_large_file_is_served_in_parts(handlers, folder, sync):
    body = b"ID3" + bytes(range(251)) * 41_778
    folder.put("long.mp3", body)
    path = f"{LIST}/{sync('long.mp3')}/audio"
    rejected = handlers.api("GET", path)
    assert status_and_code(rejected) == (413, "audio_too_large")
    assert (str(len(body)) in rejected.json["error"]["message"], rejected.headers["Accept-Ranges"]) == (True, "bytes")
    received, tag = b"", None
    while len(received) < len(body):
        response = handlers.api("GET", path, range=f"bytes={len(received)}-", **({"if_range": tag} if tag else {}))
        first, last, length = map(
            int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers["Content-Range"]).groups()
        )
        part, tag = content_of(response), response.headers["ETag"]
        assert (response.status, first, last - first + 1, length) == (206, len(received), len(part), len(body))
        assert len(part) <= MAX_PART_BYTES
        assert len(response.body) + len(str(response.headers)) + 200 < MAX_LAMBDA_RESPONSE_BYTES
        received += part
    assert received == body
    assert handlers.api("GET", path, range="bytes=-5").body
    assert len(content_of(handlers.api("GET", path, range="bytes=-6000000"))) == MAX_PART_BYTES
    assert status_and_code(handlers.api("GET", path, range="bytes=0-1,4-5")) == (413, "audio_too_large")


def test_missing_file_returns_404_before_sync_detects_it(handlers, recording):
    recording.file.unlink()
    assert status_and_code(recording.get()) == (404, "audio_missing")
    handlers.sync()
    assert status_and_code(recording.get()) == (404, "audio_missing")


def test_file_whose_folder_became_a_file_returns_404(recording):
    recording.file.unlink()
    recording.file.parent.rmdir()
    recording.file.parent.write_bytes(b"no folder")
    assert status_and_code(recording.get()) == (404, "audio_missing")


def test_file_outside_the_current_source_is_not_opened(handlers, recording, tmp_path):
    for elsewhere in (f"{tmp_path}/other/", f"{recording.file.parent}-other/", "s3://bucket/"):
        handlers.overrides["RECORDINGS_PATH"] = elsewhere
        for path in (recording.path, f"{recording.path}-link"):
            response = handlers.api("GET", path)
            assert status_and_code(response) == (404, "audio_missing")
            assert "outside" in response.json["error"]["message"]
    handlers.overrides["RECORDINGS_PATH"] = f"{recording.file.parent}/"
    assert recording.get().status == 200


def test_symbolic_links_out_of_the_source_are_not_followed(recording, tmp_path):
    secret = tmp_path / "out" / NAME
    secret.parent.mkdir()
    secret.write_bytes(b"secret")
    recording.file.rename(tmp_path / "moved")
    recording.file.symlink_to(secret)
    assert recording.get().status == 503
    recording.file.unlink()
    recording.file.parent.rmdir()
    recording.file.parent.symlink_to(secret.parent)
    assert status_and_code(recording.get()) == (404, "audio_missing")


def test_audio_requires_a_key_and_accepts_only_link_parameters(handlers, recording):
    assert handlers.api("GET", recording.path, key=None).status == 401
    assert handlers.api("GET", recording.path, key="wrong").status == 401
    assert handlers.api("GET", f"{recording.path}-link", key=None).status == 401
    assert status_and_code(handlers.api("GET", recording.path, query="download=1")) == (400, "invalid_request")


@pytest.fixture
def link(handlers, recording):
    return handlers.api("GET", f"{recording.path}-link").json


def test_link_opens_the_audio_without_a_key_and_supports_ranges(open_link, link, recording):
    assert link["url"].startswith(f"{recording.path}?")
    response = open_link(link["url"])
    assert (response.status, content_of(response), response.headers["Content-Type"]) == (
        200,
        recording.body,
        "audio/mpeg",
    )
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"  # pages of any origin may play it
    assert open_link(link["url"], range="bytes=0-0").status == 206
    assert open_link(link["url"], if_none_match=response.headers["ETag"]).status == 304


def test_link_expires_at_its_expiry_time(open_link, link, monkeypatch):
    expires_at = datetime.fromisoformat(link["expiresAt"]).timestamp()
    assert 3500 < expires_at - datetime.now(UTC).timestamp() <= 3600
    monkeypatch.setattr("functions.api.auth.time.time", lambda: expires_at - 1)
    assert open_link(link["url"]).status == 200
    monkeypatch.setattr("functions.api.auth.time.time", lambda: expires_at + 1)
    assert status_and_code(open_link(link["url"])) == (401, "unauthorized")


def test_link_opens_only_its_own_audio(open_link, link, folder, sync, recording):
    folder.put("other.mp3")
    other = sync("other.mp3")
    for path in (
        f"{LIST}/{other}/audio",
        f"{LIST}/{recording.id}",
        f"{LIST}/{recording.id}/transcript",
        f"{recording.path}-link",
        LIST,
    ):
        assert open_link(link["url"].replace(recording.path, path)).status == 401


def test_tampered_link_returns_401(open_link, link):
    expires, signature = re.search("expires=([0-9]+)&signature=(.*)", link["url"]).groups()
    for query in (
        f"expires=99999999999&signature={signature}",
        f"expires={expires}0&signature={signature}",
        f"expires=%2B{expires}&signature={signature}",
        f"expires={expires}.0&signature={signature}",
        f"expires=٩٩٩٩٩٩٩٩٩٩&signature={signature}",
        f"signature={signature}",
        f"expires={expires}",
        f"expires={expires}&signature=",
        f"expires={expires}&signature={signature.upper()}",
        f"expires={expires}&signature={signature[:-1]}",
        f"expires={expires}&signature={signature[::-1]}",
        f"expires={expires}&signature=%C3%BC{signature}",
        f"expires={expires}&signature={signature},{signature}",  # as API Gateway joins repeated parameters
        "",
    ):
        assert status_and_code(open_link(f"{link['url'].partition('?')[0]}?{query}")) == (401, "unauthorized"), query
    assert open_link(link["url"]).status == 200


def test_link_allows_only_get(open_link, link, handlers, recording):
    for method in ("DELETE", "PUT", "POST"):
        assert open_link(link["url"], method=method).status == 405
    assert handlers.api("GET", f"{LIST}/{recording.id}").status == 200


def test_key_works_with_an_invalid_link(handlers, recording):
    assert handlers.api("GET", recording.path, query="expires=1&signature=x").status == 200


@pytest.fixture
def keys(handlers, stack):
    """Replace the API keys."""
    secrets = aws_client("secretsmanager", stack.endpoint)
    secret_id = {"SecretId": stack.secrets["ApiKeySecret"]}
    before = secrets.get_secret_value(**secret_id)["SecretString"]

    def keys(text):
        secrets.put_secret_value(**secret_id, SecretString=text)

    yield keys
    keys(before)
    handlers.clear_caches()


def test_link_is_valid_only_as_long_as_its_key(handlers, recording, open_link, keys):
    keys('{"ann": "k-ann", "bob": "k-bob"}')
    handlers.clear_caches()
    link = handlers.api("GET", f"{recording.path}-link", key="k-bob").json["url"]
    assert open_link(link).status == 200
    keys('{"bob": "k-bob"}')
    handlers.clear_caches()
    assert open_link(link).status == 200
    keys('{"ann": "k-ann"}')
    handlers.clear_caches()
    assert open_link(link).status == 401


def test_link_of_a_new_key_works_while_old_keys_are_cached(handlers, recording, open_link, keys, monkeypatch):
    keys('{"new": "k-new"}')
    handlers.clear_caches()
    link = handlers.api("GET", f"{recording.path}-link", key="k-new").json["url"]
    keys('{"old": "k-old"}')
    handlers.clear_caches()
    assert open_link(link).status == 401
    keys('{"old": "k-old", "new": "k-new"}')
    monkeypatch.setattr(handlers._auth, "MIN_REFRESH_SECONDS", 0)
    assert open_link(link).status == 200
