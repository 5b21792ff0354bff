"""A recording's audio over the HTTP API: from S3 by an address, from a folder by ourselves, and by a link of ours."""

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
LARGEST_ANSWER = 6_291_556
"""Bytes that Lambda answers with at most, its JSON included."""


def code_of(answer):
    return answer.status, answer.json["error"]["code"]


def bytes_of(answer):
    return b64decode(answer.body)


@pytest.fixture
def sync(handlers, listed):
    """Takes up what lies there; the id of the recording whose path ends so."""

    def sync(name):
        handlers.sync()
        return listed()[name]["id"]

    return sync


@pytest.fixture
def folder(handlers, tmp_path):
    """A source whose files have rested."""
    made = Folder(tmp_path / "in")
    made.root.mkdir()
    handlers.overrides["RECORDINGS_PATH"] = made.path
    return made


@pytest.fixture
def call(handlers, folder, sync):
    """One recording in a folder; `get` asks for its audio."""
    body = bytes(range(256)) * 4
    folder.put(f"2026/{NAME}", body)
    made = sync(NAME)
    path = f"{LIST}/{made}/audio"
    return SimpleNamespace(
        id=made,
        path=path,
        body=body,
        file=folder.root / "2026" / NAME,
        get=lambda **headers: handlers.api("GET", path, **headers),
    )


@pytest.fixture
def opened(handlers):
    """Opens a link without any key."""

    def opened(url, method="GET", **headers):
        parts = urlsplit(url)
        return handlers.api(method, parts.path, query=parts.query, key=None, **headers)

    return opened


def test_from_s3_the_address_hands_out_the_file_to_who_has_no_key_and_names_no_number(handlers, put, sync):
    put(f"2026/{NAME}", AUDIO)
    made = sync(NAME)
    answer = handlers.api("GET", f"{LIST}/{made}/audio")
    assert (answer.status, answer.body) == (302, None)
    assert answer.headers["Cache-Control"] == "no-store"
    address = answer.headers["Location"]
    assert dict(parse_qsl(urlsplit(address).query))["X-Amz-Expires"] == "300"
    got = requests.get(address, timeout=LIMIT_SECONDS)
    assert (got.status_code, got.content, got.headers["Content-Type"]) == (200, AUDIO, "audio/mpeg")
    assert got.headers["Content-Disposition"] == f'inline; filename="{made}.mp3"'
    part = requests.get(address, headers={"Range": "bytes=1-2"}, timeout=LIMIT_SECONDS)
    assert (part.status_code, part.content) == (206, AUDIO[1:3])


def test_a_link_to_s3_leads_there_and_is_good_for_an_hour(handlers, put, sync):
    put("a.wav", AUDIO)
    link = handlers.api("GET", f"{LIST}/{sync('a.wav')}/audio-link").json
    got = requests.get(link["url"], timeout=LIMIT_SECONDS)
    assert (got.content, got.headers["Content-Type"]) == (AUDIO, "audio/wav")
    assert dict(parse_qsl(urlsplit(link["url"]).query))["X-Amz-Expires"] == str(auth.LINK_LIFETIME_SECONDS)
    left = datetime.fromisoformat(link["expiresAt"]) - datetime.now(UTC)
    assert auth.LINK_LIFETIME_SECONDS - 60 < left.total_seconds() <= auth.LINK_LIFETIME_SECONDS


def test_an_object_that_sync_no_longer_found_is_404(handlers, put, sync, stack):
    put("a.wav")
    made = sync("a.wav")
    aws_client("s3", stack.endpoint).delete_object(Bucket=stack.buckets["RecordingsBucket"], Key="a.wav")
    handlers.sync()
    for path in ("audio", "audio-link"):
        assert code_of(handlers.api("GET", f"{LIST}/{made}/{path}")) == (404, "audio_missing")


def test_the_audio_of_no_recording_is_404(handlers):
    for path in (f"{'a' * 20}/audio", "x/audio", f"{'a' * 20}/audio-link", "x/audio-link"):
        assert code_of(handlers.api("GET", f"{LIST}/{path}")) == (404, "recording_not_found")


def test_from_a_folder_comes_the_file_and_names_no_number(call):
    answer = call.get(accept_encoding="gzip")
    assert (answer.status, bytes_of(answer)) == (200, call.body)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"] == f'inline; filename="{call.id}.mp3"'
    assert "Content-Range" not in answer.headers
    assert not re.search("2025550", str(answer.headers))


