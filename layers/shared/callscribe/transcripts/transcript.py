"""The transcript of a recording, and the JSON document in which it is stored."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

PREVIEW_LENGTH = 160
"""Characters of the text that are stored in the recording's record, enough for one row of a list."""

MAX_DURATION_SECONDS = 10_000_000
"""About four months: a time in a recording that is later is invalid."""

MEASURES = ("avg_logprob", "compression_ratio", "no_speech_prob")
"""What Whisper measures for each segment; servers that do not report them omit them, and so does the document."""

UNSPACED_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts without spaces between words, as part of a regular expression's character class: Thai, Lao, Burmese, Khmer,
Japanese and Chinese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word. Times are seconds from the start; servers omit the times of words that they could not align."""

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None


class SegmentFlag(StrEnum):
    """Why a segment may not have been said. `transcripts/quality.py` has the rules; flagged text is never removed."""

    BEYOND_RECORDING = "beyond_recording"
    REPETITION = "repetition"
    TOO_FAST = "too_fast"
    SUBTITLE_PHRASE = "subtitle_phrase"
    LOW_CONFIDENCE = "low_confidence"
    LIKELY_NO_SPEECH = "likely_no_speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of speech. Times are seconds from the start of the recording.

    `channel` is set when the channels were transcribed separately. `avg_logprob`, `compression_ratio` and
    `no_speech_prob` are the server's own measures of the segment.
    """

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    channel: str | None = None
    words: tuple[Word, ...] = ()
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    flags: tuple[SegmentFlag, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """The JSON object that is stored; without the measures that the server did not report."""
        return {name: value for name, value in asdict(self).items() if value is not None or name not in MEASURES}


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
            "segments": [segment.to_document() for segment in self.segments],
            "producedBy": dict(produced_by),
        }


def parse_stored_transcript(document: Mapping[str, Any]) -> Transcript:
    """A transcript from its stored JSON document, which may be one of an earlier version without flags and measures."""
    segments = (
        Segment(
            **{
                **segment,
                "words": tuple(Word(**word) for word in segment["words"]),
                "flags": tuple(map(SegmentFlag, segment.get("flags", ()))),
            }
        )
        for segment in document["segments"]
    )
    return Transcript(segments=tuple(segments), language=document["language"])


def assign_words(words: Sequence[Word], segments: list[Segment]) -> list[Segment]:
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
