"""What finds a recording: numbers by their digits, however they are written."""

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
from callscribe.recordings import claims, retry_policy, sort_keys, state_machine
from callscribe.recordings.recording import MAX_KEY_BYTES, Status, TranscriptRef
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


def written(digits, marks):
    """The number as somebody may have written it."""
    return "".join(mark + digit for mark, digit in zip(marks, digits, strict=False)) + digits[len(marks) :]


def recording(key="2026/11/in-2025550143.wav", **metadata):
    return state_machine.create(
        "s3://b", key, size=9, etag=None, modified_at=NOW, now=NOW, metadata=CallMetadata(**metadata)
    )


@given(DIGITS, st.lists(st.sampled_from(["", " ", "-", ".", "(", ")", "/", "+"]), max_size=20))
def test_a_number_is_its_digits_however_it_is_written(digits, marks):
    assert digits_only(written(digits, marks)) == digits


@given(DIGITS, st.integers(4, 20))
def test_a_number_is_found_by_its_last_four_digits_or_more(digits, last):
    assert is_same_number(digits, digits[-last:])


@given(DIGITS, DIGITS)
def test_fewer_than_four_digits_are_an_extension_which_is_the_same_or_not(digits, asked):
    asked = asked[:3]
    assert is_same_number(digits, asked) is (digits == asked)


@given(LONG, st.sampled_from(["", "0", "00", "1", "49", "0049", "+49", "011"]), st.sampled_from(["", "0", "1", "49"]))
def test_what_is_dialled_before_a_number_does_not_matter(number, before, asked_before):
    same = before.strip("+").lstrip("0"), asked_before
    if "" in (same[0], asked_before.lstrip("0")) or same[0] == same[1]:
        assert is_same_number(digits_only(before + number), asked_before + number)


@given(DIGITS, DIGITS)
def test_numbers_that_end_otherwise_are_never_the_same(digits, asked):
    if digits[-4:] != asked[-4:]:
        assert not is_same_number(digits, asked)


@given(DIGITS, DIGITS)
def test_whatever_matches_lies_in_the_same_part_of_the_index(digits, asked):
    if is_same_number(digits, asked):
        assert number_suffix(digits) == number_suffix(asked)
        assert is_same_number(asked, digits) or len(asked) < 7


@pytest.mark.parametrize(
    ("number", "asked", "found"),
    [("+49 30 901820-0", "030 9018200", True), ("030 9018200", "0049309018200", True),
     ("(843)858-0149", "+1 843 858 0149", True), ("(843)858-0149", "0149", True), ("(843)858-0149", "149", False),
     ("(843)858-0149", "8438580148", False), ("101", "101", True), ("2101", "101", False),
     ("5550143", "9990143", False), ("0143", "2025550143", False)],
)  # fmt: skip
def test_numbers_as_people_write_them(number, asked, found):
    assert is_same_number(digits_only(number), digits_only(asked)) is found


def test_a_call_has_each_number_once_and_words_are_none():
    assert extract_numbers(CallMetadata(caller="+1 202 555 0143", callee="101", extension="101")) == (
        "12025550143",
        "101",
    )
    assert extract_numbers(CallMetadata(caller="anonymous", callee="2025550100", extension="7")) == ("2025550100", "7")
    assert extract_numbers(CallMetadata(remote_number="2025550143", extension="102")) == ("2025550143", "102")
    assert extract_numbers(CallMetadata()) == ()


def test_no_transition_changes_what_the_narrow_indexes_hold():
    """DynamoDB writes to an index when something in it changes, and each write costs."""
    held = set()
    for index in INDEXES:
        if index["IndexName"] in SEARCH_INDEXES:
            held |= {key["AttributeName"] for key in index["KeySchema"]}
            held |= set(index["Projection"].get("NonKeyAttributes", ()))
    assert {"n1", "call", "name", "numbers", "recorded_at"} < held
    jitter, policy, error = random.Random(1), retry_policy.RetryPolicy(), RetryableError("no", code="no")
    seen = replace(recording(caller="2025550143"), claim_token="t", status=Status.PROCESSING, attempts=1)
    place = sort_keys.QueueEntry(seen.id, Status.PENDING, seen.sort_key)
    text = TranscriptRef(version="v", language="en", duration=1.0, preview="p", no_speech=False)
    changes = [
        state_machine.enqueue(place, NOW),
        claims.claim(replace(place, status=Status.QUEUED), "t", NOW, NOW),
        claims.await_job(seen, "s", NOW),
        claims.claim_for_poll(seen, "t", NOW, NOW),
        claims.complete(seen, text, NOW),
        claims.fail(seen, error, policy, NOW, jitter),
        claims.requeue_after_outage(seen, ServiceUnavailable("no"), policy, NOW, jitter, is_probe=False),
        claims.recover_expired(seen, policy, NOW),
        state_machine.user_transition(replace(seen, status=Status.FAILED), Status.QUEUED, NOW),
        state_machine.complete_from_sidecar(replace(seen, status=Status.FAILED), text, NOW),
    ]
    for change in changes:
        assert not {"metadata", "key", *held} & change.updates.keys()


@given(st.text(st.characters(codec="utf-8"), max_size=2000))
def test_a_name_always_fits_into_the_index(name):
    assert len(normalise_file_name(name).encode()) <= MAX_KEY_BYTES


@pytest.mark.parametrize("text", ["2025550143", "+1 (202) 555-0143", " 0143 "])
def test_what_looks_like_a_number_is_looked_for_as_one(text):
    assert BY_NUMBER[0] in SearchQuery.parse(text).matching_indexes(recording(caller="2025550143"))


def test_what_is_typed_may_be_a_call_id_or_the_beginning_of_a_name_in_any_case():
    seen = recording("a/In-2025550143-A.WAV", call_id="AbC.17", caller="101")
    assert SearchQuery.parse("aBc.17").matching_indexes(seen) == [BY_CALL]
    assert SearchQuery.parse("in-202555").matching_indexes(seen) == [BY_NAME]
    assert SearchQuery.parse("a/in-").matching_indexes(seen) == [BY_NAME]
    assert SearchQuery.parse("n-202555").matching_indexes(seen) == []
    assert SearchQuery.parse("101").matching_indexes(seen) == [BY_NUMBER[0]]
    assert SearchQuery.parse(seen.id.upper()).id == seen.id
    assert SearchQuery.parse("2026-04-05") == SearchQuery(call_id="2026-04-05", file_name="2026-04-05")