def test_a_browser_is_told_what_it_plays(handlers, folder, listed):
    for ending in ("WAV", "opus", "m4a", "3gp"):
        folder.put(f"a.{ending}")
    handlers.sync()
    for name, item in listed().items():
        ending = name.rpartition(".")[2].lower()
        answer = handlers.api("GET", f"{LIST}/{item['id']}/audio")
        assert answer.headers["Content-Type"] == MEDIA_TYPES[ending]
        assert answer.headers["Content-Disposition"] == f'inline; filename="{item["id"]}.{ending}"'


def test_a_range_is_a_part_and_says_of_how_much(call):
    for wanted, first, last in (("bytes=0-0", 0, 0), ("bytes=5-", 5, 1023), ("bytes=-3", 1021, 1023)):
        answer = call.get(range=wanted)
        assert (answer.status, bytes_of(answer)) == (206, call.body[first : last + 1])
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/1024"


def test_a_range_behind_the_end_is_416_and_says_where_that_is(call):
    answer = call.get(range="bytes=1024-")
    assert code_of(answer) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == "bytes */1024"


def test_a_file_that_is_known_is_not_sent_again_until_it_is_another_one(call):
    tag = call.get().headers["ETag"]
    known = call.get(if_none_match=tag)
    assert (known.status, known.body, known.headers["ETag"]) == (304, None, tag)
    assert call.get(if_none_match=f"W/{tag}", range="bytes=0-0").status == 304
    assert call.get(if_range=tag, range="bytes=0-0").status == 206
    call.file.write_bytes(b"ID3 another")
    for answer in (call.get(if_none_match=tag), call.get(if_range=tag, range="bytes=0-0")):
        assert (answer.status, bytes_of(answer)) == (200, b"ID3 another")
        assert answer.headers["ETag"] != tag


def test_a_file_larger_than_an_answer_comes_in_parts_that_a_player_walks_through(handlers, folder, sync):
    body = b"ID3" + bytes(range(251)) * 41_778
    folder.put("long.mp3", body)
    path = f"{LIST}/{sync('long.mp3')}/audio"
    refused = handlers.api("GET", path)
    assert code_of(refused) == (413, "audio_too_large")
    assert (str(len(body)) in refused.json["error"]["message"], refused.headers["Accept-Ranges"]) == (True, "bytes")
    got, tag = b"", None
    while len(got) < len(body):
        answer = handlers.api("GET", path, range=f"bytes={len(got)}-", **({"if_range": tag} if tag else {}))
        first, last, length = map(
            int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers["Content-Range"]).groups()
        )
        part, tag = bytes_of(answer), answer.headers["ETag"]
        assert (answer.status, first, last - first + 1, length) == (206, len(got), len(part), len(body))
        assert len(part) <= MAX_PART_BYTES
        assert len(answer.body) + len(str(answer.headers)) + 200 < LARGEST_ANSWER
        got += part
    assert got == body
    assert handlers.api("GET", path, range="bytes=-5").body
    assert len(bytes_of(handlers.api("GET", path, range="bytes=-6000000"))) == MAX_PART_BYTES
    assert code_of(handlers.api("GET", path, range="bytes=0-1,4-5")) == (413, "audio_too_large")


def test_a_file_that_is_gone_is_404_before_sync_has_noticed(handlers, call):
    call.file.unlink()
    assert code_of(call.get()) == (404, "audio_missing")
    handlers.sync()
    assert code_of(call.get()) == (404, "audio_missing")


def test_a_file_whose_folder_has_become_a_file_is_404(call):
    call.file.unlink()
    call.file.parent.rmdir()
    call.file.parent.write_bytes(b"no folder")
    assert code_of(call.get()) == (404, "audio_missing")


def test_a_file_outside_of_the_source_as_it_is_set_now_is_not_opened(handlers, call, tmp_path):
    for elsewhere in (f"{tmp_path}/other/", f"{call.file.parent}-other/", "s3://bucket/"):
        handlers.overrides["RECORDINGS_PATH"] = elsewhere
        for path in (call.path, f"{call.path}-link"):
            answer = handlers.api("GET", path)
            assert code_of(answer) == (404, "audio_missing")
            assert "outside" in answer.json["error"]["message"]
    handlers.overrides["RECORDINGS_PATH"] = f"{call.file.parent}/"
    assert call.get().status == 200


def test_no_link_is_followed_to_what_is_nobody_s_business(call, tmp_path):
    secret = tmp_path / "out" / NAME
    secret.parent.mkdir()
    secret.write_bytes(b"secret")
    call.file.rename(tmp_path / "kept")
    call.file.symlink_to(secret)
    assert call.get().status == 503
    call.file.unlink()
    call.file.parent.rmdir()
    call.file.parent.symlink_to(secret.parent)
    assert code_of(call.get()) == (404, "audio_missing")


