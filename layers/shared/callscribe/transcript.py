"""A transcript, and how it is read out of the answers that WhisperX servers give: strictly by shape, leniently else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from callscribe.errors import RetryableError

PREVIEW_LENGTH = 160
"""Characters of the text that the record itself carries, enough for one row of a list."""

LONGEST_RECORDING = 10_000_000
"""Seconds, about four months: no time in a recording is later."""

LONGEST_LANGUAGE = 35
"""Characters; the longest language tag that RFC 5646 asks to have room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word; servers leave out the times of words that they could not align. Seconds from the start."""

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of speech. Seconds from the start of the recording; `channel` where channels were sent apart."""

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    channel: str | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said. No segments means that nobody spoke, which is an answer and not a failure."""

    segments: tuple[Segment, ...]
    language: str | None = None

    @property
    def text(self) -> str:
        """The plain text, one segment a line."""
        return "\n".join(segment.text for segment in self.segments)

    @property
    def duration(self) -> float | None:
        """Where the last segment ends, in seconds; None when no segment has times."""
        return max((segment.end for segment in self.segments if segment.end is not None), default=None)

    @property
    def preview(self) -> str:
        """The beginning of the text, on one line."""
        line = " ".join(self.text.split())
        return line if len(line) <= PREVIEW_LENGTH else line[: PREVIEW_LENGTH - 1].rstrip() + "…"

    def document(self, origin: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON document that is stored, with where it came from."""
        return {
            "language": self.language,
            "duration": self.duration,
            "text": self.text,
            "noSpeech": not self.segments,
            "segments": [asdict(segment) for segment in self.segments],
            "origin": dict(origin),
        }


def parse_stored(document: Mapping[str, Any]) -> Transcript:
    """A transcript out of what `dataclasses.asdict` made of it."""
    segments = (
        Segment(**{**segment, "words": tuple(Word(**word) for word in segment["words"])})
        for segment in document["segments"]
    )
    return Transcript(segments=tuple(segments), language=document["language"])


def parse_answer(body: bytes) -> Transcript:
    """Reads a server's answer, whatever content type it came under (some send JSON as text/plain).

    Segments may be a list or nested one level deeper, and a bare `text` stands in for missing segments. Raises
    RetryableError when it is none of these: a body that was cut, or a page of a proxy.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:  # of ValueErrors, JSON's and UTF-8's alike
        raise _unreadable() from error
    if not isinstance(answer, Mapping):
        raise _unreadable()
    segments: Any = answer.get("segments")
    if isinstance(segments, Mapping):
        segments = segments.get("segments")
    if not segments:
        segments = answer.get("text", segments)
    if isinstance(segments, str):
        segments = [{"text": segments}]
    if not isinstance(segments, Sequence) or not all(isinstance(each, Mapping) for each in segments):
        raise _unreadable()
    parsed = (_segment(each) for each in segments)
    return Transcript(
        segments=tuple(segment for segment in parsed if segment.text),
        language=_text(answer.get("language"))[:LONGEST_LANGUAGE] or None,
    )


def _segment(raw: Mapping[str, Any]) -> Segment:
    words = raw.get("words")
    return Segment(
        text=_text(raw.get("text")),
        start=_seconds(raw.get("start")),
        end=_seconds(raw.get("end")),
        speaker=_text(raw.get("speaker")) or None,
        words=tuple(_word(each) for each in words if isinstance(each, Mapping)) if isinstance(words, Sequence) else (),
    )


def _word(raw: Mapping[str, Any]) -> Word:
    return Word(
        text=_text(raw.get("word")),
        start=_seconds(raw.get("start")),
        end=_seconds(raw.get("end")),
        speaker=_text(raw.get("speaker")) or None,
    )


def _text(value: Any) -> str:
    """Text that can be stored: half a surrogate pair, which JSON can spell, cannot."""
    return value.encode(errors="replace").decode().strip() if isinstance(value, str) else ""


def _seconds(value: Any) -> float | None:
    """A time that can be one; JSON from Python servers may hold NaN."""
    return float(value) if isinstance(value, int | float) and 0 <= value < LONGEST_RECORDING else None


def _unreadable() -> RetryableError:
    return RetryableError(
        "The service answered 200, but not with a transcript: the answer was cut, or something else than WhisperX "
        "answers at this address. Check WhisperXUrl and WhisperXDialect.",
        code="unreadable_answer",
    )
