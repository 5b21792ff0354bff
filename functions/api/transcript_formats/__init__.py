"""Transcripts as files for users and media players: plain text, SubRip (.srt) and WebVTT (.vtt)."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from functions.api.transcript_formats.caption_lines import with_speaker
from functions.api.transcript_formats.cues import TranscriptDocument, build_cues, clean_segments

SUBRIP_REPLACEMENTS = str.maketrans("<>{}", "‹›()")
"""SubRip has no escaping: what players interpret as markup or an arrow is replaced with similar characters."""


@dataclass(frozen=True, slots=True)
class TranscriptFormat:
    """A file format for transcripts."""

    media_type: str
    render: Callable[[TranscriptDocument], str]


def render_text(document: TranscriptDocument) -> str:
    """Plain text: one line per segment."""
    return "".join(f"{with_speaker(segment.speaker, segment.text)}\n" for segment in clean_segments(document))


def render_subrip(document: TranscriptDocument) -> str:
    """SubRip: numbered captions."""
    return "".join(
        f"{number}\n{_format_time(cue.start, ',')} --> {_format_time(cue.end, ',')}\n"
        f"{with_speaker(cue.speaker, cue.text).translate(SUBRIP_REPLACEMENTS)}\n\n"
        for number, cue in enumerate(build_cues(document), start=1)
    )


def render_webvtt(document: TranscriptDocument) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): speakers are voice spans."""
    return "WEBVTT\n" + "".join(
        f"\n{_format_time(cue.start, '.')} --> {_format_time(cue.end, '.')}\n"
        f"{f'<v {escape(cue.speaker, quote=False)}>' if cue.speaker else ''}{escape(cue.text, quote=False)}\n"
        for cue in build_cues(document)
    )


FORMAT_VERSION = "2"
"""Part of the ETag: increase it with every change to the rendered files, so that cached ones become stale."""

FORMATS = {
    "txt": TranscriptFormat("text/plain", render_text),
    "srt": TranscriptFormat("application/x-subrip", render_subrip),
    "vtt": TranscriptFormat("text/vtt", render_webvtt),
}


def _format_time(milliseconds: int, decimal_separator: str) -> str:
    """`01:02:03.004`; hours have as many digits as needed."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_separator}{milliseconds:03}"
