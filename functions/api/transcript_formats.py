"""Transcripts as people and players read them: plain text, SubRip, WebVTT."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from callscribe.transcripts.transcript import Segment, Word

CHARACTERS_PER_SECOND = 15
"""How fast text is spoken where the transcript does not say, and how fast captions are read with ease."""

MIN_CUE_SECONDS = 1.0
"""How long a caption stands whose times are not known: a "yes" would be gone before it is seen."""

MAX_CUE_CHARACTERS = 2 * 42
"""Characters of a caption: the two lines that subtitling knows."""

MAX_CUE_SECONDS = 7.0
"""How long a caption stands at most, by the same practice."""

PAUSE_MARKS = tuple(".?!…,;:。？！、，；：")
"""What a caption had better end with."""

WHITESPACE_AND_CONTROLS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
"""Whatever a reader may take for a line's or a block's end, and control characters."""

INVISIBLE_CHARACTERS = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Overrides of the writing direction, which turn around what follows them; byte order marks; halves of characters."""

SUBRIP_REPLACEMENTS = str.maketrans("<>{}", "‹›()")
"""SubRip cannot escape: what players take for markup or for an arrow is written with characters that look alike."""

type TranscriptDocument = Mapping[str, Any]
"""A stored transcript, as `Transcript.document` makes it."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption, on one line. Milliseconds from the start; `end` is later than `start`."""

    start: int
    end: int
    text: str
    speaker: str | None


@dataclass(frozen=True, slots=True)
class TranscriptFormat:
    """A file that a transcript is written as. `write` is pure."""

    media_type: str
    render: Callable[[TranscriptDocument], str]


def render_text(document: TranscriptDocument) -> str:
    """A line for each segment, in the order of the transcript."""
    return "".join(f"{_with_speaker(each.speaker, each.text)}\n" for each in _clean_segments(document))


def render_subrip(document: TranscriptDocument) -> str:
    """SubRip: numbered captions."""
    return "".join(
        f"{number}\n{_format_time(cue.start, ',')} --> {_format_time(cue.end, ',')}\n"
        f"{_with_speaker(cue.speaker, cue.text).translate(SUBRIP_REPLACEMENTS)}\n\n"
        for number, cue in enumerate(build_cues(document), start=1)
    )


def render_webvtt(document: TranscriptDocument) -> str:
    """WebVTT, as https://www.w3.org/TR/webvtt1/ has it: speakers are voices."""
    return "WEBVTT\n" + "".join(
        f"\n{_format_time(cue.start, '.')} --> {_format_time(cue.end, '.')}\n"
        f"{f'<v {escape(cue.speaker, quote=False)}>' if cue.speaker else ''}{escape(cue.text, quote=False)}\n"
        for cue in build_cues(document)
    )


FORMAT_VERSION = "1"
"""To be raised with whatever changes what is written of a transcript: who has it already is told so by this."""

FORMATS = {
    "txt": TranscriptFormat("text/plain", render_text),
    "srt": TranscriptFormat("application/x-subrip", render_subrip),
    "vtt": TranscriptFormat("text/vtt", render_webvtt),
}


def build_cues(document: TranscriptDocument) -> list[Cue]:
    """The captions by their start. A long segment is several captions where its words tell when they are spoken."""
    segments = _clean_segments(document)
    cues = [
        _to_cue(segment, text_span)
        for segment, times in zip(segments, _segment_times(segments, document["duration"]), strict=True)
        for text_span in _split_segment(segment, *times)
    ]
    return sorted(cues, key=lambda cue: cue.start)


# ---------------------------------------------------------------------------------------------------------------------
# Text
# ---------------------------------------------------------------------------------------------------------------------
def _clean_segments(document: TranscriptDocument) -> list[Segment]:
    """The segments in which something is said, in clean text."""
    cleaned = (
        Segment(
            text=_clean_text(raw["text"]),
            start=raw["start"],
            end=raw["end"],
            speaker=_clean_text(raw["speaker"] or "") or None,
            words=tuple(
                Word(text=_clean_text(word["text"]), start=word["start"], end=word["end"]) for word in raw["words"]
            ),
        )
        for raw in document["segments"]
    )
    return [segment for segment in cleaned if segment.text]


def _clean_text(value: str) -> str:
    return WHITESPACE_AND_CONTROLS.sub(" ", INVISIBLE_CHARACTERS.sub("", value)).strip()


def _with_speaker(speaker: str | None, text: str) -> str:
    return f"{speaker}: {text}" if speaker else text


