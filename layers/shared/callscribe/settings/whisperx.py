"""The settings of the module whisperx: the template's defaults, and the overrides set over the API.

The credentials are not among them: they are stored in Secrets Manager, with the server that they were set for.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from callscribe.settings import environment
from callscribe.settings.certificates import ca_certificates
from callscribe.settings.environment import validated_field

DIALECTS = ("asr", "tasks", "openai")
"""The HTTP contracts of WhisperX servers: each is a Python module in `callscribe.whisperx.dialects`."""

ENV_FIELD: Mapping[str, str] = {
    "base_url": "whisperx_url",
    "dialect": "whisperx_dialect",
    "language": "whisperx_language",
    "diarize": "whisperx_diarize",
    "model": "whisperx_model",
    "options": "whisperx_options",
    "ca_certificate": "whisperx_ca_certificate",
}
"""The field of WhisperXSettings, which is also the environment variable, for each name of the API."""

MODEL_NAME = re.compile("[A-Za-z0-9._/:-]*")

HEADER_SAFE = re.compile("[!-~]*")
"""An API key that can be sent in a header: printable ASCII without spaces."""

HEADER_NAME = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""A token of RFC 9110, 5.6.2."""

HEADER_VALUE = re.compile("(?=.{1,4096}$)[!-~]([ -~]*[!-~])?")
"""Printable ASCII, with spaces inside. Many servers reject longer values."""

MAX_HEADERS = 20

RESERVED_HEADERS = {
    *("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type"),
    *("expect", "host", "keep-alive", "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade"),
}
"""Headers that Callscribe sets itself, or that would change how the request is sent or answered; in lower case."""

BASIC_WITH_PASSWORD = re.compile("(?i:basic) +([^:]*:.*)")
"""A user and a password as a user types them. In base64, as they are sent (RFC 7617), there is no colon."""

PASSWORD_HEADERS = ("authorization", "proxy-authorization")


@dataclass(frozen=True, kw_only=True)
class WhisperXSettings:
    """How to reach the customer's WhisperX server. With an empty `language` or `model`, the server decides.

    `options` are further request options, named as the server names them: `device=cpu&compute_type=int8`.
    `whisperx_ca_certificate`: certificates in PEM format that are trusted in addition to public authorities. It has no
    parameter in the template, because all variables of a Lambda function together may have 4 KB.
    """

    whisperx_url: str = validated_field(environment.http_url)
    whisperx_dialect: str = "asr"
    whisperx_language: str = validated_field(environment.language, default="")
    whisperx_diarize: bool = False
    whisperx_model: str = ""
    whisperx_options: str = validated_field(environment.query_string, default="")
    whisperx_ca_certificate: str = validated_field(ca_certificates, default="")

    @property
    def extra_options(self) -> list[tuple[str, str]]:
        """The parsed `whisperx_options`; a name may occur several times. One with an empty value is not to be sent."""
        return parse_qsl(self.whisperx_options, keep_blank_values=True)

    @property
    def request_options(self) -> dict[str, Any]:
        """The request options to record with a transcript.

        `WhisperXOptions` overrides the individual settings. Of custom options only the names are recorded, because a
        value may be a secret.
        """
        options = dict(self.extra_options)
        return {
            "language": options.get("language", self.whisperx_language) or None,
            "model": options.get("model", self.whisperx_model) or None,
            "diarize": options.get("diarize", str(self.whisperx_diarize)).lower() == "true",
            "options": sorted(options),
        }

    def effective_settings(self, overrides: Mapping[str, Any]) -> Self:
        """The effective settings: template defaults with user overrides applied; those of others are ignored."""
        names = {field.name for field in fields(self)}
        by_field = {ENV_FIELD.get(name, name): value for name, value in overrides.items()}
        return replace(self, **{name: value for name, value in by_field.items() if name in names})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What lets a request in at the WhisperX server: an API key, sent as `Bearer`, and headers; each may be empty.

    `server`: the origin of the server that they were set for; empty means the template's.
    """

    api_key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    server: str = ""

    @classmethod
    def from_secret(cls, text: str) -> Self:
        """Read them from the text of the secret, which is empty if none were ever set.

        Raises: ValueError, which does not quote the text, when it is malformed.
        """
        if not text:
            return cls()
        try:
            secret = json.loads(text)
            key, headers, server = secret.get("apiKey", ""), secret.get("headers") or {}, secret.get("server") or ""
            is_valid = bool(secret.keys() & {"apiKey", "headers"}) and isinstance(server, str)
            is_valid = is_valid and all(isinstance(value, str) for value in (key, *headers.values()))
        except (ValueError, AttributeError, RecursionError):
            is_valid = False
        if not is_valid:
            raise ValueError("malformed")
        return cls(key.strip(), headers, server)

    def to_secret(self) -> str:
        """The text of the secret."""
        members = {"headers": dict(self.headers), "server": self.server}
        return json.dumps({"apiKey": self.api_key} | {name: value for name, value in members.items() if value})

    def __bool__(self) -> bool:
        return bool(self.api_key or self.headers)

    @property
    def request_headers(self) -> dict[str, str]:
        """The headers of each request."""
        headers = {
            name: _encode_password(value) if name.lower() in PASSWORD_HEADERS else value
            for name, value in self.headers.items()
        }
        return headers | ({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {})


def _encode_password(value: str) -> str:
    match = BASIC_WITH_PASSWORD.fullmatch(value)
    return f"Basic {b64encode(match[1].encode()).decode()}" if match else value


def credential_errors(credentials: Credentials) -> dict[str, str]:
    """What is wrong with credentials, by setting, without quoting a value; empty if they can be sent."""
    results = {
        "api_key": None
        if HEADER_SAFE.fullmatch(credentials.api_key)
        else "contains characters that cannot be sent in a header: use printable ASCII without spaces",
        "headers": _headers_error(credentials),
    }
    return {name: problem for name, problem in results.items() if problem}


def _headers_error(credentials: Credentials) -> str | None:
    names = [name.lower() for name in credentials.headers]
    if not all(map(HEADER_NAME.fullmatch, names)):
        return "must have names such as X-API-Key: letters, digits and hyphens"
    if reserved := RESERVED_HEADERS.intersection(names):
        return f"must not contain {', '.join(sorted(reserved))}: Callscribe sets these itself, or cannot use them"
    if not all(map(HEADER_VALUE.fullmatch, credentials.headers.values())):
        return "must have values of at most 4096 characters of printable ASCII; none may be empty"
    if len(names) > MAX_HEADERS or len(set(names)) < len(names):
        return f"must be at most {MAX_HEADERS}, each only once"
    if credentials.api_key and "authorization" in names:
        return "must not contain Authorization together with an API key, which is sent in it: remove one of them"
    return None


def server_origin(url: str) -> str:
    """The scheme, host and port of a URL: credentials that were set for one path may be sent to another."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').removesuffix('.')}:{port}"


def _validate_model(value: str) -> str | None:
    return None if MODEL_NAME.fullmatch(value) else "must be the name of a model, such as large-v3, or empty"


VALIDATORS: Mapping[str, environment.Validator] = {
    "base_url": environment.http_url,
    "dialect": environment.choice(*DIALECTS),
    "language": environment.language,
    "diarize": lambda _value: None,
    "model": _validate_model,
    "options": environment.query_string,
    "ca_certificate": ca_certificates,
}
"""By the name of the setting."""
