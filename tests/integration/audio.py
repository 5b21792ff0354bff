"""Audio for tests of what sends it, and what came of it."""

from email.parser import BytesParser
from email.policy import HTTP


class Bytes:
    """Of so many bytes, made while it is read; `really`: so many come out of it."""

    def __init__(self, length, really=None):
        self.length = length
        self._left = length if really is None else really

    def read(self, size=-1):
        chunk = min(self._left, size if size >= 0 else self._left)
        self._left -= chunk
        return b"a" * chunk


def parts(received):
    """The parts of a multipart body that the scripted service received."""
    head = f"Content-Type: {received.headers['content-type']}\r\n\r\n".encode()
    return list(BytesParser(policy=HTTP).parsebytes(head + received.body).iter_parts())
