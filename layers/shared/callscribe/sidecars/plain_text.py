"""Parse a plain text transcript: one segment per line, without times."""

import codecs

from callscribe.sidecars.placeholders import is_placeholder
from callscribe.transcripts.transcript import Segment, Transcript

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings: UTF-32 before UTF-16, because the mark of UTF-32-LE begins with UTF-16's."""

MAX_LINES = 100_000
"""A transcript of a whole day has fewer lines. A longer text becomes a single segment."""

VOICEMAIL_HEADER = "[message]"
"""The first line of the file that Asterisk writes for a voicemail: settings, not a transcript."""


def decode_text(body: bytes) -> str | None:
    """Decode by the byte order mark, otherwise as UTF-8 or, if that fails, as Windows-1252; None if it is not text."""
    encoding = next((name for bom, name in BYTE_ORDER_MARKS if body.startswith(bom)), "utf-8")
    if encoding == "utf-8" and b"\0" in body[:4]:
        encoding = "utf-16-be" if body[0] == 0 else "utf-16-le"
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        text = body.decode("cp1252" if encoding == "utf-8" else encoding, errors="replace")
    return None if "\0" in text else text


def parse_plain_text(text: str) -> Transcript | None:
    """The transcript in a text; None if it is blank, a placeholder or the settings of a voicemail."""
    lines = [line for line in map(_clean_line, text.splitlines()) if line]
    if len(lines) > MAX_LINES:
        lines = [" ".join(lines)]
    spoken_lines = [line for line in lines if not line.startswith(";")]
    if is_placeholder("\n".join(lines)) or (spoken_lines and spoken_lines[0].lower() == VOICEMAIL_HEADER):
        return None
    return Transcript(segments=tuple(Segment(text=line) for line in lines))


def _clean_line(line: str) -> str:
    """Strip a line and replace lone surrogates: JSON can contain them, but they cannot be stored."""
    return line.encode(errors="replace").decode().strip()
