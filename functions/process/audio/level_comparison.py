"""Compares how loud the two channels of a call are: is what is heard on one of them an echo of the other?"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from callscribe.recordings.recording import Channel
from functions.process.audio.loudness import FRAMES_PER_WINDOW, FULL_SCALE_LEVEL, MIN_AUDIBLE_LEVEL, ChannelLevels

MARGIN, FRAME_MARGIN = 8, 6
"""dB by which echo is quieter than the other channel: its loud frames, and each single one."""

MAX_LEAD_SECONDS, MAX_DELAY_SECONDS = 0.12, 0.52
"""How much earlier or later than the other channel echo may be."""

MAX_LOUD_SECONDS = 0.12
"""Echo may be louder than FRAME_MARGIN allows for this long. A word of one's own takes longer."""

MAX_EDGE_SECONDS, EDGE_FRACTION = 0.3, 0.2
"""At its start and end, text is not compared for a fraction of its length: Whisper's times are that inexact."""

NOISE_QUANTILE, NOISE_MARGIN, MAX_NOISE_LEVEL = 0.2, 6, FULL_SCALE_LEVEL - 50
"""A channel's noise: the level that a fifth of its frames do not exceed, up to a maximum. Speech is louder by a margin,
in dB."""

PAUSE_QUANTILE, MIN_LEAK_FRACTION = 0.05, 0.6
"""A channel has a leak if, in this fraction of the half seconds in which only the other party speaks, it is louder than
its noise: the level that a twentieth of its frames do not exceed, because even a long answer has pauses."""

LOUD_QUANTILE = 0.9
"""The level of a stretch of audio is the one that a tenth of its frames exceed."""

SURROUNDING_SECONDS, SURROUNDING_QUANTILE = 0.4, 0.75
"""What is compared before and after a stretch of words, and the level that a quarter of the frames exceed."""

BLOCK_FRAMES, MIN_EVIDENCE_BLOCKS, LEAK_QUANTILE, LEAK_TOLERANCE = 12, 3, 0.7, 6
"""A leak explains a level if, in some of the half seconds in which the other party speaks elsewhere, the channel is as
loud, relative to the other one, within a tolerance in dB."""


class LevelComparison:
    """Compares the levels of a channel with those of the other one, from which it may have echo."""

    def __init__(self, levels: ChannelLevels, channel: Channel, other_channel: Channel) -> None:
        self._frame_seconds = levels.frame_seconds
        self._own = own = levels.by_channel[channel]
        other = levels.by_channel[other_channel]
        before, after = (round(seconds / self._frame_seconds) for seconds in (MAX_DELAY_SECONDS, MAX_LEAD_SECONDS))
        self._other = bytes(max(other[max(0, i - before) : i + after + 1]) for i in range(len(other)))
        self._speech_level = min(_quantile(own, NOISE_QUANTILE), MAX_NOISE_LEVEL) + NOISE_MARGIN
        self._differences = Counter(self._iter_differences(0, len(own)))

    @property
    def has_leak(self) -> bool | None:
        """Whether the channel is often louder than its noise when only the other party speaks; None if that is rare."""
        levels = [
            _quantile(self._own[start : start + BLOCK_FRAMES], LOUD_QUANTILE)
            for start in self._iter_blocks(0, len(self._own))
            if self._difference(start, start + BLOCK_FRAMES) <= -MARGIN
        ]
        if len(levels) < MIN_EVIDENCE_BLOCKS:
            return None
        noise_level = _quantile(self._own, PAUSE_QUANTILE)
        return sum(level > noise_level + NOISE_MARGIN for level in levels) > MIN_LEAK_FRACTION * len(levels)

    def is_below(self, start: float, end: float) -> bool:
        """Return whether the channel is well below the other one, which is audible, all the time."""
        first, last = self._frames(start, end)
        own, other = self._own[first:last], self._other[first:last]
        if not own or not other:
            return False
        other_level = _quantile(other, LOUD_QUANTILE)
        if other_level <= MIN_AUDIBLE_LEVEL or _quantile(own, LOUD_QUANTILE) > other_level - MARGIN:
            return False
        is_loud = (
            mine > max(theirs - FRAME_MARGIN, self._speech_level) for mine, theirs in zip(own, other, strict=True)
        )
        longest = max((sum(1 for _ in run) for loud, run in groupby(is_loud) if loud), default=0)
        return longest * self._frame_seconds <= MAX_LOUD_SECONDS + self._frame_seconds / 2

    def is_below_around(self, start: float, end: float) -> bool:
        """Return whether the channel is well below the other one also with what surrounds these words.

        A quiet word between two loud ones may be as quiet as the echo that those have on the other channel.
        """
        first, last = self._frames(start - SURROUNDING_SECONDS, end + SURROUNDING_SECONDS)
        own, other = (_quantile(levels[first:last], SURROUNDING_QUANTILE) for levels in (self._own, self._other))
        return own <= other - MARGIN

    def is_explained_by_leak(self, start: float, end: float) -> bool | None:
        """Return whether a leak, as it is at other times, would be as loud as the channel is in this time.

        None if the other party hardly speaks at other times.
        """
        first, last = self._frames(start, end)
        elsewhere = self._differences - Counter(self._iter_differences(first, last))
        if elsewhere.total() < MIN_EVIDENCE_BLOCKS:
            return None
        # within a long stretch, the channel's own party may say a word
        difference = self._difference(
            first, last, LOUD_QUANTILE if last - first < FRAMES_PER_WINDOW else SURROUNDING_QUANTILE
        )
        louder = sum(count for other, count in elsewhere.items() if other >= difference - LEAK_TOLERANCE)
        return louder > (1 - LEAK_QUANTILE) * elsewhere.total()

    def _frames(self, start: float, end: float) -> tuple[int, int]:
        edge = min(MAX_EDGE_SECONDS, EDGE_FRACTION * (end - start))
        first = max(0, int((start + edge) / self._frame_seconds))
        return first, max(first + 1, int((end - edge) / self._frame_seconds))

    def _difference(self, first: int, last: int, quantile: float = LOUD_QUANTILE) -> int:
        own, other = (_quantile(levels[first:last], quantile) for levels in (self._own, self._other))
        return own - other

    def _iter_differences(self, first: int, last: int) -> Iterator[int]:
        """The difference to the other channel in each block of frames in which that is audible."""
        return (self._difference(start, start + BLOCK_FRAMES) for start in self._iter_blocks(first, last))

    def _iter_blocks(self, first: int, last: int) -> Iterator[int]:
        for start in range(first - first % BLOCK_FRAMES, last, BLOCK_FRAMES):
            if _quantile(self._other[start : start + BLOCK_FRAMES], LOUD_QUANTILE) > MIN_AUDIBLE_LEVEL:
                yield start


def _quantile(levels: bytes, fraction: float) -> int:
    return sorted(levels)[min(len(levels) - 1, int(fraction * len(levels)))] if levels else 0
