"""What clients send as Accept, and what they get."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.accept import best, takes

OFFERED = ("application/json", "text/plain", "application/x-subrip", "text/vtt")
JSON, TEXT, SUBRIP, WEBVTT = OFFERED


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/vtt", WEBVTT),
        ("Text/VTT; charset=utf-8", WEBVTT),
        ("application/x-subrip, */*;q=0.1", SUBRIP),
        ("text/*", TEXT),
        ("text/*, text/plain;q=0.5", WEBVTT),
        ("text/vtt;q=0.5, text/plain;q=0.7", TEXT),
        ("text/vtt ; Q=0.5 , application/x-subrip;q=0.50", SUBRIP),
        ("*/*, application/json;q=0", TEXT),
        ("application/json, text/plain, */*", JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", JSON),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        ("text/vtt;q=0.1, text/vtt;q=0.9, text/plain;q=0.5", WEBVTT),
        ("text/vtt;q=high, text/plain;q=2, ;, /, nonsense", JSON),
        ("text/vtt;q=nan", JSON),
        ("text/html", None),
        ("text/vtt;q=0", None),
        ("*/*;q=0", None),
    ],
)
def test_the_best_liked_is_chosen_and_the_first_of_those_liked_alike(accept, expected):
    assert best(accept, OFFERED) == expected


@given(st.text(st.sampled_from('*/;,=q0.1 tex"vplain\x00ü')) | st.text())
def test_no_header_breaks_it(accept):
    assert best(accept, OFFERED) in (*OFFERED, None)
    assert takes(accept, "gzip") in (True, False)


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZip ;q=0.001", True),
        ("*", True),
        ("*;q=0, gzip", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("identity;q=1, *;q=0", False),
        ("gzipped, br", False),
        ("gzip;q=nan", False),
    ],
)
def test_a_coding_is_taken_by_who_names_it_or_all(accept_encoding, expected):
    assert takes(accept_encoding, "gzip") is expected
