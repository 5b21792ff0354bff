"""Custom patterns: their validation, and their precedence over the built-in patterns."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Direction, Provenance, format_started_at
from callscribe.errors import ConfigurationError
from callscribe.phone_systems import extract_metadata
from callscribe.phone_systems.custom_patterns import GROUPS, MAX_PATTERN_LENGTH, CustomPattern

CALL = "in-15551230000-5557654321-20230517-102530-1684333530.44.wav"


def extract(path, *patterns):
    return extract_metadata(path, patterns=[CustomPattern.parse(pattern) for pattern in patterns])


def test_custom_pattern_extracts_metadata_from_a_name_that_no_built_in_pattern_matches():
    metadata = extract(
        "leeds/support/17.05.2023 14.25 eingehend 0113 4960000 an 204.mp3",
        r"(?P<date>[0-9.]{10}) (?P<time>[0-9.]{5}) (?P<party>\w+) (?P<caller>[0-9 ]+) an (?P<callee>\d+)",
    )
    assert (metadata.caller, metadata.callee, metadata.extension) == ("0113 4960000", "204", "204")
    assert (format_started_at(metadata.started_at), metadata.party) == ("2023-05-17T14:25:00", "eingehend")
    assert set(metadata.provenance.values()) == {Provenance.PATTERN}


@pytest.mark.parametrize("word", ["in", "IN", "inbound", "incoming", "i", "Received"])
def test_direction_is_recognised_in_many_words(word):
    assert extract(f"{word}.wav", r"(?P<direction>[A-Za-z]+)\.wav").direction is Direction.INBOUND


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("20230517-142530.wav", r"(?P<date>\d{8})-(?P<time>\d{6})"),
        ("x 17-05-2023_14:25:30.wav", r"(?P<date>[\d-]+)_(?P<time>[\d:]+)"),
        ("x2023-05-17T14:25:30.wav", r"x(?P<started_at>[^.]+)"),
        ("x20230517142530.wav", r"(?P<started_at>\d+)"),
    ],
)
def test_timestamp_is_parsed_in_many_formats(name, pattern):
    assert format_started_at(extract(name, pattern).started_at) == "2023-05-17T14:25:30"


def test_timestamp_with_a_known_zone_is_aware():
    expected = datetime(2023, 5, 17, 14, 25, 30, tzinfo=UTC)
    assert extract("x1684333530", r"x(?P<epoch>\d+)").started_at == expected
    assert extract("x1684333530", r"x(?P<started_at>\d+)").started_at == expected
    with_zone = extract("20230517-162530+0200", r"(?P<date>\d{8})-(?P<time>\d{6})(?P<zone>.\d{4})")
    assert with_zone.started_at == expected


def test_invalid_numbers_and_dates_are_left_out():
    metadata = extract("anonymous-20231345-1.wav", r"(?P<caller>\w+)-(?P<date>\d+)-(?P<call_id>\d)")
    assert metadata.non_empty() == {"call_id": "1"}


def test_pattern_is_searched_for_in_the_folders_too():
    assert extract("s3://bucket/agents/204/x.wav", r"^agents/(?P<extension>\d+)/").extension == "204"
    assert extract("C:\\agents\\204\\x%2B.wav", r"/(?P<extension>\d+)/x\+\.wav$").extension == "204"


def test_first_matching_pattern_takes_precedence_and_built_in_patterns_add_the_rest():
    metadata = extract(CALL, "(?P<call_id>nothing)", r"(?P<call_id>\d+\.44)", r"(?P<call_id>\d+)")
    assert metadata.provenance["call_id"] is Provenance.PATTERN
    assert (metadata.call_id, metadata.caller, metadata.direction) == (
        "1684333530.44", "5557654321", Direction.INBOUND,
    )  # fmt: skip
    assert metadata.provenance["caller"] is Provenance.NAME


def test_all_fields_of_the_parties_come_from_the_pattern_when_one_conflicts():
    metadata = extract(CALL, r"^in-(?P<caller>\d+)-(?P<callee>\d+)")
    assert (metadata.caller, metadata.callee, metadata.direction) == ("15551230000", "5557654321", None)
    assert (format_started_at(metadata.started_at), metadata.call_id) == ("2023-05-17T10:25:30", "1684333530.44")


def test_pattern_that_does_not_match_changes_nothing():
    assert extract(CALL, "(?P<caller>no such)") == extract_metadata(CALL)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("[0-9]+", "no named group"),
        ("(?P<caler>[0-9]+)", "Did you mean caller?"),
        ("(?P<xyz>[0-9]+)", "Use one of: direction, caller"),
        ("(?P<caller>[0-9]+", "not closed"),
        ("(?P<caller>[0-9]+))", "was not opened"),
        ("(?P<caller>[0-9+)", "not closed"),
        ("(?<=x)(?P<caller>[0-9]+)", "lookaround"),
        ("(?P<caller>[0-9]+)(?!x)", "lookaround"),
        (r"(?P<caller>[0-9]+)-\1", "backreferences"),
        ("(?P<caller>[0-9]++)", "cannot follow each other"),
        ("*(?P<caller>x)", "nothing to repeat"),
        ("(?P<caller>x{2000})", "at most 1000"),
        ("(?P<time>x)", "no group date"),
        ("(?P<caller>x)" + "x" * MAX_PATTERN_LENGTH, f"maximum is {MAX_PATTERN_LENGTH}"),
        ("(?P<caller>\udce9)", "invalid"),
    ],
)
def test_invalid_pattern_is_rejected_with_a_reason(text, reason):
    with pytest.raises(ConfigurationError) as raised:
        CustomPattern.parse(text)
    assert reason in raised.value.message
    assert text.strip()[:50] in raised.value.message


@given(st.text())
def test_any_text_is_a_valid_pattern_or_a_configuration_error(text):
    try:
        CustomPattern.parse(text)
    except ConfigurationError:
        return
    assert any(f"<{group}>" in text for group in GROUPS)


@given(st.text())
def test_pattern_accepts_any_name(path):
    extract(path, "(?P<caller>.*)(?P<started_at>.*)")


def test_pattern_that_would_backtrack_catastrophically_finishes():
    assert extract("a" * 1000 + "!", "^(?P<party>(a+)+)$").non_empty() == {}
