"""Decodes uploads with the decoder of the process function, so that both accept the same formats."""

import io
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import soxr

from callscribe.errors import PermanentError
from functions.process.audio.decoder import open_decoder

SAMPLE_RATE = 16_000
"""Hz, of the audio that all models were trained on."""


class UndecodableAudio(Exception):
    """FFmpeg finds no audio in the upload."""


class _UploadedFile:
    """Adapts a seekable file to the decoder's random access."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.length = file.seek(0, io.SEEK_END)

    def read_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def iter_pcm_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield blocks of 16-bit mono PCM at SAMPLE_RATE. Stereo is mixed, as real servers do. Raises: UndecodableAudio."""
    try:
        with open_decoder(_UploadedFile(file)) as (rate, stereo_blocks):
            # not int16: soxr adds dither to integers, noise that can change a word of PocketSphinx
            resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
            for block in stereo_blocks:
                left, right = (np.frombuffer(channel, np.int16).astype(np.float32) for channel in block)
                yield _to_pcm(resample.resample_chunk((left + right) / 2))
            yield _to_pcm(resample.resample_chunk(np.zeros(0, np.float32), last=True))
    except PermanentError as error:
        raise UndecodableAudio(str(error)) from error


def _to_pcm(samples: Any) -> bytes:
    return bytes(np.rint(np.clip(samples, -32_768, 32_767)).astype(np.int16).tobytes())
