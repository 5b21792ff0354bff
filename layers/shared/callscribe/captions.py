"""Transcripts as people and players read them: plain text, SubRip, WebVTT."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from callscribe.transcript import Segment, Word

CHARACTERS_A_SECOND = 15
"""How fast text is spoken where the transcript does not say, and how fast captions are read with ease."""

SHORTEST_SECONDS = 1.0
"""How long a caption stands whose times are not known: a "yes" would be gone before it is seen."""

LONGEST_TEXT = 2 * 42
"""Characters of a caption: the two lines that subtitling knows."""

LONGEST_SECONDS = 7.0
"""How long a caption stands at most, by the same practice."""

PAUSES = tuple(".?!…,;:。？！、，；：")
"""What a caption had better end with."""

BREAKS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
"""Whatever a reader may take for a line's or a block's end, and control characters."""

HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Overrides of the writing direction, which turn around what follows them; byte order marks; halves of characters."""

SUBRIP_LOOKALIKES = str.maketrans("<>{}", "‹›()")
"""SubRip cannot escape: what players take for markup or for an arrow is written with characters that look alike."""

type Document = Mapping[str, Any]
"""A stored transcript, as `Transcript.document` makes it."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption, on one line. Milliseconds from the start; `end` is later than `start`."""

    start: int
    end: int
    text: str
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Format:
    """A file that a transcript is written as. `write` is pure."""

    media_type: str
    write: Callable[[Document], str]


def text(document: Document) -> str:
    """A line for each segment, in the order of the transcript."""
    return "".join(f"{_with_speaker(each.speaker, each.text)}\n" for each in _segments(document))


def subrip(document: Document) -> str:
    """SubRip: numbered captions."""
    return "".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n"
        f"{_with_speaker(cue.speaker, cue.text).translate(SUBRIP_LOOKALIKES)}\n\n"
        for number, cue in enumerate(cues(document), start=1)
    )


def webvtt(document: Document) -> str:
    """WebVTT, as https://www.w3.org/TR/webvtt1/ has it: speakers are voices."""
    return "WEBVTT\n" + "".join(
        f"\n{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n"
        f"{f'<v {escape(cue.speaker, quote=False)}>' if cue.speaker else ''}{escape(cue.text, quote=False)}\n"
        for cue in cues(document)
    )


REVISION = "1"
"""To be raised with whatever changes what is written of a transcript: who has it already is told so by this."""

FORMATS = {
    "txt": Format("text/plain", text),
    "srt": Format("application/x-subrip", subrip),
    "vtt": Format("text/vtt", webvtt),
}


def cues(document: Document) -> list[Cue]:
    """The captions by their start. A long segment is several captions where its words tell when they are spoken."""
    segments = _segments(document)
    found = [
        _cue(segment, part)
        for segment, span in zip(segments, _spans(segments, document["duration"]), strict=True)
        for part in _captions(segment, *span)
    ]
    return sorted(found, key=lambda cue: cue.start)


# ---------------------------------------------------------------------------------------------------------------------
# Text
# ---------------------------------------------------------------------------------------------------------------------
def _segments(document: Document) -> list[Segment]:
    """The segments in which something is said, in clean text."""
    read = (
        Segment(
            text=_clean(raw["text"]),
            start=raw["start"],
            end=raw["end"],
            speaker=_clean(raw["speaker"] or "") or None,
            words=tuple(Word(text=_clean(word["text"]), start=word["start"], end=word["end"]) for word in raw["words"]),
        )
        for raw in document["segments"]
    )
    return [segment for segment in read if segment.text]


def _clean(given: str) -> str:
    return BREAKS.sub(" ", HIDDEN.sub("", given)).strip()


def _with_speaker(speaker: str | None, said: str) -> str:
    return f"{speaker}: {said}" if speaker else said


