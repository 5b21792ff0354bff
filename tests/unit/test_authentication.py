"""The message of a refused request names what the server requires, and repeats nothing that the server wrote."""

import pytest
from requests.structures import CaseInsensitiveDict

from callscribe.errors import ServiceUnavailable
from callscribe.whisperx import Response
from callscribe.whisperx.response_errors import raise_for_status

PLANTED = "planted-9b1d"
BASIC, BEARER, CHOICE = "Authorization to Basic USER:PASSWORD", "an API key (Bearer)", "kind of authentication"
ACCESS, SIGN_IN, DEFAULT = "CF-Access-Client-Id", "sign-in page", "the header that this server requires"


def refuse(status, body="", **headers):
    """The error for a response."""
    named = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    with pytest.raises(ServiceUnavailable) as raised:
        raise_for_status(Response(status, named, body.encode()))
    return raised.value


@pytest.mark.parametrize(
    ("status", "challenge", "expected"),
    [
        (401, f'Basic realm="{PLANTED}"', BASIC),
        (401, f'basic realm="{PLANTED}", charset="UTF-8"', BASIC),
        (401, "Bearer", BEARER),
        (401, f'Bearer realm="{PLANTED}", error="invalid_token"', BEARER),
        (401, 'Negotiate, Basic realm="a"', BASIC),
        (401, 'ApiKey realm="a"', "X-API-Key"),
        (401, "APIKey", "X-API-Key"),
        (401, 'Key realm="kong"', "header of its own"),
        (401, 'Digest realm="a", nonce="b"', CHOICE),
        (403, "NTLM", CHOICE),
        (401, 'Cloudflare-Access resource_metadata="https://a"', ACCESS),
        (401, f"{PLANTED}", DEFAULT),
        (401, "", DEFAULT),
        (403, "", DEFAULT),
    ],
)
def test_scheme_of_the_challenge_is_named(status, challenge, expected):
    error = refuse(status, PLANTED, WWW_Authenticate=challenge)
    assert (error.code, error.status) == ("authentication_failed", status)
    assert expected in error.message
    assert str(status) in error.message
    assert PLANTED not in error.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"detail": "Missing X-API-Key header"}', "the header X-API-Key"),
        ('{"detail": "x-api-key required"}', "the header X-API-Key"),
        ('{"error": "no X-Auth-Token"}', "the header X-Auth-Token"),
        ('{"message":"No API key found in request"}', "the header apikey"),
        ('{"message": "Access denied due to missing subscription key."}', "Ocp-Apim-Subscription-Key"),
        ("<title>Error - Cloudflare Access</title>", ACCESS),
        ('{"error": {"message": "Incorrect API key provided: sk-1"}}', DEFAULT),
        ('{"detail": "Not authenticated"}', DEFAULT),
        (f'{{"detail": "my-x-api-key-{PLANTED}"}}', DEFAULT),
    ],
)
def test_header_that_the_body_mentions_is_named(body, expected):
    error = refuse(401, body)
    assert expected in error.message
    assert PLANTED not in error.message


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"CF_Access_Domain": "whisperx.example.com"}, ACCESS),
        ({"cf_mitigated": "challenge"}, "takes Callscribe for a bot"),
    ],
)
def test_cloudflare_is_recognised_by_its_headers(headers, expected):
    assert expected in refuse(403, **headers).message


@pytest.mark.parametrize(
    ("location", "code", "expected"),
    [
        (f"https://team.cloudflareaccess.com/cdn-cgi/access/login/{PLANTED}", "authentication_failed", ACCESS),
        (f"https://{PLANTED}.example.com/cdn-cgi/access/login", "authentication_failed", ACCESS),
        ("/oauth2/start?rd=%2Fasr", "authentication_failed", SIGN_IN),
        ("https://login.microsoftonline.com/a/oauth2/v2.0/authorize", "authentication_failed", SIGN_IN),
        ("https://auth.example.com/?rd=https://a/", "authentication_failed", SIGN_IN),
        ("https://a/realms/b/protocol/openid-connect/auth?c", "authentication_failed", SIGN_IN),
        ("/login", "authentication_failed", SIGN_IN),
        ("https://whisperx.example.com/asr", "endpoint_not_found", "target of the redirect"),
        ("/authors/asr", "endpoint_not_found", "target of the redirect"),
        ("/logins-of-the-past", "endpoint_not_found", "target of the redirect"),
        ("", "endpoint_not_found", "target of the redirect"),
    ],
)
def test_redirect_to_a_sign_in_page_is_recognised(location, code, expected):
    error = refuse(302, Location=location)
    assert error.code == code
    assert expected in error.message
    assert PLANTED not in error.message


def test_proxy_that_requires_a_password():
    assert "Proxy-Authorization to Basic" in refuse(407, Proxy_Authenticate='Basic realm="a"').message
    assert "A proxy requires authentication" in refuse(407).message
