"""The CA certificates that a user sets for the WhisperX server, in PEM format: parsed and validated."""

import re
import ssl
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime

from callscribe.clock import utc_now

MAX_PEM_LENGTH = 16_384
"""Characters: about ten certificates with RSA keys."""

PEM_BLOCK = re.compile("-----BEGIN (?:X509 )?CERTIFICATE-----(.*?)-----END (?:X509 )?CERTIFICATE-----", re.DOTALL)

LINE_BREAKS = re.compile(r"\\[rn]|\s")
"""Also those that a user copied from JSON."""

VERSION_TAG = 0xA0
UTC_TIME_TAG = 0x17
LONG_FORM = 0x80
"""Bytes of DER (X.690, 8.1)."""


def parse_certificates(pem: str) -> list[bytes]:
    """The certificates in a PEM text, in DER; other text between them is skipped.

    Raises: ValueError, when one of them is not base64.
    """
    return [b64decode(LINE_BREAKS.sub("", match[1]), validate=True) for match in PEM_BLOCK.finditer(pem)]


def ca_certificates(value: str) -> str | None:
    """Validate the certificates of authorities, or a self-signed one of a server. Empty: only public authorities."""
    if not value:
        return None
    if "PRIVATE KEY" in value:
        return "contains a private key, which is not stored: enter only the certificate"
    try:
        certificates = parse_certificates(value)
        expiry_dates = [_expiry_date(certificate) for certificate in certificates if _is_trust_anchor(certificate)]
    except (ValueError, ssl.SSLError):
        return "contains a certificate that cannot be read"
    if not certificates or len(value) > MAX_PEM_LENGTH:
        return f"must be certificates in PEM format (-----BEGIN CERTIFICATE-----), at most {MAX_PEM_LENGTH} characters"
    if not expiry_dates:
        return "is the certificate of a server only: enter that of the authority that signed it, which outlives it"
    expired_on = max(expiry_dates)
    return f"expired on {expired_on:%d %B %Y}: enter the one that replaces it" if expired_on < utc_now() else None


def _is_trust_anchor(der: bytes) -> bool:
    """Whether a certificate is one of an authority, or self-signed. Raises: ssl.SSLError, when OpenSSL rejects it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=der)
    _, _, issuer, _, subject, *_ = _fields(der)
    return context.cert_store_stats()["x509_ca"] > 0 or issuer == subject


def _expiry_date(der: bytes) -> datetime:
    _, _, _, validity, *_ = _fields(der)
    _, (tag, text) = _elements(validity)
    year = "%y" if tag == UTC_TIME_TAG else "%Y"
    return datetime.strptime(text.decode(), f"{year}%m%d%H%M%SZ").replace(tzinfo=UTC)


def _fields(der: bytes) -> list[bytes]:
    """Serial number, algorithm, issuer, validity, subject and so on (RFC 5280, 4.1) of a certificate that is valid."""
    ((_, certificate),) = list(_elements(der))[:1]
    ((_, to_be_signed),) = list(_elements(certificate))[:1]
    return [content for tag, content in _elements(to_be_signed) if tag != VERSION_TAG]


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each element in the content of a DER element."""
    position = 0
    while position < len(der):
        tag, length, start = der[position], der[position + 1], position + 2
        if length & LONG_FORM:
            start += length - LONG_FORM
            length = int.from_bytes(der[position + 2 : start])
        position = start + length
        yield tag, der[start:position]
