"""Sidecars as phone systems and operators write them: their names, and their contents."""

import codecs
import contextlib
import json
import re
import traceback
import tracemalloc
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import (
    CallMetadata,
    Direction,
    Provenance,
    format_started_at,
    merge,
    normalise_key,
)
from callscribe.errors import SidecarError
from callscribe.sidecars import MAX_SIDECAR_BYTES, SidecarKind, group_key, parse_sidecar, parse_sidecar_name
from callscribe.sidecars.field_parsers import FIELD_ALIASES
from callscribe.sidecars.json_sidecar import MAX_OBJECTS
from callscribe.sidecars.plain_text import MAX_LINES

UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32")
SECRET, NUMBER = "hunter2-token", "+12025550143"


def parse_json(document):
    return parse_sidecar(SidecarKind.JSON, json.dumps(document).encode())


def fields_of(document):
    return parse_json(document).metadata.non_empty()


# names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "stem", "kind"),
    [("2026/04/call.txt", "2026/04/call", SidecarKind.TEXT),
     ("2026/04/call.transcription.txt", "2026/04/call", SidecarKind.TEXT),
     ("call.TXT", "call", SidecarKind.TEXT), ("call.wav.txt", "call", SidecarKind.TEXT),
     ("call.WAV.transcription.txt", "call", SidecarKind.TEXT), ("call.json", "call", SidecarKind.JSON),
     ("call.wav.JSON", "call", SidecarKind.JSON), ("call.metadata.json", "call", SidecarKind.JSON),
     ("conversation_id=1/0f3c_metadata.json", "conversation_id=1/0f3c", SidecarKind.JSON),
     ("12345_1.XML", "12345_1", SidecarKind.XML), ("1684333530.60.json", "1684333530.60", SidecarKind.JSON)],
)  # fmt: skip
def test_sidecar_is_recognised_by_its_name(key, stem, kind):
    assert parse_sidecar_name(key).kind == kind
    assert group_key(key) == stem


@pytest.mark.parametrize(
    ("key", "stem"),
    [("a.b/call.wav", "a.b/call"), ("a.b/call", "a.b/call"), ("1684333530.60.WAV", "1684333530.60"),
     ("call.wav.mp3", "call.wav"), ("a/.hidden.wav", "a/.hidden"), ("", "")],
)  # fmt: skip
def test_group_key_of_an_audio_file_is_its_key_without_extension(key, stem):
    assert group_key(key) == stem


def test_group_key_uses_configured_audio_extensions():
    assert group_key("call.spx.json", {"spx"}) == group_key("call.spx", {"spx"}) == "call"


@pytest.mark.parametrize(
    "key",
    [
        "call.wav",
        "a.txt/call",
        ".hidden.json",
        "._call.json",
        "~call.txt",
        ".json",
        ".rd_files_netdisk_2026-04.csv",
        "",
    ],
)
def test_other_names_are_not_sidecars(key):
    assert parse_sidecar_name(key) is None


@pytest.mark.parametrize(
    ("sidecar", "audio", "belongs"),
    [("a/call.json", "a/call.wav", True), ("a/call.json", "a/call.MP3", True), ("a/call.wav.json", "a/call.wav", True),
     ("a/call.wav.json", "a/call.mp3", False), ("a/call.transcription.txt", "a/call.wav", True),
     ("a/0f3c_metadata.json", "a/0f3c.opus", True), ("a/1684333530.60.json", "a/1684333530.60.wav", True),
     ("a/1684333530.json", "a/1684333530.60.wav", False), ("a/call.json", "b/call.wav", False),
     ("a/call.json", "a/call2.wav", False), ("a.b/call.json", "a.b/call", True)],
)  # fmt: skip
def test_sidecar_belongs_to_the_audio_with_its_stem(sidecar, audio, belongs):
    assert parse_sidecar_name(sidecar).belongs_to(audio) is belongs


