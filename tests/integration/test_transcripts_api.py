"""Transcripts over the HTTP API: as captions, by Accept, and in every stored version."""

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
def call(handlers, put, listed, service, reply):
    """One completed recording, whose name holds phone numbers; `again` transcribes it anew, saying something else."""
    service.replies = [reply(body=json.dumps(TALK).encode())]
    put("in-2025550100-12025550143.wav")
    handlers.transcribe()
    (item,) = listed().values()

    def again(body):
        assert handlers.api("POST", f"{LIST}/{item['id']}/transcribe", body={"force": True}).status == 202
        service.replies = [reply(body=body)]
        handlers.process()
        return next(iter(listed().values()))["transcript"]["version"]

    path = f"{LIST}/{item['id']}/transcript"
    return SimpleNamespace(id=item["id"], path=path, version=item["transcript"]["version"], again=again)


def code_of(answer):
    return answer.status, answer.json["error"]["code"]


def test_each_format_is_what_its_media_type_says(handlers, call):
    answers = {name: handlers.api("GET", call.path, query=f"format={name}") for name in MEDIA_TYPES}
    assert {name: answer.headers["Content-Type"] for name, answer in answers.items()} == MEDIA_TYPES
    assert answers["json"].json["segments"][0]["text"] == "Hello & welcome"
    assert answers["txt"].body == "agent: Hello & welcome\ncaller: so <long>?\n"
    assert [each.content for each in srt.parse(answers["srt"].body)] == [
        "agent: Hello & welcome",
        "caller: so ‹long›?",
    ]
    cues = webvtt.WebVTT.from_string(answers["vtt"].body, strict=True).captions
    assert [(cue.start, cue.end, cue.voice) for cue in cues] == [
        ("00:00:01.000", "00:00:02.500", "agent"),
        ("01:00:00.500", "01:00:01.250", "caller"),
    ]
    assert "<v agent>Hello &amp; welcome\n" in answers["vtt"].body


def test_files_are_named_for_the_id_and_never_for_the_phone_numbers(handlers, call):
    for name in MEDIA_TYPES:
        answer = handlers.api("GET", call.path, query=f"format={name}")
        named = answer.headers.get("Content-Disposition")
        assert named == (None if name == "json" else f'attachment; filename="{call.id}.{name}"')
        assert not re.search("2025550", f"{answer.headers}{answer.body}")


def test_the_accept_header_chooses(handlers, call):
    for accept, name in {
        "text/vtt": "vtt",
        "application/x-subrip;q=0.9, text/plain;q=0.1": "srt",
        "text/*": "txt",
        "*/*": "json",
        "text/html, */*;q=0.8": "json",
    }.items():
        assert handlers.api("GET", call.path, accept=accept).headers["Content-Type"] == MEDIA_TYPES[name]


def test_format_comes_before_accept_and_what_nobody_can_give_is_told(handlers, call):
    assert handlers.api("GET", call.path, query="format=srt", accept="text/html").status == 200
    refused = handlers.api("GET", call.path, accept="text/html")
    assert code_of(refused) == (406, "not_acceptable")
    assert "text/vtt" in refused.json["error"]["message"]
    assert "json, txt, srt, vtt" in refused.json["error"]["message"]
    for form in ("docx", "", "VTT", "vtt%0A"):
        assert code_of(handlers.api("GET", call.path, query=f"format={form}")) == (400, "invalid_request")


def test_every_version_is_listed_and_can_be_read(handlers, call, counted):
    second = call.again(b'{"text": "said anew"}')
    with counted() as requests:
        listed = handlers.api("GET", f"{call.path}/versions")
    assert requests["GET S3"] == 1
    assert [(item["version"], item["current"]) for item in listed.json["items"]] == [
        (second, True),
        (call.version, False),
    ]
    for item in listed.json["items"]:
        document = handlers.api("GET", call.path, query=f"version={item['version']}").json
        assert document["origin"]["version"] == item["version"]
        assert document["origin"]["createdAt"] == item["createdAt"]
    assert handlers.api("GET", call.path, query="format=txt").body == "said anew\n"
    old = handlers.api("GET", call.path, query=f"format=txt&version={call.version}")
    assert old.body.startswith("agent: Hello")


def test_a_transcript_stays_readable_while_it_is_made_anew(handlers, call, service, reply):
    handlers.api("POST", f"{LIST}/{call.id}/transcribe", body={"force": True})
    assert handlers.api("GET", call.path).json["origin"]["version"] == call.version
    service.replies = [reply(status=415)]
    handlers.process()
    assert handlers.api("GET", f"{LIST}/{call.id}").json["transcriptionStatus"] == "failed"
    assert handlers.api("GET", call.path, query="format=vtt").body.startswith("WEBVTT\n")
    assert handlers.api("GET", f"{call.path}/versions").json["items"][0]["current"]


def test_an_unknown_version_says_where_the_versions_are_listed(handlers, call, counted):
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
    for version, requested in {f"{call.version}x": 1, f"{call.version}%0A": 0, **dict.fromkeys(malformed, 0)}.items():
        with counted() as requests:
            answer = handlers.api("GET", call.path, query=f"version={version}")
        assert code_of(answer) == (404, "version_not_found")
        assert f"GET {call.path}/versions" in answer.json["error"]["message"]
        assert requests["GET S3"] == requested


