"""Sidecars that phone systems export: FreeSWITCH's call detail records, and tables of one row."""

import codecs
import json

import pytest

from callscribe.call_metadata.metadata import Direction, Provenance, format_started_at
from callscribe.errors import SidecarError
from callscribe.sidecars import SidecarKind, group_key, parse_sidecar, parse_sidecar_name

UUID = "6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11"
XML = """<?xml version="1.0"?>
<cdr core-uuid="0d4f7a55-1111-4a57-9d53-0c2d4f1b9a11" switchname="pbx">
  <channel_data><state>CS_REPORTING</state><direction>inbound</direction></channel_data>
  <variables><direction>inbound</direction><uuid>6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11</uuid>
    <start_stamp>2023-05-17%2016%3A25%3A30</start_stamp><start_epoch>1684333530</start_epoch>
    {variables}<hangup_cause>NORMAL_CLEARING</hangup_cause></variables>
  <callflow dialplan="XML" profile_index="1"><extension name="out" number="5551234567"/>
    <caller_profile><username>1001</username><caller_id_name>Ann%20Smith</caller_id_name>
      <caller_id_number>{caller}</caller_id_number><destination_number>{callee}</destination_number>
      <uuid>6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11</uuid>
      <originatee><originatee_caller_profile><caller_id_number>9999</caller_id_number></originatee_caller_profile>
      </originatee></caller_profile></callflow>
</cdr>"""


def read(kind, body):
    metadata = parse_sidecar(kind, body if isinstance(body, bytes) else body.encode()).metadata
    values = metadata.non_empty()
    assert metadata.provenance == dict.fromkeys(values, Provenance.SIDECAR)
    return values | ({"started_at": format_started_at(values["started_at"])} if "started_at" in values else {})


@pytest.mark.parametrize(
    ("variables", "direction"),
    [("", None), ("<call_direction>outbound</call_direction>", Direction.OUTBOUND),
     ("<call_direction>local</call_direction>", Direction.INTERNAL)],
)  # fmt: skip
def test_freeswitch_cdr_has_the_direction_of_the_call_not_of_the_leg(variables, direction):
    body = XML.format(variables=variables, caller="1001", callee="%2B15551234567")
    expected = {
        "phone_system": "freeswitch",
        "caller": "1001",
        "callee": "+15551234567",
        "extension": "1001",
        "started_at": "2023-05-17T14:25:30Z",
        "call_id": UUID,
    }
    assert read(SidecarKind.XML, body) == expected | ({"direction": direction} if direction else {})


def test_freeswitch_cdr_of_fusionpbx_is_recognised():
    body = XML.format(
        variables="<domain_uuid>1</domain_uuid><call_direction>inbound</call_direction>",
        caller="5551234567",
        callee="1001",
    )
    values = read(SidecarKind.XML, body)
    assert (values["phone_system"], values["direction"], values["extension"]) == ("fusionpbx", "inbound", "1001")


def test_freeswitch_cdr_in_json_is_read_as_the_one_in_xml():
    document = {
        "core-uuid": "0d4f7a55-1111-4a57-9d53-0c2d4f1b9a11",
        "channel_data": {"direction": "inbound"},
        "variables": {"uuid": UUID, "direction": "inbound", "start_epoch": "1684333530", "call_direction": "outbound"},
        "callflow": [
            {"caller_profile": {"caller_id_number": "1001", "destination_number": "%2B15551234567"}},
            {"caller_profile": {"caller_id_number": "9999", "destination_number": "8888"}},
        ],
    }
    assert read(SidecarKind.JSON, json.dumps(document)) == read(
        SidecarKind.XML,
        XML.format(variables="<call_direction>outbound</call_direction>", caller="1001", callee="%2B15551234567"),
    )


@pytest.mark.parametrize(
    ("sidecar", "audio"),
    [(f"xml/{UUID}.cdr.xml", f"xml/{UUID}.wav"), (f"a_{UUID}.cdr.xml", f"a_{UUID}.mp3"), (f"{UUID}.xml", f"{UUID}.wav"),
     ("call.csv", "call.wav"), ("call.wav.CSV", "call.wav"), ("call.transcript.txt", "call.mp3")],
)  # fmt: skip
def test_sidecar_belongs_to_the_recording_of_its_name(sidecar, audio):
    assert parse_sidecar_name(sidecar).belongs_to(audio)
    assert group_key(sidecar) == group_key(audio)


HEADER = ["Call Date", "Caller ID Number", "Destination", "UniqueID", "Notes"]
VALUES = ["25/12/2026 2:30 PM", "+49 30 901820", "101", "1684333530.12", "a; b, c"]
CALL = {
    "caller": "+49 30 901820",
    "callee": "101",
    "extension": "101",
    "started_at": "2026-12-25T14:30:00",
    "call_id": "1684333530.12",
}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\r\n"])
def test_table_of_one_row_is_read_with_any_delimiter(delimiter, end):
    rows = [delimiter.join(f'"{value}"' for value in row) for row in (HEADER, VALUES)]
    assert read(SidecarKind.CSV, end.join(rows) + end) == CALL | {"extension": "101"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_table_is_read_in_any_encoding(encoding):
    body = 'caller;callee;customer name;direction\n="0301234567";\'101;Zoë;in\n'.encode(encoding)
    assert read(SidecarKind.CSV, body) == {
        "caller": "0301234567",
        "callee": "101",
        "extension": "101",
        "party": "Zoë",
        "direction": "inbound",
    }


def test_table_written_for_excel_names_its_delimiter_first():
    assert read(SidecarKind.CSV, "sep=;\r\ncaller;callee\r\n100;101\r\n")["caller"] == "100"


def test_transcript_in_a_table_is_a_transcript_unless_it_is_a_placeholder():
    body = 'caller,transcript\n100,"{}"\n'
    assert parse_sidecar(SidecarKind.CSV, body.format("Good morning.").encode()).transcript.text == "Good morning."
    sidecar = parse_sidecar(SidecarKind.CSV, body.format("pending").encode())
    assert (sidecar.transcript, sidecar.has_placeholder) == (None, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"\n\n", codecs.BOM_UTF8, b"caller,callee\n", b"caller\n100\n", b"a,b\n1,2\n3,4\n", b"\0\1\2", b"x" * 200_000,
     b'a,b\n"' + b"x" * 200_000],
)  # fmt: skip
def test_file_that_is_no_table_of_one_row_is_an_error(body):
    with pytest.raises(SidecarError):
        parse_sidecar(SidecarKind.CSV, body)