@given(st.lists(st.text("ab.-_/", min_size=1, max_size=5), max_size=8, unique=True))
def test_all_keys_between_the_members_of_a_group_begin_with_its_group_key(names):
    keys = sorted(
        (f"{name}{suffix}" for name in names for suffix in (".wav", ".json", "_metadata.json", ".wav.TXT")),
        key=str.encode,
    )
    for sidecar in filter(parse_sidecar_name, keys):
        for audio in keys:
            if parse_sidecar_name(sidecar).belongs_to(audio):
                assert group_key(sidecar) == group_key(audio)
                low, high = sorted((keys.index(sidecar), keys.index(audio)))
                assert all(key.startswith(group_key(audio)) for key in keys[low : high + 1])


# plain text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "Grüß Gott.\r\n\r\n  Ja, 5 €. \n".encode(),
        *("Grüß Gott.\nJa, 5 €.".encode(encoding) for encoding in (*UNICODE, "utf-16-be", "cp1252")),
    ],
)
def test_each_line_of_a_text_in_any_encoding_is_a_segment(body):
    sidecar = parse_sidecar(SidecarKind.TEXT, body)
    assert [segment.text for segment in sidecar.transcript.segments] == ["Grüß Gott.", "Ja, 5 €."]
    assert sidecar.transcript.duration is None
    assert sidecar.metadata.non_empty() == {}


@pytest.mark.parametrize("body", [b"", b" \r\n\t\n", codecs.BOM_UTF8, "\n".encode("utf-16")])
def test_blank_text_is_not_a_transcript(body):
    assert parse_sidecar(SidecarKind.TEXT, body).transcript is None


def test_settings_of_a_voicemail_are_not_a_transcript():
    body = b";\n; Message Information file\n;\n[message]\norigmailbox=201\ncallerid=Ann <2025550143>\n"
    assert parse_sidecar(SidecarKind.TEXT, body).transcript is None


def test_text_with_too_many_lines_is_one_segment():
    assert len(parse_sidecar(SidecarKind.TEXT, b"a\n" * (MAX_LINES + 1)).transcript.segments) == 1


# JSON ---------------------------------------------------------------------------------------------------------------

DOCUMENTS = json.loads(Path(__file__).with_name("sidecar_documents.json").read_text("utf-8"))
TRUNK_RECORDER, CALL_LOG = (
    next(each["document"] for each in DOCUMENTS if each["written_by"] == name)
    for name in ("Trunk Recorder", "RingCentral, inbound")
)


@pytest.mark.parametrize("row", DOCUMENTS, ids=lambda row: row["written_by"])
def test_document_of_a_phone_system_is_parsed_into_exactly_this_metadata(row):
    metadata = parse_json(row["document"]).metadata
    values = metadata.non_empty()
    assert metadata.provenance == dict.fromkeys(values, Provenance.SIDECAR)
    if "started_at" in values:
        values["started_at"] = format_started_at(values["started_at"])
    assert values == row["metadata"]


def test_caller_on_radio_is_known_if_only_one_radio_transmitted():
    assert fields_of({**TRUNK_RECORDER, "srcList": [{"src": 77}, {"src": 77, "pos": 2.1}]})["caller"] == "77"
    assert "caller" not in fields_of({**TRUNK_RECORDER, "srcList": [{"src": 77}, {"src": 78}]})
    assert "caller" not in fields_of({**TRUNK_RECORDER, "srcList": [{"src": -1}]})


