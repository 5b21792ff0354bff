"""The quality of a transcript: times that fit the recording, and flags on segments that may not have been said.

Whisper invents text for silence, noise and music, repeats itself, and reports times after the end of the audio. Text is
never removed for that: a flag says what is doubtful about it.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from callscribe.transcripts.subtitle_phrases import SUBTITLE_PHRASES
from callscribe.transcripts.transcript import UNSPACED_SCRIPTS, Segment, SegmentFlag, Transcript, Word

MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROB = 0.6
"""Whisper's own thresholds for a failed decoding and for silence: `transcribe()` in whisper/transcribe.py."""

MAX_WORDS_PER_SECOND = 10.0
"""Conversation has two to four words a second, auctioneers about seven, and the record is about eleven."""

UNCOUNTED_WORDS = 2
"""Words of a segment that the limit does not count, since servers round the times of a short "yes, please"."""

CHARACTERS_PER_WORD = 2.0
"""In scripts without spaces."""

MIN_REPEATS, MIN_REPEATS_OF_LONG_PHRASE = 4, 3
"""How often a phrase must follow itself to be a loop. People do say "bye, bye, bye"."""

LONG_PHRASE_WORDS = 4

MAX_PHRASE_WORDS, MAX_PHRASE_SEGMENTS = 12, 4
"""The longest repeated phrase that is looked for: words in a segment, segments in the transcript."""

LONG_LOOP_WORDS = 20
"""A loop of fewer words is ignored if the segment has more other words than repeated ones."""

LONG_WORD = 15
"""Characters. A longer word is compared by characters, as those of scripts without spaces are: "hahahahahahahaha"."""

UNSPACED = re.compile(f"[{UNSPACED_SCRIPTS}]")

SENTENCE_END = re.compile(r"[.!?…♪]+(?:\s+|$)|[。！？\n]+")
SOUND_DESCRIPTION = re.compile(r"(?:\[[^\[\]]*\]|\([^()]*\)|\*[^*]*\*|[♪♫]|\s)+")
"""Nothing but descriptions in brackets or asterisks, and notes."""

COMBINING_DOT = "\u0307"
"""What remains of a Turkish capital İ in lower case."""

TIME_TOLERANCE_SECONDS = 0.5
"""By how much a time may exceed the recording without a flag: servers round, and pad the audio."""

MILLISECONDS_MARGIN = 60.0
"""Seconds. Whisper decodes windows of 30 seconds, so the times that it invents exceed the recording by little more."""

ROUNDING = 0.01
"""How far a whole number of milliseconds may be from one, after a multiplication of floats."""

MAX_CHARACTERS_PER_SECOND = 100.0
"""Nobody speaks this fast: times that would mean it are not milliseconds."""


def assess(transcript: Transcript, duration: float | None) -> Transcript:
    """The transcript with times within the recording, and with its flags. `duration` in seconds, None if unknown."""
    segments = transcript.segments if duration is None else _fit_times(transcript.segments, duration)
    looping = _looping_segments(segments)
    flagged = (
        replace(segment, flags=_find_flags(segment, is_looping=index in looping))
        for index, segment in enumerate(segments)
    )
    return replace(transcript, segments=tuple(flagged))


# times ---------------------------------------------------------------------------------------------------------------


def _fit_times(segments: Sequence[Segment], duration: float) -> list[Segment]:
    scale = 1000 if _are_milliseconds(segments, duration) else 1
    return [_fit_segment(segment, scale, duration) for segment in segments]


