"""Cursors are accepted only as they were issued."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.errors import ApiError
from functions.api.http_request import _checksum, decode_cursor, encode_cursor

POSITION = {"id": {"S": "abc"}, "status": {"S": "queued"}}


def test_cursor_round_trip():
    assert decode_cursor(encode_cursor(POSITION, "queued"), "queued") == POSITION


def test_no_position_has_no_cursor():
    assert encode_cursor(None, "queued") is None
    assert decode_cursor(None, "queued") is None


@pytest.mark.parametrize("cursor", ["", "x", "äöü", "a" * 200, "=", "%%%"])
def test_malformed_cursor_is_rejected(cursor):
    with pytest.raises(ApiError) as raised:
        decode_cursor(cursor, "queued")
    assert (raised.value.status, raised.value.code) == (400, "invalid_cursor")


def test_cursor_of_another_list_is_rejected():
    with pytest.raises(ApiError):
        decode_cursor(encode_cursor(POSITION, "queued"), "failed")


@given(st.data())
def test_cursor_with_a_changed_character_is_rejected(data):
    cursor = encode_cursor(POSITION, "queued")
    assert cursor
    index = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("Aa0-_b9Z").filter(lambda character: character != cursor[index]))
    with pytest.raises(ApiError):
        decode_cursor(cursor[:index] + other + cursor[index + 1 :], "queued")


@pytest.mark.parametrize("position", [b"not json", b"1", b"[]", b"null", b'{"id": 1}', b'{"id": {"N": "1"}}', b"{}"])
def test_cursor_with_valid_checksum_but_invalid_position_is_rejected(position):
    forged = urlsafe_b64encode(_checksum(position, "queued") + position).decode().rstrip("=")
    with pytest.raises(ApiError):
        decode_cursor(forged, "queued")
