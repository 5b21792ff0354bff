"""The only room that knows PyAV, and in it FFmpeg: what is in a file, and its samples.

It costs 23 MB and a tenth of a second, so it is imported where a file asks for it.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import av
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from callscribe.errors import PermanentError
from callscribe.recording import AudioInfo
from callscribe.transcript import LONGEST_RECORDING

FORMATS = "mp3,ogg,flac,mov,matroska,webm,asf,amr,gsm,aac,wav"
"""What recorders write. No others: a playlist that is called a recording would have FFmpeg open whatever it names."""

HIGHEST_RATE = 16_000
"""Hz. Whisper hears no more than that, so no more is sent."""

SAMPLE = 2
"""Bytes."""

type Samples = tuple[bytes, bytes]
"""The same moment of both channels, in samples of 16 bits."""

av.logging.set_level(None)  # FFmpeg's own words about a file may quote it


class ReadAt(Protocol):
    """Something to decode, of `length` bytes."""

    length: int

    def read_at(self, offset: int, size: int) -> bytes: ...


class _File(io.RawIOBase):
    """As PyAV wants it: with a position."""

    def __init__(self, source: ReadAt) -> None:
        self._source = source
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read_at(self._at, size if size >= 0 else self._source.length)
        self._at += len(chunk)
        return chunk

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.length}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def describe(source: ReadAt) -> AudioInfo | None:
    """What is in a file; nothing known if it is not recognised, None if it is recognised and holds no audio."""
    try:
        with _opened(source) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            if not any(packet.size for packet in container.demux(stream)):
                return None
            seconds: float | None = None
            if stream.duration and stream.time_base:
                seconds = float(stream.duration * stream.time_base)
            elif container.duration:
                seconds = container.duration / av.time_base
            context = stream.codec_context
            return AudioInfo(
                codec=context.codec.canonical_name,
                duration=seconds if seconds and 0 < seconds <= LONGEST_RECORDING else None,
                sample_rate=context.sample_rate or None,
                channels=context.layout.nb_channels or None,
            )
    except av.error.EOFError:  # a header, and nothing behind it
        return None
    except (av.FFmpegError, ValueError, RuntimeError):
        return AudioInfo()


@contextmanager
def decoding(source: ReadAt) -> Iterator[tuple[int, Iterator[Samples]]]:
    """The sample rate, and a file's audio from its beginning as far as it can be decoded.

    Raises PermanentError `not_audio`, and what reading the file raises.
    """
    try:
        with _opened(source) as container:
            stream = container.streams.audio[0]
            rate = min(stream.codec_context.sample_rate, HIGHEST_RATE)
            yield rate, _resampled(_frames(container, stream), rate)
    except (av.FFmpegError, IndexError) as error:
        raise PermanentError(
            "The file cannot be decoded: it is damaged, or no audio. Listen to it; replace it, then retry.",
            code="not_audio",
        ) from error


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.FFmpegError:
            continue  # a damaged packet; the next one may be whole


def _resampled(frames: Iterator[AudioFrame], rate: int) -> Iterator[Samples]:
    resampler: AudioResampler | None = None
    before = None
    for frame in frames:
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        if shape != before:  # also in the middle of a file that was put together from several
            yield from _planes(resampler, None)
            resampler, before = AudioResampler(format="s16p", layout="stereo", rate=rate), shape
        frame.pts = None  # damaged files have times that make no sense
        yield from _planes(resampler, frame)
    yield from _planes(resampler, None)


def _planes(resampler: AudioResampler | None, frame: AudioFrame | None) -> Iterator[Samples]:
    """What comes out of the resampler for a frame, or at its end."""
    with suppress(av.FFmpegError):
        for resampled in resampler.resample(frame) if resampler else ():
            left, right = (bytes(plane)[: SAMPLE * resampled.samples] for plane in resampled.planes)
            yield left, right


@contextmanager
def _opened(source: ReadAt) -> Iterator[InputContainer]:
    with av.open(_File(source), mode="r", options={"format_whitelist": FORMATS}) as container:
        yield container