@pytest.mark.parametrize("field", sorted(FIELD_ALIASES))
@pytest.mark.parametrize("style", [str.lower, str.upper, str.title, "_".join, " - ".join])
def test_every_field_alias_is_recognised_in_any_spelling(field, style):
    values = {
        **dict.fromkeys(("caller", "callee", "remote_number"), NUMBER),
        "extension": "101",
        "direction": "inbound",
        "started_at": "2026-11-18T09:30:12Z",
        "kind": "meeting",
    }
    for alias in FIELD_ALIASES[field]:
        parsed = fields_of({style(alias): values.get(field, "abc")})
        assert parsed.get(field) or (field == "remote_number" and parsed["caller"])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"direction": "in", "callee": "101"}, {"caller": NUMBER, "callee": "101"}),
        ({"direction": "out", "caller": "101"}, {"caller": "101", "callee": NUMBER}),
        ({"caller": "101"}, {"caller": "101", "remote_number": NUMBER}),
        ({"caller": NUMBER}, {"caller": NUMBER}),
        ({"caller": "101", "callee": "102"}, {"caller": "101", "callee": "102"}),
        ({"direction": "internal"}, {"remote_number": NUMBER}),
    ],
    ids=str,
)
def test_single_outside_number_is_assigned_by_the_direction(document, expected):
    parsed = fields_of({**document, "phone_number": NUMBER})
    assert {name: parsed[name] for name in ("caller", "callee", "remote_number") if name in parsed} == expected


def test_date_in_a_sidecar_does_not_replace_the_time_in_the_file_name():
    sidecar = parse_sidecar(SidecarKind.JSON, b'{"date": "2026-11-18", "caller": "100"}').metadata
    name = CallMetadata(caller="101", started_at=datetime(2026, 11, 18, 9, 30)).with_provenance(Provenance.NAME)  # noqa: DTZ001
    for sources in ((sidecar, name), (name, sidecar)):
        merged = merge(*sources)
        assert (merged.caller, merged.started_at) == ("100", name.started_at)
        assert merged.provenance == {**sidecar.provenance, "started_at": Provenance.NAME}


@pytest.mark.parametrize("encoding", UNICODE)
def test_json_may_be_in_any_unicode_encoding(encoding):
    assert (
        parse_sidecar(SidecarKind.JSON, '{"transcript": "Grüß Gott"}'.encode(encoding)).transcript.text == "Grüß Gott"
    )


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"transcription": "Hello.\nBye."}, "Hello.\nBye."),
        ({"Transcript": " Hello there. "}, "Hello there."),
        ({"metadata": {"transcript": "Hello there."}}, "Hello there."),
        ({"transcript": ["Hello.", "", "Bye."]}, "Hello.\nBye."),
        ({"transcript": {"segments": [{"start": 0, "end": 1, "text": " Hello."}], "language": "en"}}, "Hello."),
        ({"transcript": [{"start": 0, "end": 1, "text": " Hello."}, {"text": "Bye."}]}, "Hello.\nBye."),
        ({"transcript": {"text": "Hello there."}}, "Hello there."),
        ({"transcript": '{"segments": [{"start": 0, "end": 1, "text": "Hello."}]}'}, "Hello."),
        ({"segments": [{"start": 0, "end": 1, "text": " Hello."}], "language": "en"}, "Hello."),
        ([{"start": 0, "end": 1, "text": " Hello."}], "Hello."),
        ({"transcription": "pending", "transcript": "Hello there."}, "Hello there."),
        ({"transcript": "half a pair: \ud83d"}, "half a pair: ?"),
        ({"transcription": {"text": "Hello there.", "status": "completed"}}, "Hello there."),
        ({"transcription": {"text": "Hello there.", "status": "in-progress"}}, None),
        ({"transcriptionStatus": "failed", "transcription": "Try it again later."}, None),
        ({"status": "failed", "transcription": "Hello there."}, "Hello there."),
        ({"transcription": "  \n "}, None),
        ({"transcription": None, "transcript": []}, None),
        ({"transcription": {"segments": []}}, None),
        ({"transcription": 7, "transcript": {"id": 1}}, None),
        ({"transcript": [{"id": "1", "body": "a chat"}]}, None),
        ({"transcript": [1, 2]}, None),
        (CALL_LOG, None),
    ],
    ids=str,
)
def test_transcript_is_parsed_in_each_of_its_formats(document, text):
    transcript = parse_json(document).transcript
    assert (transcript and transcript.text) == text


