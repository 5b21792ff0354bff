"""Answers as few bytes: text is sent compressed to who can read that. The last thing that happens to an answer."""

import gzip
from base64 import b64encode
from typing import Any

from functions.api.content_negotiation import accepts_encoding

CODING = "gzip"
GZIP_LEVEL = 6
"""A page of the list, 61 kB, becomes 5.9 kB in 0.3 ms. 9 saves 1 % of that for twice the time; 1 leaves 16 % more."""

MIN_COMPRESSED_BYTES = 1024
"""Bytes. What is smaller fits into one packet either way."""


def compress_response(response: dict[str, Any], accept_encoding: str) -> dict[str, Any]:
    """The answer as a client that sends this Accept-Encoding gets it.

    What is in base64 already is audio, which does not become smaller, and whose ranges count the bytes of the file. All
    else varies with the header, a 304 as well: a cache in between keeps the representations apart.
    """
    if response.get("isBase64Encoded"):
        return response
    original_headers = response["headers"]
    headers = {
        **original_headers,
        "Vary": ", ".join(each for each in (original_headers.get("Vary", ""), "Accept-Encoding") if each),
    }
    content = (response.get("body") or "").encode()
    if len(content) < MIN_COMPRESSED_BYTES or not accepts_encoding(accept_encoding, CODING):
        return {**response, "headers": headers}
    body = b64encode(gzip.compress(content, GZIP_LEVEL, mtime=0)).decode()
    return {**response, "headers": headers | {"Content-Encoding": CODING}, "body": body, "isBase64Encoded": True}