# ---------------------------------------------------------------------------------------------------------------------
# Time
# ---------------------------------------------------------------------------------------------------------------------
def _format_time(milliseconds: int, decimal_separator: str) -> str:
    """`01:02:03.004`; hours take as many digits as they need."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_separator}{milliseconds:03}"


def _segment_times(segments: Sequence[Segment], duration: float | None) -> Iterator[tuple[float, float]]:
    """When each segment begins and ends, in seconds.

    Segments without times share, by their lengths, what lies between the end of the one before and the start of the
    next one that is known; where that is too little to say it in, they take the time that saying it takes.
    """
    position = 0.0
    for segment, next_known_time, characters_ahead in _next_known_times(segments, duration):
        length = len(segment.text)
        spoken_seconds = max(MIN_CUE_SECONDS, length / CHARACTERS_PER_SECOND)
        start, end = _segment_start(segment), _segment_end(segment)
        if start is None:
            start = position if end is None else max(position, end - spoken_seconds)
        if end is not None and end > start:
            position = end
        else:
            available_seconds = 0.0 if next_known_time is None else next_known_time - start
            # nobody speaks twice as fast
            has_room = available_seconds * 2 * CHARACTERS_PER_SECOND >= characters_ahead
            position = start + (available_seconds * length / characters_ahead if has_room else spoken_seconds)
            end = min(position, start + spoken_seconds)
        yield start, end


def _next_known_times(segments: Sequence[Segment], duration: float | None) -> list[tuple[Segment, float | None, int]]:
    """Each segment, the next time that is known after its start, and the characters that are said until then."""
    result: list[tuple[Segment, float | None, int]] = []
    next_known_time, characters_ahead = duration, 0
    for segment in reversed(segments):
        length = len(segment.text)
        result.append((segment, next_known_time, characters_ahead + length))
        if (start := _segment_start(segment)) is not None:
            next_known_time, characters_ahead = start, 0
        elif (end := _segment_end(segment)) is not None:
            next_known_time, characters_ahead = end, length
        else:
            characters_ahead += length
    return result[::-1]


def _segment_start(segment: Segment) -> float | None:
    if segment.start is not None:
        return segment.start
    return next((word.start for word in segment.words if word.start is not None), None)


def _segment_end(segment: Segment) -> float | None:
    if segment.end is not None:
        return segment.end
    return next((word.end for word in reversed(segment.words) if word.end is not None), None)


# ---------------------------------------------------------------------------------------------------------------------
# Long segments
# ---------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class TextSpan:
    """A stretch of a segment's text, from its character `first` to before `last`, and its seconds."""

    text_start: int
    text_end: int
    start: float
    end: float


def _split_segment(segment: Segment, start: float, end: float) -> Iterator[TextSpan]:
    """The whole segment if it is short; else as much at a time as a caption takes, if possible up to a pause."""
    whole = TextSpan(0, len(segment.text), start, end)
    if _fits_in_cue(segment, [whole]):
        yield whole
        return
    cue_spans: list[TextSpan] = []
    for span in _word_spans(segment, whole):
        while cue_spans and not _fits_in_cue(segment, [*cue_spans, span]):
            count = _find_break(segment, cue_spans)
            yield _join_spans(cue_spans[:count])
            cue_spans = cue_spans[count:]
        cue_spans.append(span)
    yield _join_spans(cue_spans)


def _fits_in_cue(segment: Segment, spans: Sequence[TextSpan]) -> bool:
    cue_text = segment.text[spans[0].text_start : spans[-1].text_end].rstrip()
    return len(cue_text) <= MAX_CUE_CHARACTERS and spans[-1].end - spans[0].start <= MAX_CUE_SECONDS


def _find_break(segment: Segment, spans: Sequence[TextSpan]) -> int:
    """After how many parts a caption had better end: at the last pause in its second half, or else at its end."""
    for count in range(len(spans), len(spans) // 2, -1):
        if segment.text[spans[0].text_start : spans[count - 1].text_end].rstrip().endswith(PAUSE_MARKS):
            return count
    return len(spans)


def _to_cue(segment: Segment, span: TextSpan) -> Cue:
    start = round(span.start * 1000)
    end = max(round(span.end * 1000), start + 1)
    return Cue(start, end, segment.text[span.text_start : span.text_end].strip(), segment.speaker)


def _join_spans(spans: Sequence[TextSpan]) -> TextSpan:
    return TextSpan(spans[0].text_start, spans[-1].text_end, spans[0].start, spans[-1].end)


def _word_spans(segment: Segment, whole: TextSpan) -> list[TextSpan]:
    """A part for each word whose time is known, with the words after it whose times are not.

    Only the whole where the words are not those of the text, for then nobody knows where in the text a word is.
    """
    word_offsets = _word_offsets(segment)
    if word_offsets is None:
        return [whole]
    starts: list[tuple[int, float, float | None]] = []
    for offset, word in word_offsets:
        previous_start = starts[-1][1] if starts else whole.start
        if word.start is not None and previous_start <= word.start < whole.end:
            starts.append((offset if starts else 0, word.start, word.end))
        elif starts:
            starts[-1] = (*starts[-1][:2], None)  # it ends with a word of which nobody knows when it ends
        else:
            starts.append((0, whole.start, None))
    boundaries = [*starts[1:], (whole.text_end, whole.end, None)]
    return [
        TextSpan(text_start, text_end, start, end if end is not None and start < end < limit else limit)
        for (text_start, start, end), (text_end, limit, _) in zip(starts, boundaries, strict=True)
    ]


def _word_offsets(segment: Segment) -> list[tuple[int, Word]] | None:
    """Where in the text each word begins, with the marks that stand before it; None if the words are others.

    Words may lack the text's punctuation, and may follow each other without a space.
    """
    offsets: list[tuple[int, Word]] = []
    position = 0
    for word in filter(lambda word: word.text, segment.words):
        word_position = segment.text.find(word.text, position)
        between = segment.text[position:word_position]
        if word_position < 0 or _has_alphanumerics(between):
            return None
        offsets.append((position + between.index(" ") + 1 if " " in between else word_position, word))
        position = word_position + len(word.text)
    return offsets if offsets and not _has_alphanumerics(segment.text[position:]) else None


def _has_alphanumerics(text: str) -> bool:
    return any(character.isalnum() for character in text)
