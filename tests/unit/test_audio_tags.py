"""Call metadata in audio tags: only unambiguous tags are used."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Direction, Provenance
from functions.process.audio.tags import extract_metadata

RADIO = {
    "title": '54241"Fire Dispatch"',
    "artist": "1234567 Engine 1",
    "album": "T-Control",
    "composer": "sdrtrunk v0.6.1",
    "genre": "Scanner Audio",
    "date": "2026",
    "comment": "Date:2026-08-11 09:00:10.000;System:Fulton;Site:Downtown;Decoder:P25 Phase 1;Frequency:851012500;",
}


def test_sdrtrunk_tags_are_parsed_and_their_date_is_the_end_of_the_call():
    metadata = extract_metadata(RADIO, duration=7.5)
    assert metadata.non_empty() == {
        "phone_system": "sdrtrunk",
        "caller": "1234567",
        "callee": "54241",
        "started_at": datetime(2026, 8, 11, 9, 0, 2, 500000),  # noqa: DTZ001 — local, in an unknown zone
        "kind": "radio",
        "party": "Fire Dispatch",
    }
    assert set(metadata.provenance.values()) == {Provenance.TAGS}


@pytest.mark.parametrize(
    ("changed", "duration", "missing"),
    [
        ({}, None, {"started_at"}),
        ({"comment": RADIO["comment"].replace("2026-08-11", "yesterday")}, 7.5, {"started_at"}),
        ({"title": "Fire Dispatch"}, 7.5, {"callee", "party"}),
        ({"title": "54241"}, 7.5, {"party"}),
        ({"artist": "Engine 1"}, 7.5, {"caller"}),
        ({"artist": ""}, 7.5, {"caller"}),
    ],
)
def test_fields_missing_from_sdrtrunk_tags_stay_empty(changed, duration, missing):
    all_fields = extract_metadata(RADIO, duration=7.5).non_empty().keys()
    assert all_fields - extract_metadata(RADIO | changed, duration).non_empty().keys() == missing


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"comment": "From: +12025550143; To: 101"}, {"caller": "+12025550143", "callee": "101", "extension": "101"}),
        ({"comment": "caller=100\ncallee=101|Direction=internal"},
         {"caller": "100", "callee": "101", "extension": "100", "direction": Direction.INTERNAL}),
        ({"COMMENT": "Caller ID: 100"}, {"caller": "100", "extension": "100"}),
        ({"Caller": "100", "CALLEE_NUMBER": "+12025550143", "callId": "1795014937.23"},
         {"caller": "100", "callee": "+12025550143", "extension": "100", "call_id": "1795014937.23"}),
        ({"comment": "From: 100", "caller": "101"}, {"caller": "101", "extension": "101"}),
        ({"comment": "From: 100; Date: 2026-08-11"}, {"caller": "100", "extension": "100"}),
        ({"comment": "Call from 2025550143 to 101 at 9:30"}, {}),
        ({"comment": "From: 2025550143; and then some words"}, {}),
        ({"comment": "From: Ann; To: Bob"}, {}),
        ({"comment": "Date: 2026-08-11; Mood: fine"}, {}),
        ({"title": "2025550143", "artist": "101", "date": "2026-11-18", "from": "100", "start": "2026-11-18"}, {}),
        ({"comment": "From: " + "1" * 5_000}, {}),
        ({"caller": "\udcff\udcfe", "comment": "\udcff: 1"}, {}),
        ({}, {}),
    ],
    ids=str,
)  # fmt: skip
def test_only_unambiguous_tags_are_used(tags, expected):
    assert extract_metadata(tags).non_empty() == expected


@given(st.dictionaries(st.sampled_from([*RADIO, "caller", "x"]), st.text(), max_size=5), st.floats() | st.none())
def test_any_tags_are_accepted_without_an_error(tags, duration):
    extract_metadata(tags, duration)
    extract_metadata(RADIO | tags, duration)
