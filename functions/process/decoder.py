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
from callscribe.recordings.recording import AudioInfo
from callscribe.transcripts.transcript import MAX_DURATION_SECONDS

ALLOWED_FORMATS = "mp3,ogg,flac,mov,matroska,webm,asf,amr,gsm,aac,wav"
"""What recorders write. No others: a playlist that is called a recording would have FFmpeg open whatever it names."""

MAX_SAMPLE_RATE = 16_000
"""Hz. Whisper hears no more than that, so no more is sent."""

VALID_SAMPLE_RATES = range(2_000, 768_001)
"""Hz, of audio that is any. To resample from a rate that is none may take for ever."""

MAX_HEADER_BYTES = 8_192
"""Bytes: the headers of Ogg and Matroska are no longer, without pictures."""

type Tags = Mapping[str, str]
"""What a file says of itself in words, under FFmpeg's names: `title`, `artist`, `comment`, or the file's own."""

type StereoSamples = tuple[bytes, bytes]
"""The same moment of both channels, in samples of 16 bits."""

PYAV_ERRORS = (av.FFmpegError, ValueError)
"""What PyAV raises for a file that is not as it should be."""

av.logging.set_level(None)  # FFmpeg's own words about a file may quote it


class RandomAccess(Protocol):
    """Something to decode, of `length` bytes."""

    length: int

    def read_at(self, offset: int, size: int) -> bytes: ...


class _SeekableFile(io.RawIOBase):
    """As PyAV wants it: with a position."""

    def __init__(self, source: RandomAccess) -> None:
        self._source = source
        self._position = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read_at(self._position, size if size >= 0 else self._source.length)
        self._position += len(chunk)
        return chunk

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.length}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def probe(source: RandomAccess) -> tuple[AudioInfo, Tags] | None:
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
        return None if source.length <= MAX_HEADER_BYTES else (AudioInfo(), {})
    except PYAV_ERRORS:
        return AudioInfo(), {}


def _info(container: InputContainer, stream: AudioStream) -> AudioInfo:
    seconds: float | None = None
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / av.time_base
    context = stream.codec_context
    if context is None:  # of a codec that FFmpeg does not know
        return AudioInfo(duration=_valid_duration(seconds))
    return AudioInfo(
        codec=context.codec.canonical_name,
        duration=_valid_duration(seconds),
        sample_rate=context.sample_rate or None,
        channels=context.layout.nb_channels or None,
    )


@contextmanager
def open_decoder(source: RandomAccess) -> Iterator[tuple[int, Iterator[StereoSamples]]]:
    """The sample rate, and a file's audio from its beginning as far as it can be decoded.

    Raises PermanentError `not_audio`, and what reading the file raises.
    """
    try:
        container = _open(source)
    except PYAV_ERRORS as error:
        raise not_audio_error() from error
    with container:
        stream = next(iter(container.streams.audio), None)
        context = stream and stream.codec_context  # None for a codec that FFmpeg does not know
        if not stream or not context or context.sample_rate not in VALID_SAMPLE_RATES:
            raise not_audio_error()
        rate = min(context.sample_rate, MAX_SAMPLE_RATE)
        yield rate, _resample(_iter_frames(container, stream), rate)


def not_audio_error() -> PermanentError:
    """For a file that has no samples, as far as FFmpeg can tell."""
    return PermanentError(
        "The file cannot be decoded: it is damaged, or no audio. Listen to it; replace it, then retry.",
        code="not_audio",
    )


def _valid_duration(seconds: float | None) -> float | None:
    return round(seconds, 3) if seconds and 0 < seconds <= MAX_DURATION_SECONDS else None


def _iter_frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except PYAV_ERRORS:
            continue  # a damaged packet; the next one may be whole


def _resample(frames: Iterator[AudioFrame], rate: int) -> Iterator[StereoSamples]:
    resampler: AudioResampler | None = None
    previous_format = None
    for frame in frames:
        if frame.sample_rate not in VALID_SAMPLE_RATES:
            continue
        frame_format = frame.format.name, frame.layout.name, frame.sample_rate
        if frame_format != previous_format:  # also in the middle of a file that was put together from several
            yield from _resample_frame(resampler, None)
            resampler, previous_format = (
                AudioResampler(format="s16p", layout="stereo", rate=rate, threads=1),
                frame_format,
            )
        frame.pts = None  # damaged files have times that make no sense
        yield from _resample_frame(resampler, frame)
    yield from _resample_frame(resampler, None)


def _resample_frame(resampler: AudioResampler | None, frame: AudioFrame | None) -> Iterator[StereoSamples]:
    """What comes out of the resampler for a frame, or at its end."""
    with suppress(*PYAV_ERRORS):
        for output_frame in resampler.resample(frame) if resampler else ():
            size = output_frame.format.bytes * output_frame.samples  # planes are aligned, and so longer
            left, right = (bytes(plane)[:size] for plane in output_frame.planes)
            yield left, right


def _open(source: RandomAccess) -> InputContainer:
    return av.open(_SeekableFile(source), mode="r", options={"format_whitelist": ALLOWED_FORMATS})
