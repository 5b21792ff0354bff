"""Parse captions: SubRip, WebVTT, and the tab-separated lines that Whisper writes as TSV or as labels for Audacity.

Servers respond with them when an option requests it (`output=srt`, `response_format=vtt`), with any content type, and
some put them into a JSON string.
"""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any

type RawSegment = Mapping[str, Any]
"""A segment with `text`, `start` and `end` in seconds, and `speaker`, like one in JSON."""

HEAD_LENGTH = 4000
"""Characters at the start in which captions are recognised."""

_TIME = r"(?:[0-9]+:)?[0-9]{1,2}:[0-9]{1,2}[.,][0-9]{1,3}"
TIMING = re.compile(rf"\s*(\[)?({_TIME})\s*-->\s*({_TIME})(?(1)\]\s*(.*)|(?:\s.*)?$)")
"""The times of a caption, as Whisper's console prints it with the text: `[00:00.000 --> 00:01.500]  Hi.`
Otherwise the text is on the next lines, and WebVTT's settings of the position may follow the times."""

TAB_SEPARATED = re.compile(r"([0-9]+(?:\.[0-9]+)?)\t([0-9]+(?:\.[0-9]+)?)\t(.*)")
TAB_HEADER = ("start", "end", "text")

VTT_BLOCKS = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)(\s|$)")
"""Blocks of WebVTT that hold no speech."""

VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<[0-9:.]+>|\{\\[^}]*\}")
"""Tags of WebVTT and SubRip, times within a caption, and positions such as `{\\an8}`."""

SPEAKER_PREFIX = re.compile(
    r"(?:\[([^\[\]]{1,40})\]:|\[\[([^\[\]]{1,40})\]\]|((?:speaker|spk)[ _-]?\w{1,3}|caller|agent):)\s*", re.IGNORECASE
)
"""`[SPEAKER_00]: ` as WhisperX writes it, `[[SPEAKER_00]]` in its labels for Audacity, and `Speaker 1: `."""

ANY_PREFIX = re.compile(r"(\w[\w .'-]{0,30}): +(?=\S)")
"""A speaker's name, if each caption has one."""

CLOCK_TIME = re.compile(r"(?:([0-9]+):)?([0-9]{1,2}):([0-9]{1,2}(?:[.,][0-9]+)?)")
SECONDS = re.compile(r"([0-9]+(?:[.,][0-9]+)?) ?s?")


def parse_time(text: str) -> float | None:
    """Seconds from `00:01:02.500`, `01:02,500`, `62.5` or `62.5s`; None for anything else."""
    if match := CLOCK_TIME.fullmatch(text.strip()):
        hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds
    match = SECONDS.fullmatch(text.strip())
    return float(match[1].replace(",", ".")) if match else None


def parse_captions(text: str) -> list[RawSegment] | None:
    """The segments of captions, of which there may be none; None if the text has another format."""
    text = text.removeprefix("\ufeff")
    first_lines = [line for line in re.split(r"\r\n?|\n", text[:HEAD_LENGTH].lstrip()) if line.strip()][:2]
    if not first_lines or first_lines[0].startswith(("{", '"', "<")):
        return None
    if tuple(first_lines[0].lower().split("\t")) == TAB_HEADER or TAB_SEPARATED.fullmatch(first_lines[0]):
        return _parse_tab_separated(text)
    is_vtt = VTT_BLOCKS.match(first_lines[0]) is not None and first_lines[0].startswith("WEBVTT")
    if is_vtt or any(map(TIMING.match, first_lines)):
        return _with_named_speakers(_parse_blocks(re.sub(r"\r\n?", "\n", text), is_vtt=is_vtt))
    return None


def split_speaker(text: str) -> tuple[str | None, str]:
    """The speaker at the beginning of a line, and the rest of it."""
    match = SPEAKER_PREFIX.match(text)
    return (next(filter(None, match.groups())).strip(), text[match.end() :]) if match else (None, text)


def _parse_tab_separated(text: str) -> list[RawSegment] | None:
    """Whole numbers are milliseconds, as in Whisper's TSV; others are seconds, as in labels for Audacity."""
    lines = [line for line in re.split(r"\r\n?|\n", text) if line.strip()]
    if tuple(lines[0].lower().split("\t")) == TAB_HEADER:
        lines = lines[1:]
    matches = [TAB_SEPARATED.fullmatch(line) for line in lines]
    rows = [match.groups() for match in matches if match]
    if len(rows) < len(lines):
        return None
    scale = 1 if any("." in time for row in rows for time in row[:2]) else 1000
    return [_segment(float(start) / scale, float(end) / scale, *split_speaker(line)) for start, end, line in rows]


def _parse_blocks(text: str, *, is_vtt: bool) -> list[RawSegment]:
    captions: list[tuple[str, str, list[str]]] = []
    for block in re.split(r"\n[ \t]*\n", text.strip("\n")):
        lines = block.strip("\n").split("\n")
        timings = [TIMING.match(line) for line in lines]
        if is_vtt and VTT_BLOCKS.match(lines[0]) and not any(timings):
            continue
        for index, (line, timing) in enumerate(zip(lines, timings, strict=True)):
            if timing:
                captions.append((timing[2], timing[3], [timing[4] or ""]))
            elif any(timings[index + 1 : index + 2]) and (index == 0 or line.strip().isdigit()):
                continue  # the number or name of the next caption
            elif captions and not (is_vtt and index == 0 and VTT_BLOCKS.match(line)):
                captions[-1][2].append(line)
    return [
        _segment(parse_time(start), parse_time(end), speaker, unescape(spoken) if is_vtt else spoken)
        for start, end, text_lines in captions
        for speaker, spoken in _split_voices(" ".join(text_lines).strip())
    ]


def _split_voices(text: str) -> list[tuple[str | None, str]]:
    """The speaker and the text of each voice in one caption."""
    before, *voices = VOICE.split(text)
    pairs = list(zip(voices[::2], voices[1::2], strict=True))
    parts: list[tuple[str | None, str]] = [(unescape(speaker.strip()), spoken) for speaker, spoken in pairs]
    if before.strip() or not parts:
        parts.insert(0, split_speaker(MARKUP.sub("", before).strip()))
    return [(speaker, MARKUP.sub("", spoken).strip()) for speaker, spoken in parts]


def _with_named_speakers(segments: Sequence[RawSegment]) -> list[RawSegment]:
    """If each of several captions begins with a name and a colon, these are the speakers."""
    prefixes = [ANY_PREFIX.match(segment["text"]) for segment in segments]
    named = [
        _segment(segment["start"], segment["end"], prefix[1], segment["text"][prefix.end() :])
        for segment, prefix in zip(segments, prefixes, strict=True)
        if prefix and segment["speaker"] is None
    ]
    return named if len(segments) == len(named) > 1 else list(segments)


def _segment(start: float | None, end: float | None, speaker: str | None, text: str) -> RawSegment:
    return {"start": start, "end": end, "speaker": speaker, "text": text}
