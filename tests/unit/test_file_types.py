"""Classification of files by name and size."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.sources.file_types import AUDIO_EXTENSIONS, FileKind, classify

CALL = "out-5551234567-101-20230517-142530-1684333530.12"

TABLE = json.loads(Path(__file__).with_name("file_type_names.json").read_text("utf-8"))
"""Names by the kind of file."""


@pytest.mark.parametrize(("path", "kind"), [(path, kind) for kind, paths in TABLE.items() for path in paths])
def test_file_is_classified_by_its_name(path, kind):
    assert classify(path) is FileKind(kind)


@pytest.mark.parametrize("extension", sorted(AUDIO_EXTENSIONS))
def test_file_with_an_audio_extension_is_a_recording(extension):
    assert classify(f"2023/05/17/{CALL}.{extension}") is FileKind.AUDIO


@pytest.mark.parametrize("extension", ["wav", "WAV", "wav49"])
def test_wav_file_with_only_a_header_is_incomplete(extension):
    assert [classify(f"{CALL}.{extension}", size) for size in (0, 44, 45)] == [
        FileKind.INCOMPLETE,
        FileKind.INCOMPLETE,
        FileKind.AUDIO,
    ]


def test_file_in_a_format_without_a_header_is_incomplete_only_if_empty():
    assert [classify(f"{CALL}.gsm", size) for size in (0, 33)] == [FileKind.INCOMPLETE, FileKind.AUDIO]


def test_size_is_ignored_for_files_that_are_not_recordings():
    kinds = [classify(name, 0) for name in (f"{CALL}.json", f"{CALL}.raw", f".{CALL}.wav")]
    assert kinds == [FileKind.SIDECAR, FileKind.UNKNOWN_TYPE, FileKind.IGNORED]


def test_only_configured_extensions_are_recordings():
    assert classify("a.mp4", extensions=frozenset({"wav"})) is FileKind.UNKNOWN_TYPE
    assert classify("a.WAV", extensions=frozenset({"wav"})) is FileKind.AUDIO
    assert classify("a.raw", extensions=frozenset({"raw"})) is FileKind.AUDIO


@pytest.mark.parametrize(
    "name",
    ["1684333530.12", f"2026/{CALL}", "RE1234567890123456789012345678901a", "a.b/20230517142530",
     "20230517142530-1684333530.12-1001-102-Internal", "20230517-1684333530.12_1684333532", f"{CALL}.12-in"],
)  # fmt: skip
def test_file_without_an_extension_is_a_recording_by_a_setting(name):
    assert classify(name) is FileKind.IGNORED
    assert classify(name, 100, frozenset({"wav", "none"})) is FileKind.AUDIO
    assert classify(name, 0, frozenset({"none"})) is FileKind.INCOMPLETE


@pytest.mark.parametrize(
    ("name", "kind"),
    [("README", "ignored"), ("Makefile.2", "ignored"), (".1684333530.12", "ignored"), ("20230517142530.log", "ignored"),
     ("20230517142530.json", "sidecar"), ("20230517142530.wav.part", "incomplete"), ("part", "incomplete"),
     ("voicemail/1001/20230517142530", "voicemail"), (f".{CALL}.wav.123456", "incomplete"),
     ("20230517142530.wav.12345678", "incomplete"), ("20230517142530.mp3", "unknown_type")],
)  # fmt: skip
def test_other_files_without_an_extension_are_not_recordings(name, kind):
    assert classify(name, 100, frozenset({"wav", "none"})) is FileKind(kind)


PIECES = st.sampled_from(["./~\\", "wav", ".part", "INBOX", "msg0000", "voicemail", "freeswitch/", "\udce9"])


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)), st.one_of(st.none(), st.integers(0)))
def test_any_name_is_classified(path, size):
    assert classify(path, size) in FileKind
