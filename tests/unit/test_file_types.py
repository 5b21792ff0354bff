"""Which files are recordings, by name and size."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.sources.file_types import AUDIO_EXTENSIONS, FileKind, classify

CALL = "out-5551234567-101-20230517-142530-1684333530.12"

TABLE = json.loads(Path(__file__).with_name("file_type_names.json").read_text("utf-8"))
"""Names by what becomes of their files."""


@pytest.mark.parametrize(("path", "expected"), [(path, each) for each, paths in TABLE.items() for path in paths])
def test_a_name_says_what_becomes_of_the_file(path, expected):
    assert classify(path) is FileKind(expected)


@pytest.mark.parametrize("ending", sorted(AUDIO_EXTENSIONS))
def test_every_kind_of_audio_is_a_recording(ending):
    assert classify(f"2023/05/17/{CALL}.{ending}") is FileKind.AUDIO


@pytest.mark.parametrize("ending", ["wav", "WAV", "wav49"])
def test_a_bare_header_waits_for_its_sound(ending):
    assert [classify(f"{CALL}.{ending}", size) for size in (0, 44, 45)] == [
        FileKind.INCOMPLETE,
        FileKind.INCOMPLETE,
        FileKind.AUDIO,
    ]


def test_a_file_without_a_header_may_be_short_but_not_empty():
    assert [classify(f"{CALL}.gsm", size) for size in (0, 33)] == [FileKind.INCOMPLETE, FileKind.AUDIO]


def test_the_size_makes_no_recording_of_what_is_none():
    found = [classify(name, 0) for name in (f"{CALL}.json", f"{CALL}.raw", f".{CALL}.wav")]
    assert found == [FileKind.SIDECAR, FileKind.UNKNOWN_TYPE, FileKind.IGNORED]


def test_a_kind_that_is_not_among_the_site_s_is_told_as_one():
    assert classify("a.mp4", extensions=frozenset({"wav"})) is FileKind.UNKNOWN_TYPE
    assert classify("a.WAV", extensions=frozenset({"wav"})) is FileKind.AUDIO
    assert classify("a.raw", extensions=frozenset({"raw"})) is FileKind.AUDIO


PIECES = st.sampled_from(["./~\\", "wav", ".part", "INBOX", "msg0000", "voicemail", "freeswitch/", "\udce9"])


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)), st.one_of(st.none(), st.integers(0)))
def test_no_name_is_too_strange_to_be_told(path, size):
    assert classify(path, size) in FileKind
