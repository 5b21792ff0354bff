"""The ID3 tags of an MP3 file: version 2 before the audio, version 1 after it."""

ID3V1_BYTES, ID3V2_HEADER_BYTES = 128, 10
"""Sizes of the tag after the audio, and of the header of the tag before it."""


def leading_tag_bytes(head: bytes) -> int:
    """The size of the tag at the beginning of a file, from its first bytes; 0 without one."""
    if not head.startswith(b"ID3") or len(head) < ID3V2_HEADER_BYTES:
        return 0
    # seven bits per byte
    return ID3V2_HEADER_BYTES + sum(
        (byte & 0x7F) << 7 * position for position, byte in enumerate(reversed(head[6:ID3V2_HEADER_BYTES]))
    )
