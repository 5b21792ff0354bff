"""What is a recording, what is complete, and the merge of two sorted streams."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.sources import SourceFile
from functions.sync.discovery import is_complete, is_recording, without_record

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_file(key, size=1000, age=timedelta(hours=1)):
    return SourceFile(key=key, size=size, modified_at=NOW - age)


@pytest.mark.parametrize("key", ["a.wav", "x/B.WAV", "a.b.mp3", "a.wav49", "ü ber/+49 30.ogg", "a.3gp", "a.GSM"])
def test_audio_is_known_by_its_extension(key):
    assert is_recording(a_file(key))


@pytest.mark.parametrize(
    "key", ["a.txt", "wav", ".a.wav", "x/._a.wav", "~a.wav", "a.wav.part", "a.wav.tmp", "a.json", "x/"]
)
def test_everything_else_is_passed_over(key):
    assert not is_recording(a_file(key))


@pytest.mark.parametrize(
    ("file", "grows", "complete"),
    [
        (a_file("a.wav", size=0), False, False),
        (a_file("a.wav", size=44), False, False),
        (a_file("a.wav", size=45), False, True),
        (a_file("a.mp3", size=44), False, True),
        (a_file("a.wav", age=timedelta(seconds=59)), True, False),
        (a_file("a.wav", age=timedelta(seconds=60)), True, True),
        (a_file("a.wav", age=timedelta(seconds=-5)), True, False),
        (a_file("a.wav", age=timedelta(0)), False, True),
    ],
)
def test_a_file_is_taken_when_it_is_complete(file, grows, complete):
    assert is_complete(file, NOW, grows, MINUTE) is complete


@given(st.sets(st.text(min_size=1, max_size=5)), st.sets(st.text(min_size=1, max_size=5)))
def test_the_merge_leaves_exactly_what_has_no_record(listed, known):
    def order(keys):
        return sorted(keys, key=str.encode)

    new = without_record((a_file(key) for key in order(listed)), iter(order(known)))
    assert [file.key for file in new] == order(listed - known)
