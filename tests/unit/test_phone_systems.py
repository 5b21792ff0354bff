"""What names tell of calls. The table is `phone_system_names.json`: a name, what it tells, what of it by folders."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Direction, Provenance, format_started_at, format_utc_offset
from callscribe.phone_systems import SYSTEMS, extract_metadata, patterns_by_system
from callscribe.phone_systems.filename_pattern import MAX_STEM_LENGTH, RecordingPath, parse_path
from callscribe.transcripts.stereo import DEFAULT_LAYOUTS

TABLE = json.loads(Path(__file__).with_name("phone_system_names.json").read_text(encoding="utf-8"))

AUTO = "20230517142530-1684333530.42-1001-102-Internal.wav"


def told(metadata):
    known = metadata.non_empty()
    if "started_at" in known:
        known["started_at"] = format_started_at(known["started_at"])
    if "utc_offset" in known:
        known["utc_offset"] = format_utc_offset(known["utc_offset"])
    return {name: str(value) for name, value in known.items()}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_a_name_says_this_and_nothing_else_and_whether_a_folder_said_it(row):
    found = extract_metadata(row["name"])
    assert told(found) == row["tells"]
    by_folder = row.get("by_folder", [])
    assert found.provenance == {
        name: Provenance.FOLDER if name in by_folder else Provenance.NAME for name in row["tells"]
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_wrong_setting_of_the_phone_system_costs_nothing_that_is_certain(system):
    """Its own forms come first, then all others."""
    for row in TABLE:
        found = told(extract_metadata(row["name"], system))
        if row["tells"].get("phone_system") in {"3cx", "amazon-connect", "bcr", "yeastar", "twilio", "grandstream"}:
            assert found == row["tells"]


def test_the_setting_tells_systems_of_the_same_names_apart():
    name = "in-15551230000-5557654321-20230517-102530-1684333530.44.wav"
    found = [extract_metadata(name, system).phone_system for system in ("", "issabel", "yeastar")]
    assert found == ["freepbx", "issabel", "freepbx"]
    assert extract_metadata("20230517-142530_5551234567-all.mp3", "goautodial").phone_system == "goautodial"


def test_an_unknown_setting_is_as_none():
    assert extract_metadata(AUTO, "no such system") == extract_metadata(AUTO)


def test_every_system_has_forms_and_every_form_a_system():
    named = {slug for systems, _ in patterns_by_system() for slug in systems}
    assert named == set(SYSTEMS)
    for systems, forms in patterns_by_system():
        assert {form.system for form in forms if form.system} <= systems


def test_every_system_has_a_name_in_the_table():
    shown = {row["tells"].get("phone_system") for row in TABLE}
    assert set(SYSTEMS) - shown == {"issabel", "goautodial"}  # whose names are those of others


def test_the_systems_whose_sides_are_known_can_be_set():
    assert set(DEFAULT_LAYOUTS) <= set(SYSTEMS)


TRAPS = [
    "1684333530", "1684333530123", "20230517142530", "20230517-142530", "2023-05-17",
    "12345678-1234-1234-1234-123456789012", "192.168.1.100", "10.0.0.5", "772693750", "851012500", "51020103108",
    "rec_1684333530", "call_20230517142530", "1684333530-1684333531", "s", "unknown", "anonymous", "always", "null",
]  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("path", ["{}.wav", "/data/2023/05/17/{}.mp3", "{}/{}.wav", "a_{}.wav", "{}-all.wav"])
def test_what_looks_like_a_number_is_none(path, trap):
    found = extract_metadata(path.format(trap, trap))
    assert (found.caller, found.callee, found.extension, found.remote_number) == (None,) * 4


@pytest.mark.parametrize(
    ("path", "folders", "stem"),
    [("s3://bucket/a/b.wav", ("a",), "b"), ("https://host/a/b.wav", ("a",), "b"), ("C:\\a\\b.wav", ("C:", "a"), "b"),
     ("/a//b", ("a",), "b"), ("%2B49%20x.wav", (), "+49 x"), ("a%2Fb.wav", (), "a/b"), ("100%.wav", (), "100%"),
     ("%zz%2B.wav", (), "%zz%2B"), ("%ff.wav", (), "%ff"), ("1684333530.12", (), "1684333530.12"),
     ("a.wav49", (), "a"), ("", (), ""), ("a/", ("a",), "")],
)  # fmt: skip
def test_paths_are_taken_apart(path, folders, stem):
    name = parse_path(path)
    assert (name.folders, name.stem) == (folders, stem)


PIECES = st.sampled_from([
    "20230517", "142530", "1684333530", ".12", "-", "_", "in", "out", "[", "]", "(", ")", "@", "%2B", "%", "/",
    "\\", "_TO_", "_FROM_", "conference", "+", "x", "é", "\udce9", "12345678-1234-1234-1234-123456789012",
    "-all", "auto-", "q600", "year=2023", "conversation_id=", "T19:42_UTC", ".wav", "٣", "Call recording ", "\0",
    "\n", "RE" + "a" * 32,
])  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)), st.sampled_from(["", *SYSTEMS]))
def test_no_name_is_too_strange_to_read(path, system):
    found = extract_metadata(path, system)
    assert set(found.provenance) == set(found.non_empty())
    assert found.direction is None or isinstance(found.direction, Direction)


@pytest.mark.parametrize(
    "piece",
    ["-", "_", "0", "a", "-1", "_1", "(", ")", "[", "]", "@", ".", "-A", "a_", "(1)", "_TO_", "in-", "_A", "RE",
     "%2B", "20230517", "_AO_", "-20230517-142530", "_20230517142530(", "-1684333530.1",
     "-20230517-142530-1684333530.1", " "],
)  # fmt: skip
def test_no_form_backtracks_without_end_on_a_long_name(piece):
    """One that tried every way to split it would not end while anybody waits."""
    for start in ("", "[", "in-", "20230517-142530_", "20230517_142530", "110221-IN", "conf-rec-", "x_"):
        name = RecordingPath("", (), (start + piece * MAX_STEM_LENGTH)[: MAX_STEM_LENGTH - 1] + "\n")
        for _, forms in patterns_by_system():
            for form in forms:
                form.extract_metadata(name)


def test_a_name_that_no_system_could_store_is_not_read():
    assert extract_metadata("in-1-2-20230517-102530-1684333530.44" + "x" * MAX_STEM_LENGTH).non_empty() == {}
