"""Conditional and partial GET: which bytes a Range asks for, and which entity tags mean that nothing has changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.http_response import RangeNotSatisfiable, etag, not_modified, parse_byte_range

TAG = etag("a")
LENGTHS = st.integers(1, 10**12)


def asked(wanted, length=1000, **headers):
    return parse_byte_range(
        {"range": wanted} | {name.replace("_", "-"): value for name, value in headers.items()}, TAG, length
    )


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-499", (0, 499)),
        ("bytes=500-999", (500, 999)),
        ("bytes=500-", (500, 999)),
        ("bytes=-500", (500, 999)),
        ("bytes=-5000", (0, 999)),
        ("bytes=999-5000", (999, 999)),
        ("bytes=0-18446744073709551615", (0, 999)),
        ("Bytes=0-9", (0, 9)),
        ("bytes= 0-9 ", (0, 9)),
    ],
)
def test_a_range_is_the_bytes_that_it_names_as_far_as_there_are_any(wanted, part):
    assert asked(wanted) == part


@pytest.mark.parametrize("wanted", ["bytes=1000-", "bytes=1000-1000", "bytes=99999999999999999999-", "bytes=-0"])
def test_a_range_that_begins_behind_the_end_or_is_empty_cannot_be_had(wanted):
    with pytest.raises(RangeNotSatisfiable):
        asked(wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1-0",
        "bytes=+1-2",
        "bytes=0-1,5-6",
        "items=0-9",
        "bytes=٠-٩",
        "bytes=1 0-2",
    ],
)
def test_what_is_no_single_range_of_bytes_counts_as_none(wanted):
    assert asked(wanted) is None


def test_without_the_header_the_whole_is_asked_for():
    assert parse_byte_range({}, TAG, 1000) is None


def test_an_empty_file_has_no_first_byte_and_its_last_ones_are_the_whole():
    assert asked("bytes=-5", length=0) is None
    for wanted in ("bytes=0-", "bytes=0-0", "bytes=-0"):
        with pytest.raises(RangeNotSatisfiable):
            asked(wanted, length=0)


def test_if_range_wants_the_part_only_of_the_very_same_file():
    assert asked("bytes=5-9", if_range=TAG) == (5, 9)
    for other in (etag("b"), f"W/{TAG}", TAG.strip('"'), "*", "", "Wed, 18 Nov 2026 09:30:12 GMT", f"{TAG}, {TAG}"):
        assert asked("bytes=5-9", if_range=other) is None
    assert asked("bytes=1000-", if_range=etag("b")) is None
    with pytest.raises(RangeNotSatisfiable):
        asked("bytes=1000-", if_range=TAG)


@given(LENGTHS, st.data())
def test_every_byte_can_be_asked_for_from_the_front_and_from_the_back(length, data):
    first = data.draw(st.integers(0, length - 1))
    last = data.draw(st.integers(first, length - 1))
    assert asked(f"bytes={first}-{last}", length) == (first, last)
    assert asked(f"bytes={first}-", length) == asked(f"bytes=-{length - first}", length) == (first, length - 1)


@given(st.one_of(st.text(), st.from_regex(r"bytes=[0-9 ,-]{0,30}", fullmatch=True)), st.integers(0, 10**6))
def test_whatever_is_asked_for_lies_within_the_file(wanted, length):
    try:
        part = asked(wanted, length)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part[0] <= part[1] < length


@pytest.mark.parametrize("known", [TAG, f"W/{TAG}", f'"x", {TAG}', f'"x" ,W/{TAG} , "y"', "*"])
def test_a_client_that_names_the_tag_has_it_already(known):
    assert not_modified({"if-none-match": known}, TAG)


@pytest.mark.parametrize("known", ["", '""', '"x"', TAG.strip('"'), "W/", ",", "**"])
def test_any_other_tag_is_not_known(known):
    assert not not_modified({"if-none-match": known}, TAG)
    assert not not_modified({}, TAG)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_a_tag_tells_its_parts_from_all_others_and_is_quoted(one, other):
    without_nul = [[part.replace("\0", "") for part in parts] or [""] for parts in (one, other)]
    assert (etag(*without_nul[0]) == etag(*without_nul[1])) is (without_nul[0] == without_nul[1])
    assert etag(*one).strip('"').isalnum()
    assert etag(*one)[0] == etag(*one)[-1] == '"'
