"""Audio for tests of what sends it."""


class Bytes:
    """Of so many bytes, made while it is read; `really`: so many come out of it."""

    def __init__(self, length, really=None):
        self.length = length
        self._left = length if really is None else really

    def read(self, size=-1):
        chunk = min(self._left, size if size >= 0 else self._left)
        self._left -= chunk
        return b"a" * chunk
