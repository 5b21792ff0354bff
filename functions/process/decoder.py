"""The only room that knows PyAV, and in it FFmpeg: what is in a file, and its samples.

It costs 23 MB and a tenth of a second, so it is imported where a file asks for it.
"""

import io
from collections.abc import Iterator, Mapping
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

RATES = range(2_000, 768_001)
"""Hz, of audio that is any. To resample from a rate that is none may take for ever."""

HEADERS = 8_192
"""Bytes: the headers of Ogg and Matroska are no longer, without pictures."""

type Tags = Mapping[str, str]
"""What a file says of itself in words, under FFmpeg's names: `title`, `artist`, `comment`, or the file's own."""

type Samples = tuple[bytes, bytes]
"""The same moment of both channels, in samples of 16 bits."""

FAULTS = (av.FFmpegError, ValueError)
"""What PyAV raises for a file that is not as it should be."""

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


def describe(source: ReadAt) -> tuple[AudioInfo, Tags] | None:
    """What is in a file; nothing known if it is not recognised, None if it is recognised and holds no audio."""
    try:
        with _open(source) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            if not any(packet.size for packet in container.demux(stream)):
                return None
            return _info(container, stream), {**container.metadata, **stream.metadata}
    except av.error.EOFError:  # headers and nothing behind them; or there is much behind them, and they are damaged
        return None if source.length <= HEADERS else (AudioInfo(), {})
    except FAULTS:
        return AudioInfo(), {}


def _info(container: InputContainer, stream: AudioStream) -> AudioInfo:
    seconds: float | None = None
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / av.time_base
    context = stream.codec_context
    if context is None:  # of a codec that FFmpeg does not know
        return AudioInfo(duration=_possible(seconds))
    return AudioInfo(
        codec=context.codec.canonical_name,
        duration=_possible(seconds),
        sample_rate=context.sample_rate or None,
        channels=context.layout.nb_channels or None,
    )


@contextmanager
def decoding(source: ReadAt) -> Iterator[tuple[int, Iterator[Samples]]]:
    """The sample rate, and a file's audio from its beginning as far as it can be decoded.

    Raises PermanentError `not_audio`, and what reading the file raises.
    """
    try:
        container = _open(source)
    except FAULTS as error:
        raise not_audio() from error
    with container:
        stream = next(iter(container.streams.audio), None)
        context = stream and stream.codec_context  # None for a codec that FFmpeg does not know
        if not stream or not context or context.sample_rate not in RATES:
            raise not_audio()
        rate = min(context.sample_rate, HIGHEST_RATE)
        yield rate, _resampled(_frames(container, stream), rate)


def not_audio() -> PermanentError:
    """For a file that has no samples, as far as FFmpeg can tell."""
    return PermanentError(
        "The file cannot be decoded: it is damaged, or no audio. Listen to it; replace it, then retry.",
        code="not_audio",
    )


def _possible(seconds: float | None) -> float | None:
    return round(seconds, 3) if seconds and 0 < seconds <= LONGEST_RECORDING else None


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except FAULTS:
            continue  # a damaged packet; the next one may be whole


def _resampled(frames: Iterator[AudioFrame], rate: int) -> Iterator[Samples]:
    resampler: AudioResampler | None = None
    before = None
    for frame in frames:
        if frame.sample_rate not in RATES:
            continue
        shape = frame.format.name, frame.layout.name, frame.sample_rate
        if shape != before:  # also in the middle of a file that was put together from several
            yield from _planes(resampler, None)
            resampler, before = AudioResampler(format="s16p", layout="stereo", rate=rate, threads=1), shape
        frame.pts = None  # damaged files have times that make no sense
        yield from _planes(resampler, frame)
    yield from _planes(resampler, None)


def _planes(resampler: AudioResampler | None, frame: AudioFrame | None) -> Iterator[Samples]:
    """What comes out of the resampler for a frame, or at its end."""
    with suppress(*FAULTS):
        for resampled in resampler.resample(frame) if resampler else ():
            size = resampled.format.bytes * resampled.samples  # planes are aligned, and so longer
            left, right = (bytes(plane)[:size] for plane in resampled.planes)
            yield left, right


def _open(source: ReadAt) -> InputContainer:
    return av.open(_File(source), mode="r", options={"format_whitelist": FORMATS})