def test_audio_wants_the_key_and_takes_no_parameter_but_a_link_s(handlers, call):
    assert handlers.api("GET", call.path, key=None).status == 401
    assert handlers.api("GET", call.path, key="wrong").status == 401
    assert handlers.api("GET", f"{call.path}-link", key=None).status == 401
    assert code_of(handlers.api("GET", call.path, query="download=1")) == (400, "invalid_request")


@pytest.fixture
def link(handlers, call):
    return handlers.api("GET", f"{call.path}-link").json


def test_a_link_opens_the_audio_without_a_key_in_parts_too(opened, link, call):
    assert link["url"].startswith(f"{call.path}?")
    answer = opened(link["url"])
    assert (answer.status, bytes_of(answer), answer.headers["Content-Type"]) == (200, call.body, "audio/mpeg")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"  # the page of a player may be anybody's
    assert opened(link["url"], range="bytes=0-0").status == 206
    assert opened(link["url"], if_none_match=answer.headers["ETag"]).status == 304


def test_a_link_expires_when_it_says(opened, link, monkeypatch):
    end = datetime.fromisoformat(link["expiresAt"]).timestamp()
    assert 3500 < end - datetime.now(UTC).timestamp() <= 3600
    monkeypatch.setattr("functions.api.auth.time.time", lambda: end - 1)
    assert opened(link["url"]).status == 200
    monkeypatch.setattr("functions.api.auth.time.time", lambda: end + 1)
    assert code_of(opened(link["url"])) == (401, "unauthorized")


def test_a_link_opens_nothing_else(opened, link, folder, sync, call):
    folder.put("other.mp3")
    other = sync("other.mp3")
    for path in (
        f"{LIST}/{other}/audio",
        f"{LIST}/{call.id}",
        f"{LIST}/{call.id}/transcript",
        f"{call.path}-link",
        LIST,
    ):
        assert opened(link["url"].replace(call.path, path)).status == 401


def test_a_link_that_was_tampered_with_is_401(opened, link):
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
        f"expires={expires}&signature={signature},{signature}",  # as API Gateway joins two of a name
        "",
    ):
        assert code_of(opened(f"{link['url'].partition('?')[0]}?{query}")) == (401, "unauthorized"), query
    assert opened(link["url"]).status == 200


def test_a_link_changes_nothing(opened, link, handlers, call):
    for method in ("DELETE", "PUT", "POST"):
        assert opened(link["url"], method=method).status == 405
    assert handlers.api("GET", f"{LIST}/{call.id}").status == 200


def test_who_has_a_key_needs_no_good_link(handlers, call):
    assert handlers.api("GET", call.path, query="expires=1&signature=x").status == 200


@pytest.fixture
def keys(handlers, stack):
    """Sets the keys that there are."""
    secrets = aws_client("secretsmanager", stack.endpoint)
    wanted = {"SecretId": stack.secrets["ApiKeySecret"]}
    before = secrets.get_secret_value(**wanted)["SecretString"]

    def keys(text):
        secrets.put_secret_value(**wanted, SecretString=text)

    yield keys
    keys(before)
    handlers.clear_caches()


def test_a_link_is_good_as_long_as_the_key_of_who_asked_for_it(handlers, call, opened, keys):
    keys('{"ann": "k-ann", "bob": "k-bob"}')
    handlers.clear_caches()
    link = handlers.api("GET", f"{call.path}-link", key="k-bob").json["url"]
    assert opened(link).status == 200
    keys('{"bob": "k-bob"}')
    handlers.clear_caches()
    assert opened(link).status == 200
    keys('{"ann": "k-ann"}')
    handlers.clear_caches()
    assert opened(link).status == 401


def test_a_link_made_with_a_new_key_opens_where_only_the_old_one_is_known_yet(
    handlers, call, opened, keys, monkeypatch
):
    keys('{"new": "k-new"}')
    handlers.clear_caches()
    link = handlers.api("GET", f"{call.path}-link", key="k-new").json["url"]
    keys('{"old": "k-old"}')
    handlers.clear_caches()
    assert opened(link).status == 401
    keys('{"old": "k-old", "new": "k-new"}')
    monkeypatch.setattr(handlers._auth, "MIN_REFRESH_SECONDS", 0)
    assert opened(link).status == 200
