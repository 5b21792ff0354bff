"""Answers as few bytes: text is sent compressed to who can read that. The last thing that happens to an answer."""

import gzip
from base64 import b64encode
from typing import Any

from functions.api.accept import takes

CODING = "gzip"
LEVEL = 6
"""A page of the list, 61 kB, becomes 5.9 kB in 0.3 ms. 9 saves 1 % of that for twice the time; 1 leaves 16 % more."""

SMALL = 1024
"""Bytes. What is smaller fits into one packet either way."""


def compressed(answer: dict[str, Any], accept_encoding: str) -> dict[str, Any]:
    """The answer as a client that sends this Accept-Encoding gets it.

    What is in base64 already is audio, which does not become smaller, and whose ranges count the bytes of the file. All
    else varies with the header, a 304 as well: a cache in between keeps the representations apart.
    """
    if answer.get("isBase64Encoded"):
        return answer
    given = answer["headers"]
    headers = {**given, "Vary": ", ".join(each for each in (given.get("Vary", ""), "Accept-Encoding") if each)}
    content = (answer.get("body") or "").encode()
    if len(content) < SMALL or not takes(accept_encoding, CODING):
        return {**answer, "headers": headers}
    body = b64encode(gzip.compress(content, LEVEL, mtime=0)).decode()
    return {**answer, "headers": headers | {"Content-Encoding": CODING}, "body": body, "isBase64Encoded": True}
