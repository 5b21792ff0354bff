"""The settings of call-recordings: what is set counts over the template's, and what cannot be used is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.errors import ConfigurationError
from callscribe.settings.call_recordings import (
    CallRecordingsEnv,
    CallRecordingsSettings,
    normalise_extensions,
    validation_errors,
)
from callscribe.settings.environment import from_env
from callscribe.sources.file_types import AUDIO_EXTENSIONS


def test_the_template_counts_where_nothing_is_set():
    environ = {
        "RECORDINGS_PATH": "s3://b/",
        "PHONE_SYSTEM": "yeastar",
        "TIME_ZONE": "Europe/Berlin",
        "AUDIO_EXTENSIONS": "WAV .mp3 wav",
    }
    ours = from_env(CallRecordingsEnv, environ).call_recordings
    assert (ours.phone_system, ours.time_zone, set(ours.recording_extensions)) == (
        "yeastar",
        "Europe/Berlin",
        {"wav", "mp3"},
    )
    assert (ours.patterns, ours.custom_patterns) == ((), ())
    told = ours.with_overrides({"time_zone": "Asia/Kolkata", "patterns": ["(?P<caller>[0-9]+)"]})
    assert (told.phone_system, told.time_zone, set(told.recording_extensions)) == (
        "yeastar",
        "Asia/Kolkata",
        {"wav", "mp3"},
    )
    assert told.custom_patterns[0].extract_metadata("2025550143").caller == "2025550143"
    assert datetime(2026, 1, 1, tzinfo=told.zone).astimezone(UTC).hour == 18


def test_no_extensions_are_all_that_are_usual():
    assert (
        from_env(CallRecordingsEnv, {"RECORDINGS_PATH": "s3://b/"}).call_recordings.recording_extensions
        == AUDIO_EXTENSIONS
    )


def test_a_time_zone_of_the_template_that_there_is_not_is_told_when_it_is_needed():
    with pytest.raises(ConfigurationError, match="is none: it must be the name of a time zone"):
        CallRecordingsSettings(time_zone="Mars/Phobos").zone  # noqa: B018


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("phone_system", "freepbx2", "one of freepbx, issabel"),
        ("time_zone", "", "such as Europe/Berlin"),
        ("time_zone", "Europe", "such as Europe/Berlin"),
        ("time_zone", "../etc/passwd", "such as Europe/Berlin"),
        ("time_zone", "x" * 5000, "such as Europe/Berlin"),
        ("time_zone", "a\0b", "such as Europe/Berlin"),
        ("patterns", ["(?P<caller>["], "a set of characters [ is not closed"),
        ("patterns", ["(?P<caler>[0-9]+)"], "Did you mean caller?"),
        ("patterns", ["[0-9]+"], "no named group"),
        ("patterns", ["(?P<caller>a)"] * 21, "20 at most"),
        ("extensions", ["mp 3"], "endings of names"),
        ("extensions", [""], "endings of names"),
        ("extensions", ["json"], "cannot hold json"),
        ("extensions", ["part"], "cannot hold part"),
        ("extensions", ["wav"] * 51, "50 at most"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_persons_words(name, value, says):
    assert says in validation_errors({"phone_system": "", name: value})[name]


def test_what_can_be_used_has_no_fault():
    good = {"phone_system": "3cx", "time_zone": "America/New_York", "patterns": ["(?P<caller>[0-9]+)"]}
    assert validation_errors({**good, "extensions": ["wav"]}) == {}
    assert validation_errors({"phone_system": "", "patterns": [], "extensions": []}) == {}


@given(st.text())
def test_no_name_of_a_time_zone_raises(text):
    validation_errors({"time_zone": text})


def test_extensions_are_tidied():
    assert normalise_extensions([".WAV", " wav", "Mp3"]) == ["wav", "mp3"]
