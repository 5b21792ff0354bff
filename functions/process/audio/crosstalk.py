"""Leaves out echo: what one channel of a stereo call repeats because the other party can be heard on it, faintly.

An analogue line, a handset or a codec that stores both channels jointly lets each party leak into the other channel, 15
to 45 dB quieter. Whisper transcribes speech however quiet it is, so every sentence would appear twice, once under the
wrong speaker. Text is echo if, all the time, its own channel is well below the other one, and if the other channel's
transcript has the same words at that time. One of these alone does not suffice: a distant caller may be much quieter,
and two people may say the same. In doubt, text is kept.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, pairwise

from callscribe.recordings.recording import Channel
from callscribe.transcripts.stereo import slice_segment, word_offsets
from callscribe.transcripts.transcript import UNSPACED_SCRIPTS, Segment, Transcript
from functions.process.audio.level_comparison import LevelComparison
from functions.process.audio.loudness import ChannelLevels

TIME_TOLERANCE_SECONDS, SEGMENT_TOLERANCE = 0.4, 0.1
"""How far apart the same word may be on both channels; without times of words, also this fraction of the segment."""

MIN_COVERAGE, MIN_SHORT_COVERAGE = 0.6, 0.8
"""The fraction of the text, in characters, that the other channel must have: of a phrase, and of single words."""

PHRASE_TOKENS = 4
"""Two people who speak at once do not say this many equal words. As many different ones in a row are not echo."""

MIN_PAUSE_SECONDS = 0.15
"""Single words are echo only if they are this far from the other words of their segment."""

UNKNOWN_EDGE_SECONDS = 0.7
"""Words without times that the other channel does not have may have been spoken this long before or after."""

MIN_SIMILARITY = 0.7
"""Of two words that Whisper may have heard as the same: difflib's ratio."""

MAX_LOOKBACK_SECONDS = 40.0
"""Maximum length of a segment, somewhat more than Whisper's window."""

MAX_ALIGNMENT = 300_000
"""Maximum number of pairs of words to compare for one segment. Longer ones are kept."""

TOKEN = re.compile(rf"[{UNSPACED_SCRIPTS}]|[^\W_{UNSPACED_SCRIPTS}]+")


@dataclass(frozen=True, slots=True)
class _Token:
    """A word, or a character in a script without spaces, and when it may have been spoken.

    `unit`: the index of the segment's word; 0 if its words have no times.
    """

    text: str
    start: float
    end: float
    unit: int


def remove_echo(
    transcripts: Mapping[Channel, Transcript], levels: ChannelLevels
) -> tuple[dict[Channel, Transcript], int]:
    """Return the transcripts of both channels without echo, and from how many segments text was left out.

    Segments without times are kept.
    """
    tokens = {channel: _tokens_by_time(transcript) for channel, transcript in transcripts.items()}
    results, echo_count = dict(transcripts), 0
    for channel, other in zip(Channel, reversed(Channel), strict=True):
        if channel not in transcripts or other not in transcripts:
            continue
        comparison = LevelComparison(levels, channel, other)
        if comparison.has_leak is False:
            continue
        kept: list[Segment] = []
        for segment in transcripts[channel].segments:
            parts = _without_echo(segment, comparison, tokens[other])
            echo_count += parts != [segment]
            kept += parts
        results[channel] = replace(transcripts[channel], segments=tuple(kept))
    return results, echo_count


def _tokens_by_time(transcript: Transcript) -> list[_Token]:
    tokens = [token for segment in transcript.segments for token in _tokens(segment)]
    return sorted(tokens, key=lambda token: token.start)


def _tokens(segment: Segment) -> list[_Token]:
    """The tokens of a segment in the order of its text; none if it has no times."""
    if times := _word_times(segment):
        return [
            _Token(token, start, end, index)
            for index, (start, end) in enumerate(times)
            for token in TOKEN.findall(segment.words[index].text.casefold())
        ]
    if segment.start is None or segment.end is None:
        return []
    seconds = segment.end - segment.start
    seconds_per_character, slack = seconds / max(1, len(segment.text)), SEGMENT_TOLERANCE * seconds
    return [
        _Token(
            match[0],
            segment.start + match.start() * seconds_per_character - slack,
            segment.start + match.end() * seconds_per_character + slack,
            0,
        )
        for match in TOKEN.finditer(segment.text.casefold())
    ]


def _word_times(segment: Segment) -> list[tuple[float, float]]:
    """Start and end of each word; none if no word has times, or if the words do not match the text.

    A word without times is as early as possible.
    """
    starts = [word.start for word in segment.words if word.start is not None]
    if not starts or word_offsets(segment) is None:
        return []
    times, position = [], starts[0]
    for word in segment.words:
        start = position if word.start is None else word.start
        position = max(start, word.end or start)
        times.append((start, position))
    return times


def _without_echo(segment: Segment, comparison: LevelComparison, other: Sequence[_Token]) -> list[Segment]:
    """The segment itself, or what is left of it."""
    tokens = _tokens(segment)
    if not tokens:
        return [segment]
    times = _word_times(segment)
    if not times:
        return [] if _is_echo(segment, tokens, comparison, other) else [segment]
    units = range(len(times))
    if comparison.is_below(times[0][0], times[-1][1]):
        quiet = dict.fromkeys(units, True)
    else:
        quiet = {unit: comparison.is_below(*times[unit]) for unit in units}
    echo = set[int]()
    for is_quiet, group in groupby(tokens, key=lambda token: quiet[token.unit]):
        run = list(group)
        for first, last in _echo_stretches(run, comparison, other) if is_quiet else ():
            stretch = range(run[first].unit, run[last - 1].unit + 1)
            if last - first >= PHRASE_TOKENS or _is_separate(stretch, times):
                echo.update(stretch)
    if not echo:
        return [segment]
    spoken = {token.unit for token in tokens} - echo
    parts = []
    for is_kept, word_group in groupby(units, key=lambda unit: unit not in echo):
        part = list(word_group)
        if is_kept and not spoken.isdisjoint(part):  # not only punctuation
            parts.append(slice_segment(segment, part[0], part[-1] + 1))
    return parts