def _are_milliseconds(segments: Sequence[Segment], duration: float) -> bool:
    """Whether all times together make sense only as milliseconds; a few that are too late are wrong in seconds, too."""
    spans: list[Segment | Word] = [*segments, *(word for segment in segments for word in segment.words)]
    times = sorted(time for span in spans for time in (span.start, span.end) if time)
    if not times or times[-1] <= duration + MILLISECONDS_MARGIN:
        return False
    timed = [
        (segment.end - segment.start, segment.text) for segment in segments if segment.end and segment.start is not None
    ]
    characters, milliseconds = sum(len(text) for _, text in timed), sum(length for length, _ in timed)
    return (
        times[-1] / 1000 <= duration + TIME_TOLERANCE_SECONDS
        and times[len(times) // 2] > duration
        and all(math.isclose(time, round(time), abs_tol=ROUNDING) for time in times)
        and (not timed or characters <= MAX_CHARACTERS_PER_SECOND * milliseconds / 1000)
    )


def _fit_segment(segment: Segment, scale: float, duration: float) -> Segment:
    start, end, is_beyond = _fit_span(segment, scale, duration)
    times_of_words = (_fit_span(word, scale, duration) for word in segment.words)
    words = (
        replace(word, start=times[0], end=times[1]) for word, times in zip(segment.words, times_of_words, strict=True)
    )
    flags = (SegmentFlag.BEYOND_RECORDING,) if is_beyond else ()
    return replace(segment, start=start, end=end, words=tuple(words), flags=flags)


def _fit_span(span: Segment | Word, scale: float, duration: float) -> tuple[float | None, float | None, bool]:
    """Start and end within the recording, and whether one of them is not. A start beyond the end is no time."""
    start, end = (time if time is None else time / scale for time in (span.start, span.end))
    limit = duration + TIME_TOLERANCE_SECONDS
    if start is not None and start > limit:
        return None, None, True
    is_beyond = end is not None and end > limit
    return _at_most(start, duration), _at_most(end, duration), is_beyond


def _at_most(time: float | None, limit: float) -> float | None:
    return time if time is None else min(time, limit)


# flags ---------------------------------------------------------------------------------------------------------------


def _find_flags(segment: Segment, *, is_looping: bool) -> tuple[SegmentFlag, ...]:
    found = {flag for flag, applies in RULES.items() if applies(segment)}
    if is_looping:
        found.add(SegmentFlag.REPETITION)
    return tuple(flag for flag in SegmentFlag if flag in found)


def _is_repetitive(segment: Segment) -> bool:
    if segment.compression_ratio is not None and segment.compression_ratio > MAX_COMPRESSION_RATIO:
        return True
    units = [unit for word in _words(segment.text) for unit in (word if _is_compared_by_character(word) else [word])]
    loops = _find_loops(units, [1] * len(units), MAX_PHRASE_WORDS)
    return any(2 * len(loop) >= len(units) or len(loop) >= LONG_LOOP_WORDS for loop in loops)


def _looping_segments(segments: Sequence[Segment]) -> set[int]:
    """The indexes of the segments in which one speaker says the same again and again."""
    words = [_words(segment.text) for segment in segments]
    items = [(segment.speaker, *spoken) for segment, spoken in zip(segments, words, strict=True)]
    loops = _find_loops(items, [len(spoken) for spoken in words], MAX_PHRASE_SEGMENTS)
    return {index for loop in loops for index in loop}


def _find_loops(items: Sequence[Hashable], word_counts: Sequence[int], max_period: int) -> Iterator[range]:
    """The stretches in which a phrase of up to `max_period` items follows itself often enough."""
    for period in range(1, min(max_period, len(items) // 2) + 1):
        run_start = period
        for index in range(period, len(items) + 1):
            if index < len(items) and items[index] == items[index - period]:
                continue
            first = run_start - period
            repeats = (index - first) // period
            phrase_words = sum(word_counts[first:run_start])
            if repeats >= MIN_REPEATS_OF_LONG_PHRASE and (repeats >= MIN_REPEATS or phrase_words >= LONG_PHRASE_WORDS):
                yield range(first, index)
            run_start = index + 1


def _is_too_fast(segment: Segment) -> bool:
    if segment.start is None or segment.end is None or segment.flags:
        return False
    spoken = sum(len(word) / CHARACTERS_PER_WORD if UNSPACED.search(word) else 1 for word in _words(segment.text))
    return spoken - UNCOUNTED_WORDS > MAX_WORDS_PER_SECOND * (segment.end - segment.start)


def _is_subtitle_phrase(segment: Segment) -> bool:
    """Whether the segment is nothing else than such phrases, or a description of sounds: `[Music]`, `♪`."""
    if SOUND_DESCRIPTION.fullmatch(segment.text):
        return True
    sentences = [" ".join(_words(sentence)) for sentence in SENTENCE_END.split(segment.text)]
    whole = " ".join(filter(None, sentences))
    return any(
        bool(parts) and all(_subtitle_pattern().fullmatch(part) for part in parts)
        for parts in ([whole], [whole.replace(" ", "")], list(filter(None, sentences)))
    )


def _is_unlikely(segment: Segment) -> bool:
    return segment.avg_logprob is not None and segment.avg_logprob < MIN_AVG_LOGPROB


def _is_likely_silence(segment: Segment) -> bool:
    return segment.no_speech_prob is not None and segment.no_speech_prob > MAX_NO_SPEECH_PROB


RULES: Mapping[SegmentFlag, Callable[[Segment], bool]] = {
    SegmentFlag.BEYOND_RECORDING: lambda segment: SegmentFlag.BEYOND_RECORDING in segment.flags,
    SegmentFlag.REPETITION: _is_repetitive,
    SegmentFlag.TOO_FAST: _is_too_fast,
    SegmentFlag.SUBTITLE_PHRASE: _is_subtitle_phrase,
    SegmentFlag.LOW_CONFIDENCE: _is_unlikely,
    SegmentFlag.LIKELY_NO_SPEECH: _is_likely_silence,
}


@cache
def _subtitle_pattern() -> re.Pattern[str]:
    return re.compile("|".join(SUBTITLE_PHRASES.strip().splitlines()))


def _words(text: str) -> list[str]:
    """The words in lower case, without punctuation; text in scripts without spaces may be a single one."""
    if text.isascii():  # the same, but faster
        return re.findall("[a-z0-9]+", text.lower())
    lowered = unicodedata.normalize("NFC", text).casefold().replace(COMBINING_DOT, "")
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in lowered).split()


def _is_compared_by_character(word: str) -> bool:
    return len(word) > LONG_WORD or UNSPACED.search(word) is not None
