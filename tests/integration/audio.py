"""Generated audio for upload tests, and a parser for the multipart bodies that were received."""

from email.parser import BytesParser
from email.policy import HTTP


class Bytes:
    """Audio that declares `length` bytes and generates them while it is read; `available`: how many it returns."""

    def __init__(self, length, available=None):
        self.length = length
        self._left = length if available is None else available

    def read(self, size=-1):
        chunk = min(self._left, size if size >= 0 else self._left)
        self._left -= chunk
        return b"a" * chunk


def parts(received):
    """The parts of a multipart body received by the scripted service."""
    head = f"Content-Type: {received.headers['content-type']}\r\n\r\n".encode()
    return list(BytesParser(policy=HTTP).parsebytes(head + received.body).iter_parts())