def test_times_and_speakers_of_a_transcript_are_kept():
    segments = [{"start": 0.5, "end": 1.5, "text": "Hello.", "speaker": "SPEAKER_00"}]
    (segment,) = parse_json({"transcript": {"segments": segments}}).transcript.segments
    assert (segment.start, segment.end, segment.speaker) == (0.5, 1.5, "SPEAKER_00")


# XML ----------------------------------------------------------------------------------------------------------------

ARCHIVE = b"""<?xml version="1.0" encoding="utf-8"?>
<RecordingMetadata xmlns="urn:example">
  <Session><SessionID>9876543210</SessionID><StartTime>2026-11-18T09:30:12</StartTime>
    <AccessNumber>21492000</AccessNumber></Session>
  <Request><remoteAddress>+4790000000</remoteAddress><queue_key>q_sales</queue_key></Request>
</RecordingMetadata>"""


def test_xml_of_the_puzzel_archive_is_parsed():
    assert parse_sidecar(SidecarKind.XML, ARCHIVE).metadata.non_empty() == {
        "phone_system": "puzzel",
        "caller": "+4790000000",
        "callee": "21492000",
        "started_at": datetime(2026, 11, 18, 9, 30, 12),  # noqa: DTZ001 — the zone is unknown
        "call_id": "9876543210",
    }


@pytest.mark.parametrize(
    "body",
    [
        b'<call caller="+4790000000" direction="in"><called>21492000</called></call>',
        (b'<list><item name="caller" value="+4790000000"/><item name="callee" value="21492000"/>'
        b'<item name="direction" value="incoming"/></list>'),
        "<a><Caller>+4790000000</Caller><To>21492000</To><Direction>Inbound</Direction></a>".encode("utf-16"),
    ],
)  # fmt: skip
def test_other_xml_is_parsed_by_its_keys(body):
    metadata = parse_sidecar(SidecarKind.XML, body).metadata
    assert (metadata.caller, metadata.callee, metadata.direction) == ("+4790000000", "21492000", Direction.INBOUND)


BOMB = b'<!DOCTYPE a [<!ENTITY x "%s"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>' % (b"x" * 1000)