# ---------------------------------------------------------------------------------------------------------------------
# Time
# ---------------------------------------------------------------------------------------------------------------------
def _time(milliseconds: int, point: str) -> str:
    """`01:02:03.004`; hours take as many digits as they need."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _spans(segments: Sequence[Segment], duration: float | None) -> Iterator[tuple[float, float]]:
    """When each segment begins and ends, in seconds.

    Segments without times share, by their lengths, what lies between the end of the one before and the start of the
    next one that is known; where that is too little to say it in, they take the time that saying it takes.
    """
    now = 0.0
    for segment, until, characters in _ahead(segments, duration):
        length = len(segment.text)
        spoken = max(SHORTEST_SECONDS, length / CHARACTERS_A_SECOND)
        start, end = _start(segment), _end(segment)
        if start is None:
            start = now if end is None else max(now, end - spoken)
        if end is not None and end > start:
            now = end
        else:
            room = 0.0 if until is None else until - start
            # nobody speaks twice as fast
            enough = room * 2 * CHARACTERS_A_SECOND >= characters
            now = start + (room * length / characters if enough else spoken)
            end = min(now, start + spoken)
        yield start, end


def _ahead(segments: Sequence[Segment], duration: float | None) -> list[tuple[Segment, float | None, int]]:
    """Each segment, the next time that is known after its start, and the characters that are said until then."""
    found: list[tuple[Segment, float | None, int]] = []
    until, characters = duration, 0
    for segment in reversed(segments):
        length = len(segment.text)
        found.append((segment, until, characters + length))
        if (start := _start(segment)) is not None:
            until, characters = start, 0
        elif (end := _end(segment)) is not None:
            until, characters = end, length
        else:
            characters += length
    return found[::-1]


def _start(segment: Segment) -> float | None:
    if segment.start is not None:
        return segment.start
    return next((word.start for word in segment.words if word.start is not None), None)


def _end(segment: Segment) -> float | None:
    if segment.end is not None:
        return segment.end
    return next((word.end for word in reversed(segment.words) if word.end is not None), None)


# ---------------------------------------------------------------------------------------------------------------------
# Long segments
# ---------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a segment's text, from its character `first` to before `last`, and its seconds."""

    first: int
    last: int
    start: float
    end: float


def _captions(segment: Segment, start: float, end: float) -> Iterator[Part]:
    """The whole segment if it is short; else as much at a time as a caption takes, if possible up to a pause."""
    whole = Part(0, len(segment.text), start, end)
    if _fits(segment, [whole]):
        yield whole
        return
    caption: list[Part] = []
    for part in _parts(segment, whole):
        while caption and not _fits(segment, [*caption, part]):
            cut = _cut(segment, caption)
            yield _joined(caption[:cut])
            caption = caption[cut:]
        caption.append(part)
    yield _joined(caption)


def _fits(segment: Segment, parts: Sequence[Part]) -> bool:
    seen = segment.text[parts[0].first : parts[-1].last].rstrip()
    return len(seen) <= LONGEST_TEXT and parts[-1].end - parts[0].start <= LONGEST_SECONDS


def _cut(segment: Segment, parts: Sequence[Part]) -> int:
    """After how many parts a caption had better end: at the last pause in its second half, or else at its end."""
    for count in range(len(parts), len(parts) // 2, -1):
        if segment.text[parts[0].first : parts[count - 1].last].rstrip().endswith(PAUSES):
            return count
    return len(parts)


def _cue(segment: Segment, part: Part) -> Cue:
    start = round(part.start * 1000)
    end = max(round(part.end * 1000), start + 1)
    return Cue(start, end, segment.text[part.first : part.last].strip(), segment.speaker)


def _joined(parts: Sequence[Part]) -> Part:
    return Part(parts[0].first, parts[-1].last, parts[0].start, parts[-1].end)


def _parts(segment: Segment, whole: Part) -> list[Part]:
    """A part for each word whose time is known, with the words after it whose times are not.

    Only the whole where the words are not those of the text, for then nobody knows where in the text a word is.
    """
    cuts = _cuts(segment)
    if cuts is None:
        return [whole]
    begun: list[tuple[int, float, float | None]] = []
    for first, word in cuts:
        latest = begun[-1][1] if begun else whole.start
        if word.start is not None and latest <= word.start < whole.end:
            begun.append((first if begun else 0, word.start, word.end))
        elif begun:
            begun[-1] = (*begun[-1][:2], None)  # it ends with a word of which nobody knows when it ends
        else:
            begun.append((0, whole.start, None))
    ends = [*begun[1:], (whole.last, whole.end, None)]
    return [
        Part(first, last, start, end if end is not None and start < end < limit else limit)
        for (first, start, end), (last, limit, _) in zip(begun, ends, strict=True)
    ]


def _cuts(segment: Segment) -> list[tuple[int, Word]] | None:
    """Where in the text each word begins, with the marks that stand before it; None if the words are others.

    Words may lack the text's punctuation, and may follow each other without a space.
    """
    cuts: list[tuple[int, Word]] = []
    at = 0
    for word in filter(lambda word: word.text, segment.words):
        found = segment.text.find(word.text, at)
        between = segment.text[at:found]
        if found < 0 or _says_something(between):
            return None
        cuts.append((at + between.index(" ") + 1 if " " in between else found, word))
        at = found + len(word.text)
    return cuts if cuts and not _says_something(segment.text[at:]) else None


def _says_something(stretch: str) -> bool:
    return any(character.isalnum() for character in stretch)
