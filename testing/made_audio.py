"""Generates real audio for tests: WAV with soundfile, other formats with FFmpeg."""

import io
import struct
from collections.abc import Mapping
from typing import Any

import av
import numpy as np
import soundfile

FORMATS: dict[str, tuple[str, str, int]] = {
    "mp3": ("mp3", "libmp3lame", 16_000),
    "ogg": ("ogg", "libopus", 48_000),
    "flac": ("flac", "flac", 16_000),
    "m4a": ("ipod", "aac", 16_000),
    "aac": ("adts", "aac", 16_000),
    "webm": ("webm", "libopus", 48_000),
    "mka": ("matroska", "pcm_s16le", 8_000),
}
"""Container, codec and sample rate as FFmpeg names them, by extension."""

AMR = b"#!AMR\n"
AMR_FRAME = b"\x3c" + bytes(31)
GSM_FRAME = b"\xd8" + bytes(32)
"""Frames of 20 ms. FFmpeg reads these formats, but cannot write them."""


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.3) -> np.ndarray[Any, Any]:
    """Generate a tone with samples between -1 and 1. Its level rises and falls as in speech."""
    time = np.arange(int(seconds * rate)) / rate
    return level * np.sin(2 * np.pi * hertz * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))


def wav(*channels: np.ndarray[Any, Any], rate: int = 8_000, subtype: str = "PCM_16") -> bytes:
    """Write a WAV file with these channels."""
    file = io.BytesIO()
    soundfile.write(file, np.stack(channels, axis=1), rate, format="WAV", subtype=subtype)
    return file.getvalue()


def encode(
    extension: str, *channels: np.ndarray[Any, Any], tags: Mapping[str, str] | None = None, **options: str
) -> bytes:
    """Encode a file in the format of the extension. Empty channels make a file without samples.

    The channels have the sample rate in FORMATS. `options` are passed to the codec.
    """
    container, codec, rate = FORMATS[extension]
    layout = "mono" if len(channels) == 1 else "stereo"
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        output.metadata.update(tags or {})
        stream = output.add_stream(codec, rate=rate, layout=layout, options=options)
        assert isinstance(stream, av.AudioStream)
        output.start_encoding()
        interleaved = (np.stack(channels, axis=1) * 32_767).astype(np.int16)
        for start in range(0, len(interleaved), 4096):
            samples = np.ascontiguousarray(interleaved[start : start + 4096].reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
            frame.sample_rate = rate
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def riff(*chunks: tuple[bytes, bytes], size: int | None = None, kind: bytes = b"RIFF") -> bytes:
    """Write a RIFF file of these chunks. Its header declares its real size, or `size`."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return kind + struct.pack("<I", len(body) + 4 if size is None else size) + b"WAVE" + body


def fmt(tag: int, channels: int, rate: int, bits: int, *, byte_rate: int | None = None, extra: bytes = b"") -> bytes:
    """Return the content of a `fmt ` chunk."""
    frame = max(1, channels * bits // 8)
    return struct.pack("<HHIIHH", tag, channels, rate, byte_rate or rate * frame, frame, bits) + extra


class InMemoryFile:
    """An open file in memory that counts its random reads."""

    def __init__(self, content: bytes, *, is_local: bool = True) -> None:
        self.length, self.is_local, self.read_count = len(content), is_local, 0
        self._content = content
        self._offset = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._content[self._offset :] if size < 0 else self._content[self._offset : self._offset + size]
        self._offset += len(chunk)
        return chunk

    def read_at(self, offset: int, size: int) -> bytes:
        self.read_count += 1
        return self._content[offset : offset + size]
