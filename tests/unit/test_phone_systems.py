"""Metadata in the names of recordings. Cases are in `phone_system_names.json`: `from_folder` lists the fields that
come from folders."""

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


def as_text(metadata):
    values = metadata.non_empty()
    if "started_at" in values:
        values["started_at"] = format_started_at(values["started_at"])
    if "utc_offset" in values:
        values["utc_offset"] = format_utc_offset(values["utc_offset"])
    return {name: str(value) for name, value in values.items()}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_name_is_parsed_into_exactly_this_metadata_and_provenance(row):
    metadata = extract_metadata(row["name"])
    assert as_text(metadata) == row["metadata"]
    from_folder = row.get("from_folder", [])
    assert metadata.provenance == {
        name: Provenance.FOLDER if name in from_folder else Provenance.NAME for name in row["metadata"]
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_wrong_phone_system_setting_does_not_change_unambiguous_names(system):
    """The patterns of the set system are tried first, then all others."""
    unambiguous = {"3cx", "amazon-connect", "bcr", "yeastar", "twilio", "grandstream"}
    for row in TABLE:
        metadata = as_text(extract_metadata(row["name"], system))
        if row["metadata"].get("phone_system") in unambiguous:
            assert metadata == row["metadata"]


def test_setting_distinguishes_systems_that_write_the_same_names():
    name = "in-15551230000-5557654321-20230517-102530-1684333530.44.wav"
    detected = [extract_metadata(name, system).phone_system for system in ("", "issabel", "yeastar")]
    assert detected == ["freepbx", "issabel", "freepbx"]
    assert extract_metadata("20230517-142530_5551234567-all.mp3", "goautodial").phone_system == "goautodial"


def test_unknown_phone_system_setting_is_ignored():
    assert extract_metadata(AUTO, "no such system") == extract_metadata(AUTO)


def test_every_system_has_patterns_and_every_pattern_belongs_to_a_system():
    assert {system for systems, _ in patterns_by_system() for system in systems} == set(SYSTEMS)
    for systems, patterns in patterns_by_system():
        assert {pattern.system for pattern in patterns if pattern.system} <= systems


def test_table_has_a_name_of_every_system():
    covered = {row["metadata"].get("phone_system") for row in TABLE}
    assert set(SYSTEMS) - covered == {"issabel", "goautodial"}  # they write the names of FreePBX and VICIdial


def test_default_channel_layouts_name_only_known_systems():
    assert set(DEFAULT_LAYOUTS) <= set(SYSTEMS)


TRAPS = [
    "1684333530", "1684333530123", "20230517142530", "20230517-142530", "2023-05-17",
    "12345678-1234-1234-1234-123456789012", "192.168.1.100", "10.0.0.5", "772693750", "851012500", "51020103108",
    "rec_1684333530", "call_20230517142530", "1684333530-1684333531", "s", "unknown", "anonymous", "always", "null",
]  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("path", ["{}.wav", "/data/2023/05/17/{}.mp3", "{}/{}.wav", "a_{}.wav", "{}-all.wav"])
def test_other_digits_are_not_parsed_as_a_phone_number(path, trap):
    metadata = extract_metadata(path.format(trap, trap))
    assert (metadata.caller, metadata.callee, metadata.extension, metadata.remote_number) == (None,) * 4


@pytest.mark.parametrize(
    ("path", "folders", "stem"),
    [("s3://bucket/a/b.wav", ("a",), "b"), ("https://host/a/b.wav", ("a",), "b"), ("C:\\a\\b.wav", ("C:", "a"), "b"),
     ("/a//b", ("a",), "b"), ("%2B49%20x.wav", (), "+49 x"), ("a%2Fb.wav", (), "a/b"), ("100%.wav", (), "100%"),
     ("%zz%2B.wav", (), "%zz%2B"), ("%ff.wav", (), "%ff"), ("1684333530.12", (), "1684333530.12"),
     ("a.wav49", (), "a"), ("", (), ""), ("a/", ("a",), "")],
)  # fmt: skip
def test_path_is_split_into_folders_and_stem(path, folders, stem):
    recording_path = parse_path(path)
    assert (recording_path.folders, recording_path.stem) == (folders, stem)


PIECES = st.sampled_from([
    "20230517", "142530", "1684333530", ".12", "-", "_", "in", "out", "[", "]", "(", ")", "@", "%2B", "%", "/",
    "\\", "_TO_", "_FROM_", "conference", "+", "x", "é", "\udce9", "12345678-1234-1234-1234-123456789012",
    "-all", "auto-", "q600", "year=2023", "conversation_id=", "T19:42_UTC", ".wav", "٣", "Call recording ", "\0",
    "\n", "RE" + "a" * 32,
])  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)), st.sampled_from(["", *SYSTEMS]))
def test_any_name_is_parsed_without_an_error(path, system):
    metadata = extract_metadata(path, system)
    assert set(metadata.provenance) == set(metadata.non_empty())
    assert metadata.direction is None or isinstance(metadata.direction, Direction)


@pytest.mark.parametrize(
    "piece",
    ["-", "_", "0", "a", "-1", "_1", "(", ")", "[", "]", "@", ".", "-A", "a_", "(1)", "_TO_", "in-", "_A", "RE",
     "%2B", "20230517", "_AO_", "-20230517-142530", "_20230517142530(", "-1684333530.1",
     "-20230517-142530-1684333530.1", " "],
)  # fmt: skip
def test_no_pattern_backtracks_exponentially_on_a_long_name(piece):
    """A pattern that tried every way to split the name would not finish."""
    for start in ("", "[", "in-", "20230517-142530_", "20230517_142530", "110221-IN", "conf-rec-", "x_"):
        path = RecordingPath("", (), (start + piece * MAX_STEM_LENGTH)[: MAX_STEM_LENGTH - 1] + "\n")
        for _, patterns in patterns_by_system():
            for pattern in patterns:
                pattern.extract_metadata(path)


def test_name_longer_than_any_file_system_allows_is_not_parsed():
    assert extract_metadata("in-1-2-20230517-102530-1684333530.44" + "x" * MAX_STEM_LENGTH).non_empty() == {}
