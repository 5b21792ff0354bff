"""The index that a Grandstream UCM writes for each month of recordings."""

import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Provenance
from callscribe.errors import SidecarError
from callscribe.sidecars import indexed_prefix
from callscribe.sidecars.grandstream_index import parse_index

SECRET = "hunter2-token"

HEAD = (
    "file_name,caller_num,callee_num,create_time,file_size,duration,path_type,other_num,feature_type,file_date,"
    "location_status,gdms_uuid,caller_name,callee_name,other_name,new_caller_num,file_key,file_key_check\n"
)
ROW = "call.wav,1000,0488930190,1714132800,,00:02:30,,,,,,,,,,1000,,\n"


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        (".rd_files_netdisk_2026-04.csv", "2026-04/"),
        ("pbx/.rd_files_netdisk_2026-04.CSV", "pbx/2026-04/"),
        ("pbx/rd_files_netdisk_2026-04.csv", None),
        ("pbx/.rd_files_netdisk_2026.csv", None),
        ("pbx/.rd_files_netdisk_2026-04.csv.part", None),
        ("call.csv", None),
    ],
)
def test_index_describes_the_folder_of_its_month(key, folder):
    assert indexed_prefix(key) == folder


@pytest.mark.parametrize(
    "body", [(HEAD + ROW).encode(), (HEAD + ROW).encode("utf-8-sig"), (HEAD + ROW).replace("\n", "\r\n").encode()]
)
def test_row_is_parsed_into_metadata(body):
    metadata = parse_index(body).get("call.wav")
    assert metadata.non_empty() == {
        "phone_system": "grandstream",
        "caller": "1000",
        "callee": "0488930190",
        "extension": "1000",
        "started_at": datetime(2024, 4, 26, 12, tzinfo=UTC),
    }
    assert set(metadata.provenance.values()) == {Provenance.INDEX}


def test_invalid_rows_do_not_affect_the_others():
    rows = (
        "file_name,callee_num,caller_num,caller_name,callee_name,new_caller_num\n"
        '"/mnt/rec/2026-04/a.wav",1000,"0488930190","Doe, John",Desk\n'
        "b.wav,s,anonymous,,,1004\n"
        'c.wav,"unclosed\n'
        "\n"
        ",1000,1001\n"
        "d.wav,1001,1000\n"
        "a.wav,1000,0488930191,Später,Desk,\n"
        "e.wa"
    )
    index = parse_index(rows.encode())
    assert index.get("a.wav").non_empty() == {
        "phone_system": "grandstream", "caller": "0488930191", "callee": "1000", "extension": "1000", "party": "Später",
    }  # fmt: skip
    assert index.get("b.wav").caller == "1004"
    assert (index.get("d.wav").caller, index.get("d.wav").callee) == ("1000", "1001")
    assert index.get("unlisted.wav") is None
    assert index.get("\udcff.wav") is None


@pytest.mark.parametrize("body", [b"", b"\0\x01", b"a,b\n1,2\n", SECRET.encode(), b"x" * 200_000])
def test_file_that_is_not_an_index_is_rejected_without_quoting_it(body):
    with pytest.raises(SidecarError) as raised:
        parse_index(body)
    assert SECRET not in str(raised.value)


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_after_the_header_are_accepted(rows):
    index = parse_index(HEAD.encode() + rows)
    index.get("call.wav")


@pytest.mark.slow
def test_index_of_100_000_rows_takes_at_most_12_megabytes():
    row = "auto-{0}-1000-0488930190.wav,1000,0488930190,{0},12345,00:02:30,,,,,,,John Doe,,,1000,,\n"
    body = (HEAD + ROW + "".join(row.format(1714132800 + number) for number in range(100_000))).encode()
    tracemalloc.start()
    index = parse_index(body)
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(index) == 100_001
    assert index.get("auto-1714132805-1000-0488930190.wav").started_at == datetime(2024, 4, 26, 12, 0, 5, tzinfo=UTC)
    assert size < 12e6
    assert peak < 32e6
