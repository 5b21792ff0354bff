"""Content negotiation, byte ranges and entity tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.http_response import (
    RangeNotSatisfiable,
    accepts_encoding,
    best_match,
    etag,
    not_modified,
    parse_byte_range,
)

OFFERED = ("application/json", "text/plain", "application/x-subrip", "text/vtt")
JSON, TEXT, SUBRIP, WEBVTT = OFFERED
TAG = etag("a")
LENGTHS = st.integers(1, 10**12)


def parse(range_header, length=1000, **headers):
    return parse_byte_range(
        {"range": range_header} | {name.replace("_", "-"): value for name, value in headers.items()}, TAG, length
    )


@pytest.mark.parametrize(
    ("range_header", "part"),
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
def test_range_is_clipped_to_the_length_of_the_file(range_header, part):
    assert parse(range_header) == part


@pytest.mark.parametrize("range_header", ["bytes=1000-", "bytes=1000-1000", "bytes=99999999999999999999-", "bytes=-0"])
def test_range_after_the_end_or_empty_is_not_satisfiable(range_header):
    with pytest.raises(RangeNotSatisfiable):
        parse(range_header)


@pytest.mark.parametrize(
    "range_header",
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
def test_anything_but_a_single_byte_range_is_ignored(range_header):
    assert parse(range_header) is None


def test_without_range_header_the_whole_file_is_requested():
    assert parse_byte_range({}, TAG, 1000) is None


def test_suffix_range_of_an_empty_file_requests_the_whole_file():
    assert parse("bytes=-5", length=0) is None
    for range_header in ("bytes=0-", "bytes=0-0", "bytes=-0"):
        with pytest.raises(RangeNotSatisfiable):
            parse(range_header, length=0)


def test_if_range_with_another_tag_requests_the_whole_file():
    assert parse("bytes=5-9", if_range=TAG) == (5, 9)
    for other_tag in (etag("b"), f"W/{TAG}", TAG.strip('"'), "*", "", "Wed, 18 Nov 2026 09:30:12 GMT", f"{TAG}, {TAG}"):
        assert parse("bytes=5-9", if_range=other_tag) is None
    assert parse("bytes=1000-", if_range=etag("b")) is None
    with pytest.raises(RangeNotSatisfiable):
        parse("bytes=1000-", if_range=TAG)


@given(LENGTHS, st.data())
def test_first_last_and_suffix_ranges_address_the_same_bytes(length, data):
    first = data.draw(st.integers(0, length - 1))
    last = data.draw(st.integers(first, length - 1))
    assert parse(f"bytes={first}-{last}", length) == (first, last)
    assert parse(f"bytes={first}-", length) == parse(f"bytes=-{length - first}", length) == (first, length - 1)


@given(st.one_of(st.text(), st.from_regex(r"bytes=[0-9 ,-]{0,30}", fullmatch=True)), st.integers(0, 10**6))
def test_parsed_range_is_always_within_the_file(range_header, length):
    try:
        part = parse(range_header, length)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part[0] <= part[1] < length


@pytest.mark.parametrize("if_none_match", [TAG, f"W/{TAG}", f'"x", {TAG}', f'"x" ,W/{TAG} , "y"', "*"])
def test_if_none_match_with_the_tag_means_not_modified(if_none_match):
    assert not_modified({"if-none-match": if_none_match}, TAG)


@pytest.mark.parametrize("if_none_match", ["", '""', '"x"', TAG.strip('"'), "W/", ",", "**"])
def test_if_none_match_with_another_tag_means_modified(if_none_match):
    assert not not_modified({"if-none-match": if_none_match}, TAG)
    assert not not_modified({}, TAG)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_etags_are_quoted_and_differ_for_different_parts(one, other):
    without_nul = [[part.replace("\0", "") for part in parts] or [""] for parts in (one, other)]
    assert (etag(*without_nul[0]) == etag(*without_nul[1])) is (without_nul[0] == without_nul[1])
    assert etag(*one).strip('"').isalnum()
    assert etag(*one)[0] == etag(*one)[-1] == '"'


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/*", TEXT),
        ("Text/VTT; charset=utf-8", WEBVTT),
        ("application/x-subrip, */*;q=0.1", SUBRIP),
        ("text/vtt;q=0.5, text/plain;q=0.7", TEXT),
        ("text/*, text/plain;q=0.5", WEBVTT),
        ("*/*, application/json;q=0", TEXT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", JSON),
        ("text/html", None),
        ("text/vtt;q=0", None),
    ],
)
def test_best_match_prefers_the_highest_weight_then_the_first_offered(accept, expected):
    assert best_match(accept, OFFERED) == expected


@given(st.text(st.sampled_from('*/;,=q0.1 tex"vplain\x00ü')) | st.text())
def test_no_header_value_raises(accept):
    assert best_match(accept, OFFERED) in (*OFFERED, None)
    assert accepts_encoding(accept, "gzip") in (True, False)


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [("", False), ("gzip, deflate, br", True), ("br, GZip ;q=0.5", True), ("*", True), ("gzip;q=0, *", False)],
)
def test_encoding_is_accepted_if_named_or_matched_by_a_wildcard(accept_encoding, expected):
    assert accepts_encoding(accept_encoding, "gzip") is expected
