"""The two channels of a stereo recording, apart: each as an audio file of its own that is decoded while it is sent."""

import shutil
import struct
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from math import sumprod
from typing import TYPE_CHECKING

from callscribe.errors import RetryableError
from callscribe.recording import Channel
from callscribe.sources import AudioFile

if TYPE_CHECKING:  # FFmpeg is loaded by the first stereo call
    from functions.process.decoder import ReadAt, Samples

SAMPLE = 2
"""Bytes of a sample, as it is decoded and sent."""

BLOCK = 1_048_576
"""Bytes that are read at once into the temporary file."""

SPARE = 16_777_216
"""Bytes of temporary storage that are left free."""

EVERY = 13
"""Of so many samples, one is compared: enough of them to tell, and no multiple that a tone could hide behind."""

SILENT = 33
"""-60 dBFS: no sample of a channel without a sound is louder."""

AUDIBLE = 100
"""-50 dBFS, root mean square: a second below it says nothing of whether the channels are equal."""

ALIKE = 0.02
"""-17 dB: how much of the energy of both channels together their difference may have. Where it was one voice on both
sides, MP3, Opus and AAC leave -40 dB; crosstalk that is a quarter weaker than the voice has -17 dB."""

STRAY = 0.05
"""The part of the audible seconds that may be unlike, for the sake of what codecs do where sound begins."""

WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class Comparison:
    """Of both channels, second by second: whether they are equal, and which are without a sound."""

    def __init__(self, rate: int) -> None:
        self.length = 0
        """In samples."""
        self._peaks = dict.fromkeys(Channel, 0)
        self._second = max(1, rate // EVERY)
        self._compared = 0
        self._own = self._shared = 0.0
        self._audible = self._unlike = 0

    def add(self, samples: "Samples") -> None:
        """The next samples."""
        self.length += len(samples[0]) // SAMPLE
        left, right = (array("h", each)[::EVERY] for each in samples)
        for channel, some in zip(Channel, (left, right), strict=True):
            self._peaks[channel] = max(self._peaks[channel], max(some, default=0), -min(some, default=0))
        self._own += sumprod(left, left) + sumprod(right, right)
        self._shared += 2 * sumprod(left, right)
        self._compared += len(left)
        if self._compared >= self._second:
            self._judge()

    def _judge(self) -> None:
        """Of one second: the energy of left - right, and that of left + right."""
        if self._own >= AUDIBLE**2 * self._compared:
            self._audible += 1
            self._unlike += self._own - self._shared > ALIKE * (self._own + self._shared)
        self._compared = 0
        self._own = self._shared = 0.0

    def end(self) -> None:
        """After the last samples."""
        if self._compared:
            self._judge()

    @property
    def equal(self) -> bool:
        """Also where both are silent."""
        return self._unlike <= STRAY * self._audible

    @property
    def silent(self) -> frozenset[Channel]:
        return frozenset(channel for channel, peak in self._peaks.items() if peak <= SILENT)


class ChannelAudio:
    """One channel as a WAV file of 16 bits. It is `length` bytes long, whatever comes out of the decoder."""

    def __init__(self, samples: Iterator[bytes], rate: int, size: int) -> None:
        header = _wav_header(rate, size)
        self.length = len(header) + size
        self._unread = self.length
        self._chunks = chain([header], samples)
        self._buffer = bytearray()

    def read(self, size: int = -1, /) -> bytes:
        size = self._unread if size < 0 else min(size, self._unread)
        while len(self._buffer) < size:
            self._buffer += next(self._chunks, None) or bytes(size - len(self._buffer))
        chunk = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._unread -= size
        return chunk


class Split:
    """A stereo recording whose channels can be opened, one after the other and again.

    `equal`: both say the same, so one of them is all of it. `silent`: those without a sound, for which Whisper would
    invent text. `duration` in seconds.
    """

    def __init__(self, file: "ReadAt") -> None:
        from functions.process.decoder import decoding, not_audio

        self._file = file
        with decoding(file) as (rate, samples):
            comparison = Comparison(rate)
            for each in samples:
                comparison.add(each)
            comparison.end()
        if not comparison.length:
            raise not_audio()
        self._size = SAMPLE * comparison.length
        self.equal = comparison.equal
        self.silent = comparison.silent
        self.duration = comparison.length / rate

    @contextmanager
    def open(self, channel: Channel) -> Iterator[ChannelAudio]:
        """That channel alone, from its beginning, at most 16 kHz. Raises PermanentError, and what reading raises."""
        from functions.process.decoder import decoding

        side = list(Channel).index(channel)
        with decoding(self._file) as (rate, samples):
            yield ChannelAudio((each[side] for each in samples), rate, self._size)


@contextmanager
def split(audio: AudioFile) -> Iterator[Split]:
    """Decodes the audio once, in constant memory, to compare its channels.

    What does not lie on a disk is copied into an unnamed temporary file first, for it is read three times. Raises
    PermanentError `not_audio`; RetryableError `audio_unreadable`, also where there is no room for the copy.
    """
    if audio.local:
        yield Split(audio)
    else:
        with _copied(audio) as copy:
            yield Split(copy)


@contextmanager
def _copied(audio: AudioFile) -> Iterator[AudioFile]:
    from callscribe.sources.folder import FolderAudio

    free = shutil.disk_usage(tempfile.gettempdir()).free - SPARE
    if free < audio.length:
        raise _no_room(audio.length)
    with tempfile.TemporaryFile() as file:
        try:
            while chunk := audio.read(BLOCK):
                file.write(chunk)
            file.flush()
        except OSError as error:  # others write there at the same time
            raise _no_room(audio.length) from error
        copy = FolderAudio(file)
        if copy.length < audio.length:
            raise RetryableError("The audio file became shorter while it was read.", code="audio_unreadable")
        yield copy


def _no_room(size: int) -> RetryableError:
    return RetryableError(
        f"The stereo recording ({size / 1e6:,.0f} MB) does not fit into the function's temporary storage. "
        "Raise EphemeralStorage of the process function, or send fewer recordings at once.",
        code="audio_unreadable",
    )


def _wav_header(rate: int, size: int) -> bytes:
    bits = 8 * SAMPLE
    return WAV_HEADER.pack(
        *(b"RIFF", WAV_HEADER.size - 8 + size, b"WAVE"),
        *(b"fmt ", 16, 1, 1, rate, rate * SAMPLE, SAMPLE, bits),
        *(b"data", size),
    )
