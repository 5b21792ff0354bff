"""Transcripts over the HTTP API: formats, content negotiation, versions and caching."""

import json
import re
from types import SimpleNamespace

import pytest
import srt
import webvtt

from local.cloud.client import aws_client

LIST = "/api/call-recordings"
TALK = {
    "segments": [
        {"start": 1.0, "end": 2.5, "text": " Hello & welcome", "speaker": "agent"},
        {"start": 3600.5, "end": 3601.25, "text": " so <long>?", "speaker": "caller"},
    ]
}
VARY = "Accept, Accept-Encoding"
MEDIA_TYPES = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


@pytest.fixture
def recording(handlers, put, list_recordings, service, reply):
    """A completed recording with phone numbers in its name; `transcribe_again` makes another version."""
    service.replies = [reply(body=json.dumps(TALK).encode())]
    put("in-2025550100-12025550143.wav")
    handlers.transcribe()
    (item,) = list_recordings().values()

    def transcribe_again(body):
        assert handlers.api("POST", f"{LIST}/{item['id']}/transcribe", body={"force": True}).status == 202
        service.replies = [reply(body=body)]
        handlers.process()
        return next(iter(list_recordings().values()))["transcript"]["version"]

    path = f"{LIST}/{item['id']}/transcript"
    return SimpleNamespace(
        id=item["id"], path=path, version=item["transcript"]["version"], transcribe_again=transcribe_again
    )


def status_and_code(response):
    return response.status, response.json["error"]["code"]


def test_each_format_matches_its_media_type(handlers, recording):
    responses = {name: handlers.api("GET", recording.path, query=f"format={name}") for name in MEDIA_TYPES}
    assert {name: response.headers["Content-Type"] for name, response in responses.items()} == MEDIA_TYPES
    assert responses["json"].json["segments"][0]["text"] == "Hello & welcome"
    assert responses["txt"].body == "agent: Hello & welcome\ncaller: so <long>?\n"
    assert [subtitle.content for subtitle in srt.parse(responses["srt"].body)] == [
        "agent: Hello & welcome",
        "caller: so ‹long›?",
    ]
    cues = webvtt.WebVTT.from_string(responses["vtt"].body, strict=True).captions
    assert [(cue.start, cue.end, cue.voice) for cue in cues] == [
        ("00:00:01.000", "00:00:02.500", "agent"),
        ("01:00:00.500", "01:00:01.250", "caller"),
    ]
    assert "<v agent>Hello &amp; welcome\n" in responses["vtt"].body


def test_downloads_are_named_after_the_id_without_phone_numbers(handlers, recording):
    for name in MEDIA_TYPES:
        response = handlers.api("GET", recording.path, query=f"format={name}")
        disposition = response.headers.get("Content-Disposition")
        assert disposition == (None if name == "json" else f'attachment; filename="{recording.id}.{name}"')
        assert not re.search("2025550", f"{response.headers}{response.body}")


def test_accept_header_selects_the_format(handlers, recording):
    for accept, name in {
        "text/vtt": "vtt",
        "application/x-subrip;q=0.9, text/plain;q=0.1": "srt",
        "text/*": "txt",
        "*/*": "json",
        "text/html, */*;q=0.8": "json",
    }.items():
        assert handlers.api("GET", recording.path, accept=accept).headers["Content-Type"] == MEDIA_TYPES[name]


def test_format_takes_precedence_over_accept_and_unacceptable_returns_406(handlers, recording):
    assert handlers.api("GET", recording.path, query="format=srt", accept="text/html").status == 200
    rejected = handlers.api("GET", recording.path, accept="text/html")
    assert status_and_code(rejected) == (406, "not_acceptable")
    assert "text/vtt" in rejected.json["error"]["message"]
    assert "json, txt, srt, vtt" in rejected.json["error"]["message"]
    for invalid in ("docx", "", "VTT", "vtt%0A"):
        assert status_and_code(handlers.api("GET", recording.path, query=f"format={invalid}")) == (
            400,
            "invalid_request",
        )


def test_every_version_is_listed_and_readable(handlers, recording, count_requests):
    second = recording.transcribe_again(b'{"text": "spoken again"}')
    with count_requests() as requests:
        listed = handlers.api("GET", f"{recording.path}/versions")
    assert requests["GET S3"] == 1
    assert [(item["version"], item["current"]) for item in listed.json["items"]] == [
        (second, True),
        (recording.version, False),
    ]
    for item in listed.json["items"]:
        document = handlers.api("GET", recording.path, query=f"version={item['version']}").json
        assert document["producedBy"]["version"] == item["version"]
        assert document["producedBy"]["createdAt"] == item["createdAt"]
    assert handlers.api("GET", recording.path, query="format=txt").body == "spoken again\n"
    old = handlers.api("GET", recording.path, query=f"format=txt&version={recording.version}")
    assert old.body.startswith("agent: Hello")


def test_current_transcript_stays_readable_during_a_new_transcription(handlers, recording, service, reply):
    handlers.api("POST", f"{LIST}/{recording.id}/transcribe", body={"force": True})
    assert handlers.api("GET", recording.path).json["producedBy"]["version"] == recording.version
    service.replies = [reply(status=415)]
    handlers.process()
    assert handlers.api("GET", f"{LIST}/{recording.id}").json["transcriptionStatus"] == "failed"
    assert handlers.api("GET", recording.path, query="format=vtt").body.startswith("WEBVTT\n")
    assert handlers.api("GET", f"{recording.path}/versions").json["items"][0]["current"]