@pytest.mark.parametrize(
    "body", [BOMB, BOMB.decode().encode("utf-16"), b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>']
)
def test_xml_with_a_document_type_is_rejected(body):
    with pytest.raises(SidecarError, match="document type"):
        parse_sidecar(SidecarKind.XML, body)


# unreadable sidecars ------------------------------------------------------------------------------------------------

PLANTED = f"{SECRET} {NUMBER}"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (SidecarKind.JSON, b""),
        (SidecarKind.JSON, f'{{"caller": "{PLANTED}", "x": '.encode()),
        (SidecarKind.JSON, f'{{"{PLANTED}" 1}}'.encode()),
        (SidecarKind.JSON, f"{PLANTED}".encode()),
        (SidecarKind.JSON, f'"{PLANTED}"'.encode()),
        (SidecarKind.JSON, PLANTED.encode() + b"\xff\xfe\x80"),
        (SidecarKind.JSON, b"null"),
        (SidecarKind.JSON, b"17"),
        (SidecarKind.JSON, b"9" * 10_000),
        (SidecarKind.JSON, b"[]"),
        (SidecarKind.JSON, b"[1, 2]"),
        (SidecarKind.JSON, b"[" * 200_000),
        (SidecarKind.JSON, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        (SidecarKind.JSON, b"[{}" + b",{}" * MAX_OBJECTS + b"]"),
        (SidecarKind.JSON, b'"' + b"a" * MAX_SIDECAR_BYTES + b'"'),
        (SidecarKind.XML, b""),
        (SidecarKind.XML, PLANTED.encode()),
        (SidecarKind.XML, f"<a>{PLANTED}".encode()),
        (SidecarKind.XML, f"<a>&{SECRET};</a>".encode()),
        (SidecarKind.XML, f'<?xml version="1.0" encoding="{SECRET}"?><a/>'.encode()),
        (SidecarKind.TEXT, PLANTED.encode() + b"\0\x01"),
        (SidecarKind.TEXT, b"a" * (MAX_SIDECAR_BYTES + 1)),
    ],
    ids=range(22),
)
def test_error_does_not_quote_the_unreadable_sidecar(kind, body):
    with pytest.raises(SidecarError) as raised:
        parse_sidecar(kind, body)
    assert raised.value.code == "sidecar_unreadable"
    tracebacks = "".join(traceback.format_exception(raised.value, chain=True)).split("Traceback")
    assert all(SECRET not in text and NUMBER not in text for text in (raised.value.message, *tracebacks))
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("kind", SidecarKind)
@settings(max_examples=150)
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_parsed_or_rejected(kind, body):
    with contextlib.suppress(SidecarError):
        parse_sidecar(kind, body)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["inbound", NUMBER, "101", "2026-11-18T09:30:12Z", "conference", "0001-01-01", "9999-12-31"])
)  # fmt: skip
KEYS = st.sampled_from(
    [
        *("caller", "from", "to", "direction", "startTime", "date", "time", "calls", "timestamp_unix_ms", "talkgroup"),
        *("start_time", "srcList", "metadata", "sid", "conversationId", "mediaType", "participants", "purpose"),
        *("sessions", "transcript", "segments", "text", "words", "accountSid", "callSid", "id", "phone_number"),
        *("number", "name"),
    ]
)
NESTED_VALUES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)


@settings(max_examples=500)
@given(st.dictionaries(KEYS, NESTED_VALUES, max_size=8))
def test_known_keys_with_any_values_are_parsed_without_an_error(document):
    for value in fields_of(document).values():
        assert not isinstance(value, str) or (value.strip() and value.encode())


def test_parsing_five_megabytes_takes_at_most_sixteen_times_as_much_memory():
    word = {"word": "order", "start": 1.2, "end": 1.4, "score": 0.9}
    segment = {"start": 1.0, "end": 9.0, "text": " so " * 20, "words": [word] * 20}
    body = json.dumps({"caller": NUMBER, "transcript": {"segments": [segment] * 4_000}}).encode()
    assert 4_500_000 < len(body) < MAX_SIDECAR_BYTES
    tracemalloc.start()
    assert len(parse_sidecar(SidecarKind.JSON, body).transcript.segments) == 4_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * len(body)


# documentation ------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs/sidecars.md").read_text()
ROWS = {
    "caller": "caller",
    "callee": "callee",
    "number of the other party, if it is not known who called": "remote_number",
    "extension": "extension",
    "direction": "direction",
    "start": "started_at",
    "call ID": "call_id",
    "phone system": "phone_system",
}


@pytest.mark.parametrize(("row", "field"), ROWS.items())
def test_documented_keys_are_field_aliases(row, field):
    keys = re.findall(
        "`([^`]+)`", re.search(rf"^\| {row} \| (.*?)(?:: in, out.*| with .*)? \|$", PAGE, re.MULTILINE)[1]
    )
    assert keys
    assert {normalise_key(key) for key in keys} <= set(FIELD_ALIASES[field])


def test_documented_examples_are_parsed_as_documented():
    text, segments, call = (
        parse_sidecar(SidecarKind.JSON, example.encode())
        for example in re.findall("```json\n(.*?)```", PAGE, re.DOTALL)
    )
    assert text.transcript.text == "Thanks for calling.\nHow can I help?"
    assert (segments.transcript.language, segments.transcript.duration) == ("en", 1.9)
    assert set(call.metadata.non_empty()) == {
        *("direction", "caller", "callee", "extension", "started_at", "call_id", "phone_system"),
    }
