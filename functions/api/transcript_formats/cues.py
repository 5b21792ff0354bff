"""Captions of a transcript: their times, and how long segments are split."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callscribe.transcripts.transcript import Segment, Word
from functions.api.transcript_formats.caption_lines import PAUSE_MARKS, indent_of, unit_pattern, wrap

CHARACTERS_PER_SECOND = 15
"""The assumed speed of speech when a transcript has no times; also a comfortable reading speed for captions."""

MIN_CUE_SECONDS = 1.0
"""The minimum duration of a caption with estimated times: a "yes" would disappear before it is noticed."""

MAX_CUE_SECONDS = 7.0
"""The maximum duration of a caption that is usual for subtitles."""

WHITESPACE_AND_CONTROLS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
"""Whatever a parser may treat as the end of a line or a block, and control characters."""

UNSAFE_CHARACTERS = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Removed: text direction overrides, which reverse the text after them; byte order marks; lone surrogates."""

type TranscriptDocument = Mapping[str, Any]
"""A stored transcript, as `Transcript.to_document` returns it."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A caption with one or two lines. Times are milliseconds from the start; `end` is later than `start`."""

    start: int
    end: int
    lines: tuple[str, ...]
    speaker: str | None

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def build_cues(document: TranscriptDocument) -> list[Cue]:
    """The captions, sorted by start. A long segment becomes several, split at the times of its words if they have some,
    and otherwise in proportion to the characters."""
    segments = clean_segments(document)
    cues = [
        _to_cue(segment, text_span)
        for segment, times in zip(segments, _segment_times(segments, document["duration"]), strict=True)
        for text_span in _split_segment(segment, *times)
    ]
    return sorted(cues, key=lambda cue: cue.start)


def clean_segments(document: TranscriptDocument) -> list[Segment]:
    """The segments that have text, with all text cleaned."""
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
    return WHITESPACE_AND_CONTROLS.sub(" ", UNSAFE_CHARACTERS.sub("", value)).strip()


def _segment_times(segments: Sequence[Segment], duration: float | None) -> Iterator[tuple[float, float]]:
    """The start and end of each segment, in seconds.

    Segments without times share the time between the end of the previous segment and the next known start, in
    proportion to their lengths. If that is too short to speak them, each gets the time that speaking it takes, but no
    estimated time is after the end of the recording.
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
            # speech is never twice as fast as assumed
            has_room = available_seconds * 2 * CHARACTERS_PER_SECOND >= characters_ahead
            position = start + (available_seconds * length / characters_ahead if has_room else spoken_seconds)
            end = min(position, start + spoken_seconds)
            if duration is not None and start <= duration < end:
                start, end = max(0.0, min(start, duration - MIN_CUE_SECONDS)), duration
        yield start, end


def _next_known_times(segments: Sequence[Segment], duration: float | None) -> list[tuple[Segment, float | None, int]]:
    """Each segment, the next known time after its start, and the number of characters spoken until then."""
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


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A stretch of a segment's text, from `text_start` up to `text_end` (exclusive). Times are in seconds."""

    text_start: int
    text_end: int
    start: float
    end: float


def _split_segment(segment: Segment, start: float, end: float) -> Iterator[TextSpan]:
    """The whole segment if it fits in a caption; otherwise as much as fits each time, preferably up to a pause."""
    whole = TextSpan(0, len(segment.text), start, end)
    if _fits_in_cue(segment, [whole]):
        yield whole
        return
    cue_spans: list[TextSpan] = []
    for word_span in _word_spans(segment, whole):
        for span in [word_span] if _fits_in_cue(segment, [word_span]) else _split_in_proportion(segment, word_span):
            while cue_spans and not _fits_in_cue(segment, [*cue_spans, span]):
                count = _find_break(segment, cue_spans)
                yield _join_spans(cue_spans[:count])
                cue_spans = cue_spans[count:]
            cue_spans.append(span)
    yield _join_spans(cue_spans)


def _split_in_proportion(segment: Segment, span: TextSpan) -> Iterator[TextSpan]:
    """A span for each word, or each character of scripts without spaces, with its share of the time."""
    length = span.text_end - span.text_start
    position = span.start
    for match in unit_pattern(indent_of(segment.speaker)).finditer(segment.text, span.text_start, span.text_end):
        end = span.start + (span.end - span.start) * (match.end() - span.text_start) / length
        yield TextSpan(match.start(), match.end(), position, end)
        position = end


def _fits_in_cue(segment: Segment, spans: Sequence[TextSpan]) -> bool:
    cue_text = segment.text[spans[0].text_start : spans[-1].text_end].strip()
    return spans[-1].end - spans[0].start <= MAX_CUE_SECONDS and wrap(cue_text, indent_of(segment.speaker)) is not None


def _find_break(segment: Segment, spans: Sequence[TextSpan]) -> int:
    """The number of spans for the next caption: up to the last pause in their second half, or all of them."""
    for count in range(len(spans), len(spans) // 2, -1):
        if segment.text[spans[0].text_start : spans[count - 1].text_end].rstrip().endswith(PAUSE_MARKS):
            return count
    return len(spans)


def _to_cue(segment: Segment, span: TextSpan) -> Cue:
    start = round(span.start * 1000)
    end = max(round(min(span.end, span.start + MAX_CUE_SECONDS) * 1000), start + 1)
    text = segment.text[span.text_start : span.text_end].strip()
    return Cue(start, end, wrap(text, indent_of(segment.speaker)) or (text,), segment.speaker)


def _join_spans(spans: Sequence[TextSpan]) -> TextSpan:
    return TextSpan(spans[0].text_start, spans[-1].text_end, spans[0].start, spans[-1].end)


def _word_spans(segment: Segment, whole: TextSpan) -> list[TextSpan]:
    """A span for each word with a known time, which includes the words without times after it.

    Only `whole` if the words are not those of the text, since their offsets in the text are then unknown.
    """
    word_offsets = _locate_words(segment)
    if word_offsets is None:
        return [whole]
    starts: list[tuple[int, float, float | None]] = []
    for offset, word in word_offsets:
        previous_start = starts[-1][1] if starts else whole.start
        if word.start is not None and previous_start <= word.start < whole.end:
            starts.append((offset if starts else 0, word.start, word.end))
        elif starts:
            starts[-1] = (*starts[-1][:2], None)  # it ends with a word without a known end
        else:
            starts.append((0, whole.start, None))
    boundaries = [*starts[1:], (whole.text_end, whole.end, None)]
    return [
        TextSpan(text_start, text_end, start, end if end is not None and start < end < limit else limit)
        for (text_start, start, end), (text_end, limit, _) in zip(starts, boundaries, strict=True)
    ]


def _locate_words(segment: Segment) -> list[tuple[int, Word]] | None:
    """The offset of each word in the text, including punctuation before it; None if the text has other words.

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
