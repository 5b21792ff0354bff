"""Measures how loud audio is, in short frames, and whether it holds any sound.

Whisper invents text for silence and faint noise, and some servers fail on it, so what holds no sound is not sent.
"""

import re
import zlib
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10, sumprod
from typing import Any

from callscribe.recordings.recording import Channel

SAMPLE_BYTES = 2
"""Samples are decoded and sent as 16-bit integers."""

MAX_SAMPLE_RATE = 16_000
"""Hz. Whisper resamples to this rate, so nothing above it is sent."""

VALID_SAMPLE_RATES = range(2_000, 768_001)
"""Hz. Resampling from any other rate may never end."""

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
