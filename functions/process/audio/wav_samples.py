"""Reads the samples of a WAV file without PyAV, which most recordings then need not load."""

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

from callscribe.sources.wav import WavHeader
from functions.process.audio.loudness import MAX_SAMPLE_RATE, SAMPLE_BYTES, VALID_SAMPLE_RATES

if TYPE_CHECKING:  # imports PyAV
    from functions.process.audio.decoder import RandomAccess, StereoSamples

BLOCK_BYTES = 65_536
"""Size of one read: four seconds of 8 kHz mono."""


def read_samples(source: "RandomAccess", header: WavHeader | None) -> tuple[int, Iterator["StereoSamples"]] | None:
    """Return the sample rate in Hz and the samples of 16-bit PCM, as the decoder would.

    None if the file is not WAV, or has another codec, more than two channels or a rate that the decoder changes.
    """
    if header is None or header.info.codec != "pcm_s16le" or header.info.channels not in (1, 2):
        return None
    rate, offset, size = header.info.sample_rate, header.data_offset, header.available_size
    if not rate or rate not in VALID_SAMPLE_RATES or rate > MAX_SAMPLE_RATE or offset is None or size is None:
        return None
    return rate, _iter_samples(source, offset, offset + size, header.info.channels * SAMPLE_BYTES)


def _iter_samples(source: "RandomAccess", offset: int, end: int, frame_bytes: int) -> Iterator["StereoSamples"]:
    while end - offset >= frame_bytes:
        block = source.read_at(offset, min(BLOCK_BYTES, end - offset))
        block = block[: len(block) - len(block) % frame_bytes]
        if not block:
            return
        offset += len(block)
        samples = array("h", block)
        yield (block, block) if frame_bytes == SAMPLE_BYTES else (samples[::2].tobytes(), samples[1::2].tobytes())