def test_unknown_version_returns_404_without_extra_requests(handlers, recording, count_requests):
    malformed = [
        "",
        "x",
        "../secret",
        "20269999T181502123456-abc",
        "20261118T181502-abc",
        "a/b",
        "%0A",
        "x" * 3000,
        "ü",
    ]
    for version, requested in {
        f"{recording.version}x": 1,
        f"{recording.version}%0A": 0,
        **dict.fromkeys(malformed, 0),
    }.items():
        with count_requests() as requests:
            response = handlers.api("GET", recording.path, query=f"version={version}")
        assert status_and_code(response) == (404, "version_not_found")
        assert f"GET {recording.path}/versions" in response.json["error"]["message"]
        assert requests["GET S3"] == requested


def test_other_objects_next_to_the_versions_are_neither_listed_nor_read(handlers, recording, stack):
    s3 = aws_client("s3", stack.endpoint)
    for name in ("notes", f"{recording.version}/x", f"٢{recording.version[1:]}", f"{recording.version}-left"):
        key = f"transcripts/{recording.id}/{name}.json"
        s3.put_object(Bucket=stack.buckets["TranscriptsBucket"], Key=key, Body=b'{"secret": 1}')
        assert status_and_code(handlers.api("GET", recording.path, query=f"version={name}")) == (
            404,
            "version_not_found",
        )
    assert [item["version"] for item in handlers.api("GET", f"{recording.path}/versions").json["items"]] == [
        recording.version
    ]


def test_recording_without_transcript_has_no_versions(handlers, put, list_recordings):
    assert status_and_code(handlers.api("GET", f"{LIST}/{'a' * 20}/transcript/versions")) == (
        404,
        "recording_not_found",
    )
    put("a.wav")
    handlers.sync()
    path = f"{LIST}/{list_recordings()['a.wav']['id']}/transcript"
    assert handlers.api("GET", f"{path}/versions").json == {"items": []}
    assert status_and_code(handlers.api("GET", path, query="format=srt")) == (404, "no_transcript")


def test_s3_error_returns_503(handlers, recording):
    handlers.overrides["TRANSCRIPTS_BUCKET"] = "no-such-bucket"
    for path in (recording.path, f"{recording.path}/versions"):
        response = handlers.api("GET", path)
        assert status_and_code(response) == (503, "store_error")
        assert "NoSuchBucket" in response.json["error"]["message"]


def test_too_large_transcript_returns_413_with_its_s3_location(handlers, recording, stack):
    document: dict[str, object] = {"language": None, "duration": 9.0, "text": "", "noSpeech": False, "producedBy": {}}
    words = [{"text": '"é"', "start": None, "end": None, "speaker": None}] * 80_000
    document["segments"] = [{"text": "é", "start": 0, "end": 9, "speaker": None, "words": words}]
    key = f"transcripts/{recording.id}/{recording.version}.json"
    s3 = aws_client("s3", stack.endpoint)
    s3.put_object(Bucket=stack.buckets["TranscriptsBucket"], Key=key, Body=json.dumps(document).encode())
    response = handlers.api("GET", recording.path)
    assert status_and_code(response) == (413, "transcript_too_large")
    assert f"s3://{stack.buckets['TranscriptsBucket']}/{key}" in response.json["error"]["message"]
    assert handlers.api("GET", recording.path, query="format=txt").body == "é\n"


def test_known_transcript_returns_304_without_reading_s3(handlers, recording, count_requests):
    tags = {}
    for name in MEDIA_TYPES:
        response = handlers.api("GET", recording.path, query=f"format={name}")
        tags[name] = response.headers["ETag"]
        assert (response.headers["Vary"], response.headers["Cache-Control"]) == (VARY, "private, no-cache")
        for if_none_match in (tags[name], f'{tags[name].removeprefix("W/")}, "x"', "*"):
            with count_requests() as requests:
                repeated = handlers.api("GET", recording.path, query=f"format={name}", if_none_match=if_none_match)
            assert (repeated.status, repeated.body, repeated.headers["ETag"]) == (304, "", tags[name])
            assert repeated.headers["Vary"] == VARY
            assert "Content-Type" not in repeated.headers
            assert not requests["GET S3"]
    assert len(set(tags.values())) == len(MEDIA_TYPES)
    # weak: the same content, whether compressed or not
    assert all(re.fullmatch('W/"[0-9a-f]+"', tag) for tag in tags.values())
    by_accept = handlers.api("GET", recording.path, accept="text/vtt", if_none_match=tags["vtt"])
    assert (by_accept.status, by_accept.headers["ETag"]) == (304, tags["vtt"])
    assert handlers.api("GET", recording.path, accept="text/plain", if_none_match=tags["vtt"]).status == 200


def test_new_version_has_another_etag_and_the_old_version_keeps_its_own(handlers, recording):
    tag = handlers.api("GET", recording.path).headers["ETag"]
    second = recording.transcribe_again(b'{"text": "spoken again"}')
    current = handlers.api("GET", recording.path, if_none_match=tag)
    assert (current.status, current.json["text"]) == (200, "spoken again")
    assert handlers.api("GET", recording.path, query=f"version={recording.version}", if_none_match=tag).status == 304
    newest = handlers.api("GET", recording.path, query=f"version={second}", if_none_match=tag)
    assert (newest.status, newest.headers["ETag"]) == (200, current.headers["ETag"])


def test_missing_transcript_returns_404_for_any_if_none_match(handlers, recording, put, list_recordings):
    missing = handlers.api("GET", recording.path, query=f"version={recording.version}x", if_none_match="*")
    assert status_and_code(missing) == (404, "version_not_found")
    put("b.wav")
    handlers.sync()
    untranscribed = f"{LIST}/{list_recordings()['b.wav']['id']}/transcript"
    assert status_and_code(handlers.api("GET", untranscribed, if_none_match="*")) == (404, "no_transcript")
    assert "ETag" not in missing.headers
    assert handlers.api("GET", recording.path, accept="text/html", if_none_match="*").status == 406
