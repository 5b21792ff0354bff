"""What clients send as Accept and Accept-Encoding, and what they get."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.http_response import accepts_encoding, best_match

OFFERED = ("application/json", "text/plain", "application/x-subrip", "text/vtt")
JSON, TEXT, SUBRIP, WEBVTT = OFFERED


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
def test_the_preferred_type_is_chosen_and_the_first_of_equals(accept, expected):
    assert best_match(accept, OFFERED) == expected


@given(st.text(st.sampled_from('*/;,=q0.1 tex"vplain\x00ü')) | st.text())
def test_no_header_breaks_it(accept):
    assert best_match(accept, OFFERED) in (*OFFERED, None)
    assert accepts_encoding(accept, "gzip") in (True, False)


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [("", False), ("gzip, deflate, br", True), ("br, GZip ;q=0.5", True), ("*", True), ("gzip;q=0, *", False)],
)
def test_a_coding_is_taken_when_it_or_all_are_named(accept_encoding, expected):
    assert accepts_encoding(accept_encoding, "gzip") is expected
