"""The credentials of the WhisperX server: how they are stored, validated and sent."""

import json

import pytest

from callscribe.settings.whisperx import MAX_HEADERS, Credentials, credential_errors

ACCESS = {"CF-Access-Client-Id": "id.access", "CF-Access-Client-Secret": "s3cret"}


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        (Credentials(), {}),
        (Credentials("k3y"), {"Authorization": "Bearer k3y"}),
        (Credentials("k3y", ACCESS), {"Authorization": "Bearer k3y", **ACCESS}),
        (Credentials("", {"X-API-Key": "a b"}), {"X-API-Key": "a b"}),
        (Credentials("", {"authorization": "Basic user:secret"}), {"authorization": "Basic dXNlcjpzZWNyZXQ="}),
        (Credentials("", {"Authorization": "basic user:a:b c"}), {"Authorization": "Basic dXNlcjphOmIgYw=="}),
        (Credentials("", {"Authorization": "Basic dXNlcjpzZWNyZXQ="}), {"Authorization": "Basic dXNlcjpzZWNyZXQ="}),
        (Credentials("", {"Authorization": "Token a:b"}), {"Authorization": "Token a:b"}),
        (Credentials("", {"X-Auth": "Basic user:secret"}), {"X-Auth": "Basic user:secret"}),
    ],
)
def test_key_and_headers_are_sent_together(credentials, sent):
    assert credentials.request_headers == sent
    assert credential_errors(credentials) == {}
    assert Credentials.from_secret(credentials.to_secret()) == credentials


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "s3cret") for name in ("", "a b", "a:b", "X-Kéy", "a\r\nb", "a\n", "x" * 101)),
        *((name, "s3cret") for name in ("Host", "content-length", "Content-Type", "TRANSFER-ENCODING", "Connection")),
        *((name, "s3cret") for name in ("Accept", "Accept-Encoding", "Expect", "Range", "Upgrade", "TE")),
        *(("X-API-Key", f"s3cret{end}") for end in ("\r\nHost: b", "\n", "\0", "\t", " ", "ü", "\x7f")),
        *(("X-API-Key", value) for value in ("", " s3cret", "s3cret" * 1000)),
    ],
)
def test_header_that_cannot_be_sent_is_refused_without_quoting_it(name, value):
    (setting, message), *others = credential_errors(Credentials("", {name: value})).items()
    assert (setting, others) == ("headers", [])
    assert "s3cret" not in message


def test_headers_are_limited_and_have_different_names():
    many = {f"X-{number}": "a" for number in range(MAX_HEADERS)}
    assert credential_errors(Credentials("", many)) == {}
    assert "headers" in credential_errors(Credentials("", many | {"X-More": "a"}))
    assert "once" in credential_errors(Credentials("", {"X-API-Key": "a", "x-api-key": "b"}))["headers"]


def test_authorization_and_a_key_are_a_conflict():
    message = credential_errors(Credentials("k3y", {"authorization": "Basic a:b"}))["headers"]
    assert "Authorization together with an API key" in message


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ({"apiKey": " k3y\n"}, Credentials("k3y")),
        ({"apiKey": "", "headers": {"X-API-Key": "a"}}, Credentials("", {"X-API-Key": "a"})),
        ({"headers": {"X-API-Key": "a"}, "server": "http://a:80"}, Credentials("", {"X-API-Key": "a"}, "http://a:80")),
        ({"apiKey": "k3y", "headers": None, "server": None}, Credentials("k3y")),
    ],
)
def test_secret_can_be_written_by_hand(secret, expected):
    assert Credentials.from_secret(json.dumps(secret)) == expected


def test_secret_without_a_value_has_no_credentials():
    assert Credentials.from_secret("") == Credentials()


@pytest.mark.parametrize(
    "secret",
    ["k3y", "[]", "{}", '"k3y"', '{"apiKey": null}', '{"headers": ["A"]}', '{"headers": {"A": 1}}', "[" * 99999],
)
def test_malformed_secret_is_not_quoted(secret):
    with pytest.raises(ValueError, match=r"^malformed$"):
        Credentials.from_secret(secret)


def test_credentials_print_no_secret():
    assert "s3cret" not in repr(Credentials("s3cret", {"X-API-Key": "s3cret"}, "http://a:80"))
