"""A text beside a recording: what was said, a segment a line, without times."""

import codecs

from callscribe.transcripts.transcript import Segment, Transcript

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""What a text may begin with, and its encoding: UTF-32 before UTF-16, whose mark is the beginning of the other's."""

MAX_LINES = 100_000
"""Of a transcript; a day has fewer. What has more is one segment."""

VOICEMAIL_HEADER = "[message]"
"""So begins what Asterisk writes beside a voice message: settings, and nothing that was said."""


def decode_text(body: bytes) -> str | None:
    """By its mark, else UTF-8 or, where it is none, Windows' own; None if it is no text."""
    encoding = next((name for bom, name in BYTE_ORDER_MARKS if body.startswith(bom)), "utf-8")
    if encoding == "utf-8" and b"\0" in body[:4]:
        encoding = "utf-16-be" if body[0] == 0 else "utf-16-le"
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        text = body.decode("cp1252" if encoding == "utf-8" else encoding, errors="replace")
    return None if "\0" in text else text


def parse_plain_text(text: str) -> Transcript | None:
    """None if it is blank."""
    lines = [line for line in map(_clean_line, text.splitlines()) if line]
    if len(lines) > MAX_LINES:
        lines = [" ".join(lines)]
    spoken_lines = [line for line in lines if not line.startswith(";")]
    if not lines or (spoken_lines and spoken_lines[0].lower() == VOICEMAIL_HEADER):
        return None
    return Transcript(segments=tuple(Segment(text=line) for line in lines))


def _clean_line(line: str) -> str:
    """As it can be stored: half a surrogate pair, which JSON can spell, cannot."""
    return line.encode(errors="replace").decode().strip()
