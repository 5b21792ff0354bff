"""Probes and decodes audio with PyAV (FFmpeg). No other Python module imports PyAV.

PyAV costs 23 MB and 0.1 seconds, so this Python module is only imported for a file that needs it.
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
from functions.process.audio.loudness import MAX_SAMPLE_RATE, VALID_SAMPLE_RATES

ALLOWED_FORMATS = "mp3,ogg,flac,mov,matroska,webm,asf,amr,gsm,aac,wav"
"""The formats that recorders write. With others allowed, a playlist could make FFmpeg open any file or URL in it."""

MAX_HEADER_BYTES = 8_192
"""Maximum size of Ogg and Matroska headers without pictures."""

type Tags = Mapping[str, str]
"""Text tags of a file, under FFmpeg's names (`title`, `artist`, `comment`) or the file's own."""

type StereoSamples = tuple[bytes, bytes]
"""The same span of the left and the right channel, as 16-bit samples. Those of mono are equal."""

PYAV_ERRORS = (av.FFmpegError, ValueError)
"""Exceptions that PyAV raises for a malformed file."""

av.logging.set_level(None)  # FFmpeg's log messages may quote the file


class RandomAccess(Protocol):
    """A source of `length` bytes that can be read at any offset."""

    length: int

    def read_at(self, offset: int, size: int) -> bytes: ...


class _SeekableFile(io.RawIOBase):
    """Adapts random access to the file interface of PyAV."""

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
    """Return audio info and tags.

    `None` if the format is recognised but the file holds no audio; empty info and tags if it is not recognised.
    """
    try:
        with _open(source) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            if not any(packet.size for packet in container.demux(stream)):
                return None
            return _info(container, stream), {**container.metadata, **stream.metadata}
    except av.error.EOFError:  # headers without audio or, in a larger file, damaged headers
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
    if context is None:  # a codec that FFmpeg does not know
        return AudioInfo(duration=_valid_duration(seconds))
    return AudioInfo(
        codec=context.codec.canonical_name,
        duration=_valid_duration(seconds),
        sample_rate=context.sample_rate or None,
        channels=context.layout.nb_channels or None,
    )


@contextmanager
def open_decoder(source: RandomAccess) -> Iterator[tuple[int, Iterator[StereoSamples]]]:
    """Yield the sample rate in Hz and the file's audio from the start, as far as it can be decoded.

    Raises: PermanentError `not_audio`; and what reading the file raises.
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
    """The error for a file in which FFmpeg finds no samples."""
    return PermanentError(
        "The file cannot be decoded: it is damaged or not audio. Listen to it, replace it, then retry.",
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
        if frame_format != previous_format:  # may change within a file that was concatenated from several
            yield from _resample_frame(resampler, None)
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"  # from mono to stereo it would lose 3 dB
            resampler, previous_format = (
                AudioResampler(format="s16p", layout=layout, rate=rate, threads=1),
                frame_format,
            )
        frame.pts = None  # timestamps in damaged files make no sense
        yield from _resample_frame(resampler, frame)
    yield from _resample_frame(resampler, None)


def _resample_frame(resampler: AudioResampler | None, frame: AudioFrame | None) -> Iterator[StereoSamples]:
    """Yield the resampler's output for a frame; with None, flush it."""
    with suppress(*PYAV_ERRORS):
        for output_frame in resampler.resample(frame) if resampler else ():
            size = output_frame.format.bytes * output_frame.samples  # planes are padded for alignment
            planes = [bytes(plane)[:size] for plane in output_frame.planes]
            yield planes[0], planes[-1]


def _open(source: RandomAccess) -> InputContainer:
    return av.open(_SeekableFile(source), mode="r", options={"format_whitelist": ALLOWED_FORMATS})
