"""The transcript, and the parser for the responses of WhisperX servers: strict about their shape, lenient otherwise."""

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from callscribe.errors import RetryableError

PREVIEW_LENGTH = 160
"""Characters of the text that are stored in the recording's record, enough for one row of a list."""

MAX_DURATION_SECONDS = 10_000_000
"""About four months: a time in a recording that is later is invalid."""

MAX_LANGUAGE_LENGTH = 35
"""Characters; RFC 5646 recommends room for language tags of this length."""

MAX_WORD_GAP = 1.0
"""Seconds. A longer gap ends a segment, when a response has words but no segments."""

SENTENCE_ENDS = (".", "?", "!", "…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word. Times are seconds from the start; servers omit the times of words that they could not align."""

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of speech. Times are seconds from the start of the recording.

    `channel` is set when the channels were transcribed separately.
    """

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    channel: str | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A whole transcript. Without segments there was no speech, which is a result and not a failure."""

    segments: tuple[Segment, ...]
    language: str | None = None

    @property
    def text(self) -> str:
        """The plain text, one line per segment."""
        return "\n".join(segment.text for segment in self.segments)

    @property
    def duration(self) -> float | None:
        """The latest end of a segment, in seconds; None if no segment has an end."""
        return max((segment.end for segment in self.segments if segment.end is not None), default=None)

    @property
    def preview(self) -> str:
        """The beginning of the text, on one line."""
        line = " ".join(self.text.split())
        return line if len(line) <= PREVIEW_LENGTH else line[: PREVIEW_LENGTH - 1].rstrip() + "…"

    def to_document(self, produced_by: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON document that is stored. `produced_by` is its provenance, such as the dialect and the options."""
        return {
            "language": self.language,
            "duration": self.duration,
            "text": self.text,
            "noSpeech": not self.segments,
            "segments": [asdict(segment) for segment in self.segments],
            "producedBy": dict(produced_by),
        }


def parse_stored_transcript(document: Mapping[str, Any]) -> Transcript:
    """A transcript from its stored JSON document."""
    segments = (
        Segment(**{**segment, "words": tuple(Word(**word) for word in segment["words"])})
        for segment in document["segments"]
    )
    return Transcript(segments=tuple(segments), language=document["language"])


def parse_response(body: bytes, content_type: str = "") -> Transcript:
    """Parse the body of a server's response: JSON with any content type, or lines of text with text/plain.

    Raises: RetryableError, when it is neither, such as a truncated body or a proxy's HTML page.
    """
    text = _decode(body, content_type)
    if content_type.lower().startswith("text/plain") and _is_prose(text):
        segments = (Segment(text=_clean_text(line)) for line in text.splitlines())
        return Transcript(segments=tuple(segment for segment in segments if segment.text))
    return parse_transcript(_load_json(text))


def parse_json(body: bytes, content_type: str = "") -> Any:
    """The JSON value of a response body in any encoding. Raises: RetryableError, when it is not JSON."""
    return _load_json(_decode(body, content_type))


def parse_transcript(payload: Any) -> Transcript:
    """Parse the JSON value of a response.

    Segments may be a list, or nested one level deeper. Without segments, `text` or `words` are used instead. Words at
    the top level are assigned to the segments if these have none.

    Raises: RetryableError, when it has another shape.
    """
    if not isinstance(payload, Mapping):
        raise invalid_response_error()
    segments: Any = payload.get("segments")
    if isinstance(segments, Mapping):
        segments = segments.get("segments")
    if not segments:
        segments = _segments_from_text_or_words(payload, segments)
    if not isinstance(segments, Sequence) or not all(isinstance(each, Mapping) for each in segments):
        raise invalid_response_error()
    parsed = [segment for segment in map(_parse_segment, segments) if segment.text]
    if not any(segment.words for segment in parsed):
        parsed = _assign_words(_top_level_words(payload), parsed)
    return Transcript(
        segments=tuple(parsed),
        language=_clean_text(payload.get("language"))[:MAX_LANGUAGE_LENGTH] or None,
    )


def invalid_response_error() -> RetryableError:
    """The error for a successful response that is not a transcript."""
    return RetryableError(
        "The WhisperX server responded with success but without a transcript: the response was truncated, or something "
        "other than WhisperX responds at this URL. Check the server URL and the dialect.",
        code="invalid_response",
    )


def _segments_from_text_or_words(payload: Mapping[str, Any], segments: Any) -> Any:
    """Segments made from `words`, or a single one from `text`; or `text` itself, if it holds the segments."""
    text, words = payload.get("text"), payload.get("words")
    if text is None:
        text = segments
    if isinstance(words, Sequence) and words and (isinstance(text, str) or not text):
        return _split_into_sentences(text or "", [word for word in words if isinstance(word, Mapping)])
    return [{"text": text}] if isinstance(text, str) else text


def _split_into_sentences(text: str, words: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Split words without segments into segments, at pauses and at the ends of sentences.

    The text has the punctuation that words may lack, so it is split together with them. If it does not have as many
    words, everything is one segment.
    """
    tokens = text.split() or [_clean_text(word.get("word")) for word in words]
    if len(tokens) != len(words):
        return [_segment_from_words([text], words)]
    boundaries = [
        index
        for index in range(1, len(words))
        if tokens[index - 1].endswith(SENTENCE_ENDS) or _gap_before(words, index) > MAX_WORD_GAP
    ]
    return [
        _segment_from_words(tokens[begin:end], words[begin:end])
        for begin, end in pairwise([0, *boundaries, len(words)])
    ]


def _segment_from_words(tokens: Sequence[str], words: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    times = {"start": words[0].get("start"), "end": words[-1].get("end")} if words else {}
    return {"text": " ".join(tokens), "words": words, **times}


def _gap_before(words: Sequence[Mapping[str, Any]], index: int) -> float:
    """Seconds between a word and the previous one; 0 if times are missing."""
    end, start = _parse_seconds(words[index - 1].get("end")), _parse_seconds(words[index].get("start"))
    return start - end if start is not None and end is not None else 0.0


def _top_level_words(payload: Mapping[str, Any]) -> tuple[Word, ...]:
    """The words that are listed outside the segments: OpenAI's `words`, or WhisperX's `word_segments`."""
    for container in (payload, payload.get("segments")):
        if isinstance(container, Mapping):
            for name in ("words", "word_segments"):
                if words := _parse_words(container.get(name)):
                    return words
    return ()


def _assign_words(words: Sequence[Word], segments: list[Segment]) -> list[Segment]:
    """Assign each word to the segment in which it starts.

    A word in a pause goes to the segment before the pause, a word without times to the segment of the previous word.
    """
    indexed_starts = sorted(
        (segment.start, index) for index, segment in enumerate(segments) if segment.start is not None
    )
    if not indexed_starts:
        return segments
    starts = [start for start, _ in indexed_starts]
    words_by_segment: list[list[Word]] = [[] for _ in segments]
    current_index = indexed_starts[0][1]
    for word in words:
        if word.start is not None:
            current_index = indexed_starts[max(0, bisect_right(starts, word.start) - 1)][1]
        words_by_segment[current_index].append(word)
    return [
        replace(segment, words=tuple(segment_words))
        for segment, segment_words in zip(segments, words_by_segment, strict=True)
    ]


def _decode(body: bytes, content_type: str) -> str:
    """Decode with the first encoding that fits: the one detected for JSON, the declared charset, or a Western one."""
    charset_match = re.search(r"charset\s*=\s*\"?([\w.:-]+)", content_type, re.IGNORECASE)
    for encoding in (json.detect_encoding(body), charset_match[1] if charset_match else "", "cp1252"):
        with suppress(ValueError, LookupError):
            return body.decode(encoding)
    return body.decode("latin-1")


def _is_prose(text: str) -> bool:
    """Whether it may be speech, rather than JSON, HTML or XML, or a fragment of these."""
    stripped = text.strip()
    if not stripped or stripped[0] in '{[<"' or not all(char.isprintable() or char.isspace() for char in stripped):
        return False
    try:
        json.loads(stripped)
    except ValueError:
        return True
    return False


def _load_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid_response_error() from error


def _parse_segment(raw: Mapping[str, Any]) -> Segment:
    words = _parse_words(raw.get("words"))
    start, end = _parse_times(raw)
    return Segment(
        text=_clean_text(raw.get("text")) or " ".join(word.text for word in words if word.text),
        start=start,
        end=end,
        speaker=_clean_text(raw.get("speaker")) or None,
        words=words,
    )


def _parse_words(raw: Any) -> tuple[Word, ...]:
    return tuple(_parse_word(word) for word in raw if isinstance(word, Mapping)) if isinstance(raw, Sequence) else ()


def _parse_word(raw: Mapping[str, Any]) -> Word:
    start, end = _parse_times(raw)
    return Word(
        text=_clean_text(raw.get("word")), start=start, end=end, speaker=_clean_text(raw.get("speaker")) or None
    )


def _clean_text(value: Any) -> str:
    """Text without surrounding spaces or lone surrogates, which JSON can contain but which cannot be stored."""
    return value.encode(errors="replace").decode().strip() if isinstance(value, str) else ""


def _parse_times(raw: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Start and end. An end before the start is dropped."""
    start, end = _parse_seconds(raw.get("start")), _parse_seconds(raw.get("end"))
    return start, None if start is not None and end is not None and end < start else end


def _parse_seconds(value: Any) -> float | None:
    """A time in seconds; None if it is not a valid one. JSON from Python servers may contain NaN."""
    return float(value) if isinstance(value, int | float) and 0 <= value < MAX_DURATION_SECONDS else None
