"""Which credentials a server requires when it refuses a request, for the error message.

Only known schemes, header names and phrases choose one of these texts; nothing that the server wrote is copied into it.
"""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

MISSING_HEADER = re.compile(r'"loc"\s*:\s*\[\s*"(header|cookie)"')
"""FastAPI's error about a header that the server declares as required, with the status 422 of all invalid requests."""

CLOUDFLARE_ACCESS = (
    "Cloudflare Access protects the server URL ({}). Set the server headers CF-Access-Client-Id and "
    "CF-Access-Client-Secret to those of a service token that its policy admits."
)
CLOUDFLARE_CHALLENGE = (
    "Cloudflare takes Callscribe for a bot ({}). Add a rule in Cloudflare that skips the challenge for this host."
)
SIGN_IN_PAGE = (
    "The server URL redirects to a sign-in page ({}). Configure the proxy in front of the server to accept an API "
    "key, a user and a password (Basic) or another header, and set that."
)

SCHEMES = {
    "cloudflare-access": CLOUDFLARE_ACCESS,
    "basic": (
        "The server requires a user and a password with Basic authentication ({}). Set the server header Authorization "
        "to Basic USER:PASSWORD."
    ),
    "bearer": "The server requires an API key (Bearer) and accepts none, or not this one ({}). Set the right API key.",
    "api-?key|key": (
        "The server requires a key in a header of its own, often X-API-Key ({}). Set this header with the right key."
    ),
    "digest|negotiate|ntlm|aws4-hmac-sha256|hawk|dpop|mutual": (
        "The server requires a kind of authentication that Callscribe does not support ({}). Configure it to accept an "
        "API key, a user and a password (Basic) or another header."
    ),
}
"""By the scheme in WWW-Authenticate (RFC 9110, 11.6.1), as a pattern; the first one that is offered counts."""

PROXY_BASIC = (
    "A proxy requires a user and a password with Basic authentication ({}). Set the server header Proxy-Authorization "
    "to Basic USER:PASSWORD."
)

KEY_HEADERS = ("X-API-Key", "X-Auth-Token", "X-Access-Token", "X-API-Token", "X-Auth-Key", "X-Token", "xi-api-key")
"""Names of headers with keys that servers mention in their responses."""

KEY_HEADER = "The server requires its key in the header {header} ({{}}). Set this server header with the right key."

UNKNOWN_HEADER = "The server requires a header that Callscribe does not send ({}). Set this server header."

PHRASES = (
    ("(?i)no api key found in request", KEY_HEADER.format(header="apikey")),  # Kong
    ("(?i)subscription key", KEY_HEADER.format(header="api-key or Ocp-Apim-Subscription-Key")),  # Azure
    ("(?i)cloudflare access|cloudflareaccess\\.com", CLOUDFLARE_ACCESS),
)

LOCATIONS = (
    (r"(?i)cloudflareaccess\.com/|/cdn-cgi/access/login", CLOUDFLARE_ACCESS),
    (
        r"(?i)/(log[_-]?in|sign[_-]?in|sso|saml2?|oauth2?|authorize|openid-connect|if/flow)([/?;.]|$)",
        SIGN_IN_PAGE,
    ),
    (r"(?i)^https?://(login|signin|sso|auth|accounts)\.", SIGN_IN_PAGE),
)
"""By a pattern in the target of a redirect."""


def requested_credentials(status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """The message, in which {} is the status; None unless the response is a refusal that says what it requires.

    `headers` are case-insensitive.
    """
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        location = headers.get("Location", "")
        return next((message for pattern, message in LOCATIONS if re.search(pattern, location)), None)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return PROXY_BASIC if _offers("basic", headers.get("Proxy-Authenticate", "")) else None
    text = body.decode(errors="replace")
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and MISSING_HEADER.search(text):
        return next(_find_requirements(headers, text), UNKNOWN_HEADER)
    return next(_find_requirements(headers, text), None) if status in REFUSED else None


def _find_requirements(headers: Mapping[str, str], text: str) -> Iterator[str]:
    """The messages for what a refusal requires, the surest first."""
    if any(name.lower().startswith("cf-access-") for name in headers):
        yield CLOUDFLARE_ACCESS
    if headers.get("cf-mitigated", "").lower() == "challenge":
        yield CLOUDFLARE_CHALLENGE
    challenge = headers.get("WWW-Authenticate", "")
    for name in KEY_HEADERS:
        if re.search(rf"(?i)(?<![\w-]){name}(?![\w-])", f"{challenge}\n{text}"):
            yield KEY_HEADER.format(header=name)
    yield from (message for scheme, message in SCHEMES.items() if _offers(scheme, challenge))
    yield from (message for phrase, message in PHRASES if re.search(phrase, text))


def _offers(scheme: str, challenge: str) -> bool:
    """Whether a challenge contains a scheme; several are separated by commas."""
    return re.search(rf"(?i)(^|,)\s*({scheme})(\s|,|$)", challenge) is not None