def _is_echo(segment: Segment, tokens: Sequence[_Token], comparison: LevelComparison, other: Sequence[_Token]) -> bool:
    """Return whether the whole segment, whose words have no times, is echo."""
    start, end = segment.start or 0.0, segment.end or 0.0
    matched = _align(tokens, other)
    if not (matched[0] and matched[-1]):  # the first or the last words may be of its own party, at inexact times
        start, end = start - UNKNOWN_EDGE_SECONDS, end + UNKNOWN_EDGE_SECONDS
    return comparison.is_below(start, end) and _echo_stretches(tokens, comparison, other) == [(0, len(tokens))]


def _is_separate(stretch: range, times: Sequence[tuple[float, float]]) -> bool:
    """Return whether pauses separate these words from the other ones of their segment.

    If they do not, they belong to one sentence with the others, and inexact times may have made them look quiet.
    """
    before, after = stretch.start - 1, stretch.stop
    return (before < 0 or times[stretch.start][0] - times[before][1] >= MIN_PAUSE_SECONDS) and (
        after >= len(times) or times[after][0] - times[stretch.stop - 1][1] >= MIN_PAUSE_SECONDS
    )


def _echo_stretches(
    tokens: Sequence[_Token], comparison: LevelComparison, other: Sequence[_Token]
) -> list[tuple[int, int]]:
    """The stretches of quiet tokens that the other channel's text covers, as indexes: first and end (exclusive)."""
    matched = _align(tokens, other)
    stretches: list[tuple[int, int]] = []
    for index in (index for index, copy in enumerate(matched) if copy):
        if stretches and index - stretches[-1][1] < PHRASE_TOKENS:
            stretches[-1] = stretches[-1][0], index + 1
        else:
            stretches.append((index, index + 1))
    # a few other words before the first and after the last one are words that Whisper heard differently
    if stretches and stretches[0][0] < PHRASE_TOKENS and not _has_pause(tokens[: stretches[0][0] + 1]):
        stretches[0] = 0, stretches[0][1]
    if stretches and len(tokens) - stretches[-1][1] < PHRASE_TOKENS and not _has_pause(tokens[stretches[-1][1] - 1 :]):
        stretches[-1] = stretches[-1][0], len(tokens)
    return [
        (first, last) for first, last in stretches if _is_covered(tokens[first:last], matched[first:last], comparison)
    ]


def _has_pause(tokens: Sequence[_Token]) -> bool:
    return any(after.start - before.end >= MIN_PAUSE_SECONDS for before, after in pairwise(tokens))


def _is_covered(tokens: Sequence[_Token], matched: Sequence[_Token | None], comparison: LevelComparison) -> bool:
    start, end = tokens[0].start, tokens[-1].end
    if not comparison.is_below_around(start, end):
        return False
    common = sum(len(token.text) for token, copy in zip(tokens, matched, strict=True) if copy)
    coverage = common / sum(len(token.text) for token in tokens)
    copies = [copy for copy in matched if copy]
    is_explained = comparison.is_explained_by_leak(start, end)
    if len(copies) >= PHRASE_TOKENS:
        return coverage >= MIN_COVERAGE and is_explained is not False
    # two people who say the same at once: with inexact times, only those of the other party may be right
    if not comparison.is_below(copies[0].start, copies[-1].end):
        return False
    if is_explained is None:
        is_explained = len(tokens) > 1  # two people say a single word at once sooner than two words
    return coverage >= MIN_SHORT_COVERAGE and is_explained


def _align(tokens: Sequence[_Token], other: Sequence[_Token]) -> list[_Token | None]:
    """Return each token's copy in the other channel, at about the same time and in the same order; None without one.

    The longest common subsequence, in characters.
    """
    begin, end = tokens[0].start - TIME_TOLERANCE_SECONDS, tokens[-1].end + TIME_TOLERANCE_SECONDS
    candidates = [
        token
        for token in other[
            bisect_left(other, begin - MAX_LOOKBACK_SECONDS, key=lambda token: token.start) : bisect_right(
                other, end, key=lambda token: token.start
            )
        ]
        if token.end >= begin
    ]
    matched: list[_Token | None] = [None] * len(tokens)
    if len(tokens) * len(candidates) > MAX_ALIGNMENT:
        return matched
    # best[i][j]: common characters of tokens[i:] and candidates[j:]
    best = [[0] * (len(candidates) + 1) for _ in range(len(tokens) + 1)]
    same = [[_is_same(token, candidate) for candidate in candidates] for token in tokens]
    for i in reversed(range(len(tokens))):
        for j in reversed(range(len(candidates))):
            both = best[i + 1][j + 1] + len(tokens[i].text) if same[i][j] else 0
            best[i][j] = max(both, best[i + 1][j], best[i][j + 1])
    i = j = 0
    while i < len(tokens) and j < len(candidates):
        if same[i][j] and best[i][j] == best[i + 1][j + 1] + len(tokens[i].text):
            matched[i] = candidates[j]
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return matched


def _is_same(one: _Token, other: _Token) -> bool:
    if max(one.start, other.start) > min(one.end, other.end) + TIME_TOLERANCE_SECONDS:
        return False
    if one.text == other.text:
        return True
    matcher = SequenceMatcher(None, one.text, other.text, autojunk=False)
    return matcher.quick_ratio() >= MIN_SIMILARITY and matcher.ratio() >= MIN_SIMILARITY
