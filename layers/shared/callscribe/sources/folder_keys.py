"""The keys of files in a folder: their paths, with an escape for bytes that are not UTF-8."""

_PRIVATE_USE_BASE = 0x10FD00
ESCAPE_DECODE = {_PRIVATE_USE_BASE + byte: 0xDC00 + byte for byte in range(0x80, 0x100)}
"""Linux allows any bytes in a name, DynamoDB only UTF-8. In a key, each byte that is not UTF-8 is represented by a
private use character; in Python it is a lone surrogate."""
ESCAPE_ENCODE = {surrogate: private for private, surrogate in ESCAPE_DECODE.items()} | {
    private: "".join(chr(_PRIVATE_USE_BASE + byte) for byte in chr(private).encode()) for private in ESCAPE_DECODE
}
"""The inverse. If a name contains such a private use character, each of its bytes is escaped."""


def key_to_path(key: str) -> str:
    """The absolute path of the file with this key."""
    return f"/{key if key.isascii() else key.translate(ESCAPE_DECODE)}"


def path_to_key(path: str) -> str:
    """The key of the file at this absolute path."""
    return escape_name(path.lstrip("/"))


def escape_name(name: str) -> str:
    """A name as Python reads it from the file system, as part of a key."""
    return name if name.isascii() else name.translate(ESCAPE_ENCODE)
