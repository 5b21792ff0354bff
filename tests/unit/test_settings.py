"""Reading settings from the environment, and the validators that match the template's patterns."""

import re
from dataclasses import dataclass

import pytest
from samtranslator.yaml_helper import yaml_parse

from callscribe.errors import ConfigurationError
from callscribe.settings.environment import from_env, http_url, language, min_value, validated_field
from callscribe.settings.process import ProcessSettings
from callscribe.settings.whisperx import WhisperXSettings
from testing.handlers import ROOT


@dataclass(frozen=True, kw_only=True)
class Example:
    table: str
    url: str = validated_field(http_url)
    attempts: int = validated_field(min_value(1), default=5)
    diarize: bool = False


def allowed_pattern(parameter):
    return yaml_parse((ROOT / "template.yaml").read_text())["Parameters"][parameter]["AllowedPattern"]


def test_variables_become_typed_values_and_an_empty_variable_counts_as_unset():
    loaded = from_env(Example, {"TABLE": "t", "URL": "http://host:9000", "ATTEMPTS": "", "DIARIZE": "true"})
    assert loaded == Example(table="t", url="http://host:9000", attempts=5, diarize=True)


def test_all_invalid_settings_are_reported_at_once():
    with pytest.raises(ConfigurationError) as raised:
        from_env(Example, {"URL": "host:9000", "ATTEMPTS": "0", "DIARIZE": "maybe"})
    for problem in ("table is not set", "url must be", "attempts must be", "diarize must be"):
        assert problem in raised.value.message


def test_messages_spell_whisperx_as_its_name():
    with pytest.raises(ConfigurationError) as raised:
        from_env(WhisperXSettings, {"WHISPERX_URL": "http://host?", "WHISPERX_LANGUAGE": "English"})
    assert "WhisperX url must" in raised.value.message
    assert "WhisperX language must" in raised.value.message


@pytest.mark.parametrize("url", ["http://host:9000", "https://host/", "https://host/base/path"])
def test_url_with_a_path_is_valid(url):
    assert http_url(url) is None
    assert re.fullmatch(allowed_pattern("WhisperXUrl"), url)


@pytest.mark.parametrize("url", ["http://host?", "http://host/?a=b", "http://host/base#", "http://host#a"])
def test_url_with_a_query_or_fragment_is_invalid(url):
    assert "must not contain ? or #" in http_url(url)
    assert not re.fullmatch(allowed_pattern("WhisperXUrl"), url)


@pytest.mark.parametrize("url", ["http://", "ftp://host", "http://host:0", "http://host:99999", "http://u:pw@host"])
def test_invalid_url_is_rejected_without_repeating_a_password(url):
    assert http_url(url)
    assert "pw" not in http_url(url)


@pytest.mark.parametrize(
    ("code", "is_valid"),
    [("", True), ("en", True), ("yue", True), ("EN", False), ("e", False), ("english", False), ("en\n", False)],
)
def test_language_validator_accepts_what_the_template_accepts(code, is_valid):
    pattern = allowed_pattern("WhisperXLanguage").strip("^$")
    assert (language(code) is None) == is_valid == bool(re.fullmatch(pattern, code))


def test_effective_settings_of_process_apply_the_overrides_of_both_modules():
    environ = {"WHISPERX_URL": "http://host", "TRANSCRIPTS_BUCKET": "b", "WHISPERX_SECRET": "s", "CHANNELS": "mono"}
    defaults = from_env(ProcessSettings, environ)
    settings = defaults.effective_settings(
        {"base_url": "http://other", "diarize": True}
        | {"channels": "caller-left", "phone_system": "yeastar", "time_zone": "Asia/Kolkata"},
    )
    assert (settings.whisperx_url, settings.whisperx_diarize) == ("http://other", True)
    assert (settings.channels, settings.phone_system) == ("caller-left", "yeastar")
    assert (settings.transcripts_bucket, defaults.channels) == ("b", "mono")
