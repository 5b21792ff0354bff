"""Measures how loud audio is, in short frames, and whether it holds any sound.

Whisper invents text for silence and faint noise, and some servers fail on it, so what holds no sound is not sent.
"""

import re
import zlib
from array import array
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log10, sumprod
from typing import Any

from callscribe.recordings.recording import Channel

SAMPLE_BYTES = 2
"""Samples are decoded and sent as 16-bit integers."""

SAMPLE_STRIDE = 7
"""One of this many samples is measured: enough for a level within 1 dB."""

FRAME_SECONDS = 0.04
"""A frame is about this long: shorter than a syllable, so that pauses show, and longer than a click."""

FRAMES_PER_WINDOW = 25
"""Frames that are measured together, about one second."""

MAX_FRAMES = 2_000_000
"""About 22 hours. Levels beyond are not kept, so that memory is bounded."""

FULL_SCALE_LEVEL = 100
"""Levels are stored in one byte: dBFS plus this, root mean square without DC; 0 for digital silence."""

MAX_OFFSET = 3_277
"""The largest DC offset that is ignored, a tenth of full scale. Analog hardware has less. What a file with more holds
is unknown, so it is left to the server."""

MIN_AUDIBLE_LEVEL = FULL_SCALE_LEVEL - 57
"""A frame above this level is audible. Line noise at -60 dBFS stays below it, also in its loudest frames, and speech of
-50 dBFS over a whole recording is louder in most syllables."""

MIN_AUDIBLE_RUN = 4
"""Consecutive audible frames that make a sound. A syllable lasts longer, two clicks do not."""

MIN_SECONDS = 0.1
"""What is shorter holds no speech. Servers fail on it."""

MIN_AUDIBLE_SECONDS = 1.0
"""With less sound than this, a recording may be one that servers fail on because they find no speech in it."""

AUDIBLE_RUN = re.compile(b"[%c-\xff]{%d}" % (MIN_AUDIBLE_LEVEL + 1, MIN_AUDIBLE_RUN), re.DOTALL)
AUDIBLE_FRAMES = re.compile(b"[%c-\xff]+" % (MIN_AUDIBLE_LEVEL + 1), re.DOTALL)

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


@dataclass(frozen=True, slots=True)
class ChannelLevels:
    """The levels of both channels: one byte for each frame of `frame_seconds`, see FULL_SCALE_LEVEL."""

    frame_seconds: float
    by_channel: dict[Channel, bytes]

    def to_document(self) -> dict[str, Any]:
        """Return the JSON document that is stored: about 50 kB for an hour."""
        compressed = {channel: b64encode(zlib.compress(data)).decode() for channel, data in self.by_channel.items()}
        return {"frameSeconds": self.frame_seconds, "levels": compressed}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ChannelLevels":
        """Read the stored document."""
        levels = {Channel(name): zlib.decompress(b64decode(data)) for name, data in document["levels"].items()}
        return cls(document["frameSeconds"], levels)


class LevelMeter:
    """Measures the level of each channel, frame by frame. `levels` has one entry per channel."""

    def __init__(self, rate: int, channel_count: int) -> None:
        self.sample_count = 0
        self.levels = [bytearray() for _ in range(channel_count)]
        self.frame_seconds = max(1, round(rate * FRAME_SECONDS / SAMPLE_STRIDE)) * SAMPLE_STRIDE / rate
        self._rate = rate
        self._frame_size = max(1, round(rate * FRAME_SECONDS / SAMPLE_STRIDE))
        self._window_bytes = SAMPLE_BYTES * SAMPLE_STRIDE * self._frame_size * FRAMES_PER_WINDOW
        self._buffers = [bytearray() for _ in range(channel_count)]

    def add(self, samples: Sequence[bytes]) -> list[list["array[int]"]]:
        """Measure the next samples. Return the windows that are complete: every SAMPLE_STRIDE-th sample by channel."""
        self.sample_count += len(samples[0]) // SAMPLE_BYTES
        for buffer, data in zip(self._buffers, samples, strict=True):
            buffer.extend(data)
        windows = []
        while len(self._buffers[0]) >= self._window_bytes:
            windows.append(self._measure(self._window_bytes))
        return windows

    def finish(self) -> list[list["array[int]"]]:
        """Measure what is left. Return it as a window, if there is any."""
        return [self._measure(len(self._buffers[0]))] if self._buffers[0] else []

    def _measure(self, size: int) -> list["array[int]"]:
        window = []
        for levels, buffer in zip(self.levels, self._buffers, strict=True):
            values = array("h", bytes(buffer[:size]))[::SAMPLE_STRIDE]
            del buffer[:size]
            if len(levels) < MAX_FRAMES:
                for start in range(0, len(values), self._frame_size):
                    levels.append(_level(values[start : start + self._frame_size]))
            window.append(values)
        return window

    @property
    def seconds(self) -> float:
        """How much was measured."""
        return self.sample_count / self._rate

    def has_sound(self, channel_index: int) -> bool:
        """Return whether the channel holds anything audible."""
        levels = self.levels[channel_index]
        if self.seconds < MIN_SECONDS:
            return False
        if len(levels) < MIN_AUDIBLE_RUN:
            return all(level > MIN_AUDIBLE_LEVEL for level in levels)
        return AUDIBLE_RUN.search(levels) is not None or len(levels) >= MAX_FRAMES  # not measured to its end

    @property
    def has_new_sound(self) -> bool:
        """Whether there is anything audible in the latest window of any channel."""
        return any(AUDIBLE_RUN.search(levels, max(0, len(levels) - 2 * FRAMES_PER_WINDOW)) for levels in self.levels)

    def audible_seconds(self, channel_index: int) -> float:
        """Return how much of the channel is audible."""
        frames = sum(len(run) for run in AUDIBLE_FRAMES.findall(self.levels[channel_index]))
        return float(frames * self.frame_seconds)


def _level(values: "array[int]") -> int:
    """Return the level of one frame. A constant offset (DC) is no sound, unless it is too large for one."""
    offset = min(abs(sum(values) / len(values)), MAX_OFFSET)
    energy = sumprod(values, values) / len(values) - offset**2
    return max(0, min(255, round(FULL_SCALE_LEVEL + 10 * log10(energy / 32_768**2)))) if energy > 0 else 0


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
