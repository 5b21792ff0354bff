"""Settings: typed, and all faults at once."""

import re
from dataclasses import dataclass

import pytest
from samtranslator.yaml_helper import yaml_parse

from callscribe.errors import ConfigurationError
from callscribe.settings.environment import WhisperXSettings, from_env, http_url, language, min_value, validated_field
from testing.handlers import ROOT


@dataclass(frozen=True, kw_only=True)
class Example:
    table: str
    url: str = validated_field(http_url)
    attempts: int = validated_field(min_value(1), default=5)
    diarize: bool = False


def template(parameter):
    """The pattern of a parameter."""
    return yaml_parse((ROOT / "template.yaml").read_text())["Parameters"][parameter]["AllowedPattern"]


def test_variables_become_typed_values_and_an_empty_one_counts_as_unset():
    loaded = from_env(Example, {"TABLE": "t", "URL": "http://host:9000", "ATTEMPTS": "", "DIARIZE": "true"})
    assert loaded == Example(table="t", url="http://host:9000", attempts=5, diarize=True)


def test_every_fault_is_named_at_once():
    with pytest.raises(ConfigurationError) as raised:
        from_env(Example, {"URL": "host:9000", "ATTEMPTS": "0", "DIARIZE": "maybe"})
    for fault in ("table is not set", "url must be an address", "attempts must be 1 or more", "diarize must be true"):
        assert fault in raised.value.message


@pytest.mark.parametrize("url", ["http://host?", "http://host/?a=b", "http://host/base#", "http://host#a"])
def test_an_address_behind_which_no_route_can_be_put_is_refused(url):
    assert "without ? or #" in http_url(url)
    assert not re.fullmatch(template("WhisperXUrl"), url)


@pytest.mark.parametrize("url", ["http://host:9000", "https://host/", "https://host/base/path"])
def test_an_address_that_is_one_is_taken_with_its_path(url):
    assert http_url(url) is None
    assert re.fullmatch(template("WhisperXUrl"), url)


@pytest.mark.parametrize(
    ("code", "taken"),
    [("", True), ("en", True), ("yue", True), ("EN", False), ("e", False), ("english", False), ("en\n", False)],
)
def test_a_language_is_checked_as_the_template_does(code, taken):
    assert (language(code) is None) == taken == bool(re.fullmatch(template("WhisperXLanguage").strip("^$"), code))


def test_a_language_that_is_none_is_told_with_the_other_faults():
    with pytest.raises(ConfigurationError) as raised:
        from_env(WhisperXSettings, {"WHISPERX_URL": "http://host?", "WHISPERX_LANGUAGE": "English"})
    assert "WhisperX url must be the address alone" in raised.value.message
    assert "WhisperX language must be two or three small letters" in raised.value.message


@pytest.mark.parametrize("url", ["http://", "ftp://host", "http://host:0", "http://host:99999", "http://u:pw@host"])
def test_an_address_that_is_none_is_refused_and_a_password_not_repeated(url):
    assert http_url(url)
    assert "pw" not in http_url(url)
