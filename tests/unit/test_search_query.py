"""Search terms match a recording: numbers by their digits, however they are formatted."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samtranslator.yaml_helper import yaml_parse

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.call_metadata.phone_numbers import digits_only
from callscribe.errors import RetryableError, ServiceUnavailable
from callscribe.recordings import retry_policy, state_machine, transitions
from callscribe.recordings.recording import MAX_KEY_BYTES, QueueEntry, Status, TranscriptRef
from callscribe.recordings.search_query import (
    BY_CALL,
    BY_NAME,
    BY_NUMBER,
    SEARCH_INDEXES,
    SearchQuery,
    extract_numbers,
    is_same_number,
    normalise_file_name,
    number_suffix,
)

TEMPLATE = yaml_parse((Path(__file__).parents[2] / "template.yaml").read_text())
INDEXES = TEMPLATE["Resources"]["RecordingsTable"]["Properties"]["GlobalSecondaryIndexes"]

DIGITS = st.text("0123456789", min_size=1, max_size=20)
LONG = st.text("123456789", min_size=7, max_size=12)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def formatted(digits, separators):
    """The number with separators between its digits."""
    return (
        "".join(separator + digit for separator, digit in zip(separators, digits, strict=False))
        + digits[len(separators) :]
    )


def recording(key="2026/11/in-2025550143.wav", **metadata):
    return transitions.create(
        "s3://b", key, size=9, etag=None, modified_at=NOW, now=NOW, metadata=CallMetadata(**metadata)
    )


@given(DIGITS, st.lists(st.sampled_from(["", " ", "-", ".", "(", ")", "/", "+"]), max_size=20))
def test_formatting_of_a_number_does_not_matter(digits, separators):
    assert digits_only(formatted(digits, separators)) == digits


@given(DIGITS, st.integers(4, 20))
def test_number_matches_its_last_four_or_more_digits(digits, last):
    assert is_same_number(digits, digits[-last:])


@given(DIGITS, DIGITS)
def test_fewer_than_four_digits_match_only_an_equal_extension(digits, query):
    query = query[:3]
    assert is_same_number(digits, query) is (digits == query)


@given(LONG, st.sampled_from(["", "0", "00", "1", "49", "0049", "+49", "011"]), st.sampled_from(["", "0", "1", "49"]))
def test_dialling_prefix_of_a_number_does_not_matter(number, prefix, query_prefix):
    digits = prefix.strip("+").lstrip("0")
    if "" in (digits, query_prefix.lstrip("0")) or digits == query_prefix:
        assert is_same_number(digits_only(prefix + number), query_prefix + number)


@given(DIGITS, DIGITS)
def test_numbers_with_different_last_digits_never_match(digits, query):
    if digits[-4:] != query[-4:]:
        assert not is_same_number(digits, query)


@given(DIGITS, DIGITS)
def test_matching_numbers_have_the_same_index_suffix(digits, query):
    if is_same_number(digits, query):
        assert number_suffix(digits) == number_suffix(query)
        assert is_same_number(query, digits) or len(query) < 7


@pytest.mark.parametrize(
    ("number", "query", "is_match"),
    [("+49 30 901820-0", "030 9018200", True), ("030 9018200", "0049309018200", True),
     ("(843)858-0149", "+1 843 858 0149", True), ("(843)858-0149", "0149", True), ("(843)858-0149", "149", False),
     ("(843)858-0149", "8438580148", False), ("101", "101", True), ("2101", "101", False),
     ("5550143", "9990143", False), ("0143", "2025550143", False)],
)  # fmt: skip
def test_numbers_in_common_formats(number, query, is_match):
    assert is_same_number(digits_only(number), digits_only(query)) is is_match


def test_numbers_of_a_call_are_distinct_and_contain_no_words():
    assert extract_numbers(CallMetadata(caller="+1 202 555 0143", callee="101", extension="101")) == (
        "12025550143",
        "101",
    )
    assert extract_numbers(CallMetadata(caller="anonymous", callee="2025550100", extension="7")) == ("2025550100", "7")
    assert extract_numbers(CallMetadata(remote_number="2025550143", extension="102")) == ("2025550143", "102")
    assert extract_numbers(CallMetadata()) == ()


def test_no_transition_changes_an_attribute_of_the_search_indexes():
    """DynamoDB writes to an index when something in it changes, and each write costs."""
    attributes = set()
    for index in INDEXES:
        if index["IndexName"] in SEARCH_INDEXES:
            attributes |= {key["AttributeName"] for key in index["KeySchema"]}
            attributes |= set(index["Projection"].get("NonKeyAttributes", ()))
    assert {"n1", "call", "name", "numbers", "recorded_at"} < attributes
    jitter, policy, error = random.Random(1), retry_policy.RetryPolicy(), RetryableError("no", code="no")
    claimed = replace(recording(caller="2025550143"), claim_token="t", status=Status.PROCESSING, attempts=1)
    entry = QueueEntry(claimed.id, Status.PENDING, claimed.sort_key)
    transcript = TranscriptRef(version="v", language="en", duration=1.0, preview="p", no_speech=False)
    all_transitions = [
        transitions.enqueue(entry, NOW),
        state_machine.claim(replace(entry, status=Status.QUEUED), "t", NOW, NOW),
        state_machine.await_job(claimed, "s", NOW),
        state_machine.claim_for_poll(claimed, "t", NOW, NOW),
        state_machine.complete(claimed, transcript, NOW),
        state_machine.fail(claimed, error, policy, NOW, jitter),
        state_machine.requeue_after_outage(claimed, ServiceUnavailable("no"), policy, NOW, jitter, is_probe=False),
        state_machine.recover_expired(claimed, policy, NOW),
        transitions.user_transition(replace(claimed, status=Status.FAILED), Status.QUEUED, NOW),
        transitions.complete_from_sidecar(replace(claimed, status=Status.FAILED), transcript, NOW),
    ]
    for transition in all_transitions:
        assert not {"metadata", "key", *attributes} & transition.updates.keys()


@given(st.text(st.characters(codec="utf-8"), max_size=2000))
def test_file_name_always_fits_into_the_index(name):
    assert len(normalise_file_name(name).encode()) <= MAX_KEY_BYTES


@pytest.mark.parametrize("text", ["2025550143", "+1 (202) 555-0143", " 0143 "])
def test_text_that_looks_like_a_number_is_searched_as_a_number(text):
    assert BY_NUMBER[0] in SearchQuery.parse(text).matching_indexes(recording(caller="2025550143"))


def test_text_matches_a_call_id_or_the_beginning_of_a_file_name_in_any_case():
    target = recording("a/In-2025550143-A.WAV", call_id="AbC.17", caller="101")
    assert SearchQuery.parse("aBc.17").matching_indexes(target) == [BY_CALL]
    assert SearchQuery.parse("in-202555").matching_indexes(target) == [BY_NAME]
    assert SearchQuery.parse("a/in-").matching_indexes(target) == [BY_NAME]
    assert SearchQuery.parse("n-202555").matching_indexes(target) == []
    assert SearchQuery.parse("101").matching_indexes(target) == [BY_NUMBER[0]]
    assert SearchQuery.parse(target.id.upper()).id == target.id
    assert SearchQuery.parse("2026-04-05") == SearchQuery(call_id="2026-04-05", file_name="2026-04-05")
