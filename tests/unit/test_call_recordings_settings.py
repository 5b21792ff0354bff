"""The settings of call-recordings: overrides take precedence over the template, and invalid values are rejected."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.errors import ConfigurationError
from callscribe.settings.call_recordings import (
    VALIDATORS,
    CallRecordingsEnv,
    CallRecordingsSettings,
    normalise_extensions,
)
from callscribe.settings.environment import from_env, validation_errors
from callscribe.sources.file_types import AUDIO_EXTENSIONS

ENVIRONMENT = {
    "RECORDINGS_PATH": "s3://b/",
    "PHONE_SYSTEM": "yeastar",
    "TIME_ZONE": "Europe/Berlin",
    "AUDIO_EXTENSIONS": "WAV .mp3 wav",
}


def test_template_defaults_apply_without_overrides():
    settings = from_env(CallRecordingsEnv, ENVIRONMENT).effective_settings({})
    assert (settings.phone_system, settings.time_zone) == ("yeastar", "Europe/Berlin")
    assert settings.recording_extensions == {"wav", "mp3"}
    assert (settings.patterns, settings.custom_patterns) == ((), ())


def test_overrides_take_precedence_and_leave_the_other_settings():
    overrides = {"time_zone": "Asia/Kolkata", "patterns": ["(?P<caller>[0-9]+)"]}
    settings = from_env(CallRecordingsEnv, ENVIRONMENT).effective_settings(overrides)
    assert (settings.phone_system, settings.time_zone) == ("yeastar", "Asia/Kolkata")
    assert settings.recording_extensions == {"wav", "mp3"}
    assert settings.custom_patterns[0].extract_metadata("2025550143").caller == "2025550143"
    assert datetime(2026, 1, 1, tzinfo=settings.zone).astimezone(UTC).hour == 18


def test_without_extensions_all_known_audio_extensions_are_recordings():
    settings = from_env(CallRecordingsEnv, {"RECORDINGS_PATH": "s3://b/"}).effective_settings({})
    assert settings.recording_extensions == AUDIO_EXTENSIONS


def test_sidecars_cannot_be_recordings_by_the_template():
    with pytest.raises(ConfigurationError, match="audio extensions cannot contain json"):
        from_env(CallRecordingsEnv, {"RECORDINGS_PATH": "s3://b/", "AUDIO_EXTENSIONS": "wav json"})


def test_unknown_time_zone_in_the_template_is_reported_on_first_use():
    with pytest.raises(ConfigurationError, match="must be the name of a time zone"):
        CallRecordingsSettings(time_zone="Mars/Phobos").zone  # noqa: B018


@pytest.mark.parametrize(
    ("name", "value", "expected_message"),
    [
        ("phone_system", "freepbx2", "one of freepbx, issabel"),
        ("time_zone", "", "such as Europe/Berlin"),
        ("time_zone", "Europe", "such as Europe/Berlin"),
        ("time_zone", "../etc/passwd", "such as Europe/Berlin"),
        ("time_zone", "x" * 5000, "such as Europe/Berlin"),
        ("time_zone", "a\0b", "such as Europe/Berlin"),
        ("patterns", ["(?P<caller>["], "[ is not closed"),
        ("patterns", ["(?P<caler>[0-9]+)"], "Did you mean caller?"),
        ("patterns", ["[0-9]+"], "no named group"),
        ("patterns", ["(?P<caller>a)"] * 21, "at most 20 items"),
        ("extensions", ["mp 3"], "such as wav or mp3"),
        ("extensions", [""], "such as wav or mp3"),
        ("extensions", ["json"], "cannot contain json"),
        ("extensions", ["part"], "cannot contain part"),
        ("extensions", ["wav"] * 51, "at most 50 items"),
    ],
)
def test_invalid_setting_is_rejected_with_a_message_for_the_user(name, value, expected_message):
    assert expected_message in validation_errors({"phone_system": "", name: value}, VALIDATORS)[name]


def test_valid_settings_have_no_errors():
    valid = {"phone_system": "3cx", "time_zone": "America/New_York", "patterns": ["(?P<caller>[0-9]+)"]}
    assert validation_errors({**valid, "extensions": ["wav"]}, VALIDATORS) == {}
    assert validation_errors({"phone_system": "", "patterns": [], "extensions": []}, VALIDATORS) == {}


@given(st.text())
def test_time_zone_validator_never_raises(text):
    validation_errors({"time_zone": text}, VALIDATORS)


def test_extensions_are_normalised_to_lowercase_without_dots_or_duplicates():
    assert normalise_extensions([".WAV", " wav", "Mp3"]) == ["wav", "mp3"]
