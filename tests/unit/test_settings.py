"""Settings: typed, and all faults at once."""

from dataclasses import dataclass

import pytest

from callscribe.errors import ConfigurationError
from callscribe.settings import at_least, checked, http_url, load


@dataclass(frozen=True, kw_only=True)
class Example:
    table: str
    url: str = checked(http_url)
    attempts: int = checked(at_least(1), default=5)
    diarize: bool = False


def test_variables_become_typed_values_and_an_empty_one_counts_as_unset():
    loaded = load(Example, {"TABLE": "t", "URL": "http://host:9000", "ATTEMPTS": "", "DIARIZE": "true"})
    assert loaded == Example(table="t", url="http://host:9000", attempts=5, diarize=True)


def test_every_fault_is_named_at_once():
    with pytest.raises(ConfigurationError) as raised:
        load(Example, {"URL": "host:9000", "ATTEMPTS": "0", "DIARIZE": "maybe"})
    for variable in (
        "TABLE is not set",
        "URL must be an address",
        "ATTEMPTS must be 1 or more",
        "DIARIZE must be true",
    ):
        assert variable in raised.value.message


@pytest.mark.parametrize("url", ["http://", "ftp://host", "http://host:0", "http://host:99999", "http://u:pw@host"])
def test_an_address_that_is_none_is_refused_and_a_password_not_repeated(url):
    assert http_url(url)
    assert "pw" not in http_url(url)
