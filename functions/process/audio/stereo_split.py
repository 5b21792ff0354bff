"""Splits a stereo recording into two mono WAV files, each decoded while it is sent."""

import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from math import sumprod
from typing import TYPE_CHECKING

from callscribe.errors import RetryableError
from callscribe.recordings.recording import Channel
from callscribe.sources import AudioFile
from functions.process.audio.loudness import SAMPLE_BYTES, ChannelLevels, LevelMeter

if TYPE_CHECKING:  # FFmpeg is loaded for the first stereo recording
    from array import array

    from functions.process.audio.decoder import RandomAccess

COPY_BLOCK_BYTES = 1_048_576
"""Size of one read when copying to the temporary file."""

FREE_SPACE_MARGIN = 16_777_216
"""Bytes of temporary storage to leave free."""

MIN_AUDIBLE_RMS = 100
"""-50 dBFS, root mean square: a second quieter than this is ignored in the comparison."""

MAX_DIFFERENCE = 0.02
"""-17 dB: the maximum energy of the difference of equal channels, relative to their sum. With one voice on both
channels, MP3, Opus and AAC leave -40 dB; crosstalk a quarter weaker than the voice has -17 dB."""

MAX_OUTLIERS = 0.05
"""The fraction of audible seconds that may differ, because codecs distort the onset of sounds."""

WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class ChannelComparison:
    """Compares the channels second by second: are they equal?"""

    def __init__(self) -> None:
        self._audible_seconds = self._different_seconds = 0

    def add(self, left: "array[int]", right: "array[int]") -> None:
        """Compare the energy of left - right with that of left + right, over about one second."""
        energy = sumprod(left, left) + sumprod(right, right)
        if energy >= MIN_AUDIBLE_RMS**2 * len(left):
            cross_energy = 2 * sumprod(left, right)
            self._audible_seconds += 1
            self._different_seconds += energy - cross_energy > MAX_DIFFERENCE * (energy + cross_energy)

    @property
    def is_dual_mono(self) -> bool:
        """Whether both channels are equal, which includes both being silent."""
        return self._different_seconds <= MAX_OUTLIERS * self._audible_seconds


class ChannelAudio:
    """One channel as a 16-bit WAV file of exactly `length` bytes, however much the decoder returns."""

    def __init__(self, samples: Iterator[bytes], rate: int, size: int) -> None:
        header = _wav_header(rate, size)
        self.length = len(header) + size
        self._remaining = self.length
        self._chunks = chain([header], samples)
        self._buffer = bytearray()

    def read(self, size: int = -1, /) -> bytes:
        size = self._remaining if size < 0 else min(size, self._remaining)
        while len(self._buffer) < size:
            self._buffer += next(self._chunks, bytes(size - len(self._buffer)))  # silence after the last one
        chunk = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._remaining -= size
        return chunk


class StereoSplitter:
    """A stereo recording whose channels can be opened one at a time, and repeatedly.

    `is_dual_mono`: both channels are equal, so one of them is the whole recording. `silent_channels`: Whisper would
    hallucinate text for them. `levels`: how loud both channels are at any time. `audible_seconds`: for how long each of
    them holds sound.
    """

    def __init__(self, file: "RandomAccess") -> None:
        from functions.process.audio.decoder import not_audio_error, open_decoder

        self._file = file
        comparison = ChannelComparison()
        with open_decoder(file) as (rate, samples):
            meter = LevelMeter(rate, len(Channel))
            for block in samples:
                for left, right in meter.add(block):
                    comparison.add(left, right)
            for left, right in meter.finish():
                comparison.add(left, right)
        if not meter.sample_count:
            raise not_audio_error()
        self._size = SAMPLE_BYTES * meter.sample_count
        self.is_dual_mono = comparison.is_dual_mono
        self.silent_channels = frozenset(channel for index, channel in enumerate(Channel) if not meter.has_sound(index))
        self.audible_seconds = {channel: meter.audible_seconds(index) for index, channel in enumerate(Channel)}
        self.levels = ChannelLevels(meter.frame_seconds, dict(zip(Channel, map(bytes, meter.levels), strict=True)))

    @contextmanager
    def open(self, channel: Channel) -> Iterator[ChannelAudio]:
        """Yield one channel from the start, at most 16 kHz.

        Raises: PermanentError `not_audio`; and what reading the file raises.
        """
        from functions.process.audio.decoder import open_decoder

        channel_index = list(Channel).index(channel)
        with open_decoder(self._file) as (rate, samples):
            yield ChannelAudio((block[channel_index] for block in samples), rate, self._size)


@contextmanager
def split_stereo(audio: AudioFile) -> Iterator[StereoSplitter]:
    """Decode the audio once, in constant memory, to compare its channels.

    A file that is not local is first copied to an unnamed temporary file, because it is read three times.

    Raises: PermanentError `not_audio`; RetryableError `audio_unreadable`, also when there is no space for the copy.
    """
    if audio.is_local:
        yield StereoSplitter(audio)
    else:
        with copy_to_temp_file(audio) as copy:
            yield StereoSplitter(copy)


def has_space_for(audio: AudioFile) -> bool:
    """Return whether a copy fits into the temporary storage."""
    return shutil.disk_usage(tempfile.gettempdir()).free - FREE_SPACE_MARGIN >= audio.length


@contextmanager
def copy_to_temp_file(audio: AudioFile) -> Iterator[AudioFile]:
    """Copy the file to an unnamed temporary file.

    Raises: RetryableError `audio_unreadable`, also when there is no space for it.
    """
    from callscribe.sources.folder import FolderAudio

    if not has_space_for(audio):
        raise _disk_full_error(audio.length)
    with tempfile.TemporaryFile() as file:
        try:
            while chunk := audio.read(COPY_BLOCK_BYTES):
                file.write(chunk)
            file.seek(0)  # writes what is buffered
        except OSError as error:  # other threads write there at the same time
            raise _disk_full_error(audio.length) from error
        copy = FolderAudio(file)
        if copy.length < audio.length:
            raise RetryableError("The audio file shrank while it was being read.", code="audio_unreadable")
        yield copy


def _disk_full_error(size: int) -> RetryableError:
    return RetryableError(
        f"The stereo recording ({size / 1e6:,.0f} MB) does not fit into the function's temporary storage. "
        "Increase EphemeralStorage of the process function, or lower MaxConcurrentTranscriptions.",
        code="audio_unreadable",
    )


def _wav_header(rate: int, size: int) -> bytes:
    bits = 8 * SAMPLE_BYTES
    return WAV_HEADER.pack(
        *(b"RIFF", WAV_HEADER.size - 8 + size, b"WAVE"),
        *(b"fmt ", 16, 1, 1, rate, rate * SAMPLE_BYTES, SAMPLE_BYTES, bits),
        *(b"data", size),
    )