def test_what_else_lies_beside_the_versions_is_neither_listed_nor_read(handlers, call, stack):
    s3 = aws_client("s3", stack.endpoint)
    for name in ("notes", f"{call.version}/x", f"٢{call.version[1:]}", f"{call.version}-left"):
        key = f"transcripts/{call.id}/{name}.json"
        s3.put_object(Bucket=stack.buckets["TranscriptsBucket"], Key=key, Body=b'{"secret": 1}')
        assert code_of(handlers.api("GET", call.path, query=f"version={name}")) == (404, "version_not_found")
    assert [item["version"] for item in handlers.api("GET", f"{call.path}/versions").json["items"]] == [call.version]


def test_versions_of_no_recording_and_of_one_without_any(handlers, put, listed):
    assert code_of(handlers.api("GET", f"{LIST}/{'a' * 20}/transcript/versions")) == (404, "recording_not_found")
    put("a.wav")
    handlers.sync()
    path = f"{LIST}/{listed()['a.wav']['id']}/transcript"
    assert handlers.api("GET", f"{path}/versions").json == {"items": []}
    assert code_of(handlers.api("GET", path, query="format=srt")) == (404, "no_transcript")


def test_what_s3_does_not_hand_out_is_503(handlers, call):
    handlers.overrides["TRANSCRIPTS_BUCKET"] = "no-such-bucket"
    for path in (call.path, f"{call.path}/versions"):
        answer = handlers.api("GET", path)
        assert code_of(answer) == (503, "store_error")
        assert "NoSuchBucket" in answer.json["error"]["message"]


def test_what_is_larger_than_an_answer_may_be_is_413_and_says_where_it_lies(handlers, call, stack):
    document: dict[str, object] = {"language": None, "duration": 9.0, "text": "", "noSpeech": False, "origin": {}}
    words = [{"text": '"é"', "start": None, "end": None, "speaker": None}] * 80_000
    document["segments"] = [{"text": "é", "start": 0, "end": 9, "speaker": None, "words": words}]
    key = f"transcripts/{call.id}/{call.version}.json"
    s3 = aws_client("s3", stack.endpoint)
    s3.put_object(Bucket=stack.buckets["TranscriptsBucket"], Key=key, Body=json.dumps(document).encode())
    answer = handlers.api("GET", call.path)
    assert code_of(answer) == (413, "transcript_too_large")
    assert f"s3://{stack.buckets['TranscriptsBucket']}/{key}" in answer.json["error"]["message"]
    assert handlers.api("GET", call.path, query="format=txt").body == "é\n"


def test_who_has_the_transcript_is_not_sent_it_again_and_s3_is_not_asked(handlers, call, counted):
    tags = {}
    for name in MEDIA_TYPES:
        answer = handlers.api("GET", call.path, query=f"format={name}")
        tags[name] = answer.headers["ETag"]
        assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == (VARY, "private, no-cache")
        for known in (tags[name], f'{tags[name].removeprefix("W/")}, "x"', "*"):
            with counted() as requests:
                again = handlers.api("GET", call.path, query=f"format={name}", if_none_match=known)
            assert (again.status, again.body, again.headers["ETag"]) == (304, None, tags[name])
            assert again.headers["Vary"] == VARY
            assert "Content-Type" not in again.headers
            assert not requests["GET S3"]
    assert len(set(tags.values())) == len(MEDIA_TYPES)
    # weak, for it stands for the same words whether they come compressed or not
    assert all(re.fullmatch('W/"[0-9a-f]+"', tag) for tag in tags.values())
    by_accept = handlers.api("GET", call.path, accept="text/vtt", if_none_match=tags["vtt"])
    assert (by_accept.status, by_accept.headers["ETag"]) == (304, tags["vtt"])
    assert handlers.api("GET", call.path, accept="text/plain", if_none_match=tags["vtt"]).status == 200


def test_a_new_version_is_another_one_and_the_old_one_stays_known(handlers, call):
    tag = handlers.api("GET", call.path).headers["ETag"]
    second = call.again(b'{"text": "said anew"}')
    current = handlers.api("GET", call.path, if_none_match=tag)
    assert (current.status, current.json["text"]) == (200, "said anew")
    assert handlers.api("GET", call.path, query=f"version={call.version}", if_none_match=tag).status == 304
    newest = handlers.api("GET", call.path, query=f"version={second}", if_none_match=tag)
    assert (newest.status, newest.headers["ETag"]) == (200, current.headers["ETag"])


def test_what_is_not_there_is_404_whatever_is_known_of_it(handlers, call, put, listed):
    gone = handlers.api("GET", call.path, query=f"version={call.version}x", if_none_match="*")
    assert code_of(gone) == (404, "version_not_found")
    put("b.wav")
    handlers.sync()
    none_yet = f"{LIST}/{listed()['b.wav']['id']}/transcript"
    assert code_of(handlers.api("GET", none_yet, if_none_match="*")) == (404, "no_transcript")
    assert "ETag" not in gone.headers
    assert handlers.api("GET", call.path, accept="text/html", if_none_match="*").status == 406
