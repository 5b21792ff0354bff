"""A site's own patterns: checked when they are set, and above the built-in forms when names are read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Direction, Provenance, format_started_at
from callscribe.errors import ConfigurationError
from callscribe.phone_systems import extract_metadata
from callscribe.phone_systems.custom_patterns import GROUPS, MAX_PATTERN_LENGTH, CustomPattern

CALL = "in-15551230000-5557654321-20230517-102530-1684333530.44.wav"


def reading(path, *patterns):
    return extract_metadata(path, patterns=[CustomPattern.parse(pattern) for pattern in patterns])


def test_a_pattern_reads_what_no_built_in_form_knows():
    found = reading(
        "leeds/support/17.05.2023 14.25 eingehend 0113 4960000 an 204.mp3",
        r"(?P<date>[0-9.]{10}) (?P<time>[0-9.]{5}) (?P<party>\w+) (?P<caller>[0-9 ]+) an (?P<callee>\d+)",
    )
    assert (found.caller, found.callee, found.extension) == ("0113 4960000", "204", "204")
    assert (format_started_at(found.started_at), found.party) == ("2023-05-17T14:25:00", "eingehend")
    assert set(found.provenance.values()) == {Provenance.PATTERN}


@pytest.mark.parametrize("word", ["in", "IN", "inbound", "incoming", "i", "Received"])
def test_directions_have_many_words(word):
    assert reading(f"{word}.wav", r"(?P<direction>[A-Za-z]+)\.wav").direction is Direction.INBOUND


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("20230517-142530.wav", r"(?P<date>\d{8})-(?P<time>\d{6})"),
        ("x 17-05-2023_14:25:30.wav", r"(?P<date>[\d-]+)_(?P<time>[\d:]+)"),
        ("x2023-05-17T14:25:30.wav", r"x(?P<started_at>[^.]+)"),
        ("x20230517142530.wav", r"(?P<started_at>\d+)"),
    ],
)
def test_times_may_be_written_in_many_ways(name, pattern):
    assert format_started_at(reading(name, pattern).started_at) == "2023-05-17T14:25:30"


def test_a_time_whose_zone_is_known_is_aware():
    expected = datetime(2023, 5, 17, 14, 25, 30, tzinfo=UTC)
    assert reading("x1684333530", r"x(?P<epoch>\d+)").started_at == expected
    assert reading("x1684333530", r"x(?P<started_at>\d+)").started_at == expected
    zoned = reading("20230517-162530+0200", r"(?P<date>\d{8})-(?P<time>\d{6})(?P<zone>.\d{4})")
    assert zoned.started_at == expected


def test_what_is_no_number_or_date_is_left_out():
    found = reading("anonymous-20231345-1.wav", r"(?P<caller>\w+)-(?P<date>\d+)-(?P<call_id>\d)")
    assert found.non_empty() == {"call_id": "1"}


def test_folders_are_part_of_what_a_pattern_sees():
    assert reading("s3://bucket/agents/204/x.wav", r"^agents/(?P<extension>\d+)/").extension == "204"
    assert reading("C:\\agents\\204\\x%2B.wav", r"/(?P<extension>\d+)/x\+\.wav$").extension == "204"


def test_the_first_pattern_that_matches_has_the_last_word_and_the_name_tells_the_rest():
    found = reading(CALL, "(?P<call_id>nothing)", r"(?P<call_id>\d+\.44)", r"(?P<call_id>\d+)")
    assert found.provenance["call_id"] is Provenance.PATTERN
    assert (found.call_id, found.caller, found.direction) == ("1684333530.44", "5557654321", Direction.INBOUND)
    assert found.provenance["caller"] is Provenance.NAME


def test_sides_that_a_pattern_sees_otherwise_are_all_the_pattern_s():
    found = reading(CALL, r"^in-(?P<caller>\d+)-(?P<callee>\d+)")
    assert (found.caller, found.callee, found.direction) == ("15551230000", "5557654321", None)
    assert (format_started_at(found.started_at), found.call_id) == ("2023-05-17T10:25:30", "1684333530.44")


def test_a_pattern_that_does_not_match_changes_nothing():
    assert reading(CALL, "(?P<caller>no such)") == extract_metadata(CALL)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("[0-9]+", "no named group"),
        ("(?P<caler>[0-9]+)", "Did you mean caller?"),
        ("(?P<xyz>[0-9]+)", "Known are: direction, caller"),
        ("(?P<caller>[0-9]+", "not closed"),
        ("(?P<caller>[0-9]+))", "was not opened"),
        ("(?P<caller>[0-9+)", "not closed"),
        ("(?<=x)(?P<caller>[0-9]+)", "cannot be used: say what is there"),
        ("(?P<caller>[0-9]+)(?!x)", "cannot be used: say what is there"),
        (r"(?P<caller>[0-9]+)-\1", "references back"),
        ("(?P<caller>[0-9]++)", "cannot follow each other"),
        ("*(?P<caller>x)", "nothing to repeat"),
        ("(?P<caller>x{2000})", "no more than 1000"),
        ("(?P<time>x)", "name both"),
        ("(?P<caller>x)" + "x" * MAX_PATTERN_LENGTH, f"may have {MAX_PATTERN_LENGTH}"),
        ("(?P<caller>\udce9)", "cannot be used"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_in_a_person_s_words(text, says):
    with pytest.raises(ConfigurationError) as refused:
        CustomPattern.parse(text)
    assert says in refused.value.message
    assert text.strip()[:50] in refused.value.message


@given(st.text())
def test_any_text_is_a_pattern_or_refused_as_one(text):
    try:
        CustomPattern.parse(text)
    except ConfigurationError:
        return
    assert any(f"<{group}>" in text for group in GROUPS)


@given(st.text())
def test_a_pattern_reads_any_name(path):
    reading(path, "(?P<caller>.*)(?P<started_at>.*)")


def test_a_pattern_with_catastrophic_backtracking_finishes():
    assert reading("a" * 1000 + "!", "^(?P<party>(a+)+)$").non_empty() == {}
