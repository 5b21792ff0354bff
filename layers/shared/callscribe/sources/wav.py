"""Parse the header of a WAV file. Most recordings are WAV, and their headers must not require a decoder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from callscribe.recordings.recording import AudioInfo
from callscribe.transcripts.transcript import MAX_DURATION_SECONDS

HEADER_BYTES = 65_536
"""The audio begins within this many bytes in all but unusual files."""

MAX_TRAILER_BYTES = 65_536
"""A trailer is not longer: more bytes after the end that the header declares are audio that is still being appended."""

RIFF, CHUNK, FORMAT, DS64 = Struct("<4sI4s"), Struct("<4sI"), Struct("<HHIIHH"), Struct("<QQ")
CHUNK_ID = re.compile(rb"[A-Za-z0-9_ ]{4}")
SUBFORMAT_OFFSET = 24
"""Offset of the actual format tag in an extensible `fmt ` chunk."""

PCM, FLOAT, EXTENSIBLE, UNKNOWN_SIZE = 0x0001, 0x0003, 0xFFFE, 0xFFFFFFFF
PCM_CODECS = {
    (PCM, 1): "pcm_u8",
    (PCM, 2): "pcm_s16le",
    (PCM, 3): "pcm_s24le",
    (PCM, 4): "pcm_s32le",
    (PCM, 8): "pcm_s64le",
    (FLOAT, 4): "pcm_f32le",
    (FLOAT, 8): "pcm_f64le",
    (0x0006, 1): "pcm_alaw",
    (0x0007, 1): "pcm_mulaw",
}
"""Codecs by format tag and bytes per sample, with FFmpeg's names. Each frame consists only of its samples."""

OTHER_CODECS = {
    0x0002: "adpcm_ms",
    0x0011: "adpcm_ima_wav",
    0x0031: "gsm_ms",
    0x0045: "adpcm_g726",
    0x0050: "mp2",
    0x0055: "mp3",
    0x00FF: "aac",
}

INFO_TAGS = {b"INAM": "title", b"IART": "artist", b"ICMT": "comment"}
"""Tags that may contain call metadata, with FFmpeg's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WavHeader:
    """The header of a WAV file. Other chunks may follow the audio.

    `data_offset`: where the audio begins; None if there is none, or it begins after the bytes that were read.
    `data_size`: bytes of audio according to the header; None if the writer did not know it yet, or never wrote it.
    `available_size`: bytes of audio in the file; None if unknown.
    """

    info: AudioInfo
    data_offset: int | None
    data_size: int | None
    available_size: int | None
    is_finalized: bool = False
    """Whether the header is consistent with the size of the file. It is not while a recorder is still writing."""
    trailer_offset: int | None = None
    """Where other bytes follow the end that the header declares; None if there are none. `is_trailer` examines them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FormatChunk:
    """The `fmt ` chunk. `sample_rate` and `byte_rate` are per second; invalid values are None."""

    codec: str | None = None
    channels: int | None = None
    sample_rate: int | None = None
    byte_rate: int | None = None

    def to_audio_info(self, size: int | None) -> AudioInfo:
        duration = round(size / self.byte_rate, 3) if size and self.byte_rate else None
        return AudioInfo(
            codec=self.codec,
            duration=duration if duration is None or duration <= MAX_DURATION_SECONDS else None,
            sample_rate=self.sample_rate,
            channels=self.channels,
        )


def read_header(head: bytes, file_size: int) -> WavHeader | None:
    """Parse the first bytes of a file of `file_size` bytes; None if it is not WAV, RF64 or BW64."""
    if len(head) < RIFF.size:
        return None
    riff_id, riff_size, form_type = RIFF.unpack_from(head)
    if riff_id not in (b"RIFF", b"RF64", b"BW64") or form_type != b"WAVE":
        return None
    format_chunk, long_sizes = _FormatChunk(), (UNKNOWN_SIZE, UNKNOWN_SIZE)
    for chunk_id, offset, chunk_size in _iter_chunks(head):
        body = head[offset : offset + chunk_size]
        if chunk_id == b"ds64" and len(body) >= DS64.size:
            long_sizes = DS64.unpack_from(body)
        elif chunk_id == b"fmt " and len(body) >= FORMAT.size:
            format_chunk = _parse_format(body)
        elif chunk_id == b"data":
            total_size = long_sizes[0] if riff_size == UNKNOWN_SIZE else riff_size
            data_size = long_sizes[1] if chunk_size == UNKNOWN_SIZE else chunk_size
            riff_end = total_size + CHUNK.size
            return _locate_audio(head, file_size, format_chunk, offset, data_size=data_size, riff_end=riff_end)
    known_size = 0 if len(head) >= file_size else None
    return WavHeader(
        info=format_chunk.to_audio_info(known_size), data_offset=None, data_size=None, available_size=known_size
    )


def _locate_audio(
    head: bytes, file_size: int, format_chunk: _FormatChunk, offset: int, *, data_size: int, riff_end: int
) -> WavHeader:
    """Compare the sizes in the header with the size of the file. `riff_end`: the size of the file by the RIFF size.

    While a recorder writes, both sizes are 0, a placeholder (0xFFFFFFFF, 0x7FFFF000, 0x80000000, …) or those of an
    earlier moment. Once one of them agrees with the file, the header was written when the file was closed. Writers
    calculate it wrongly by up to the length of the header: many write the size of the whole file as that of the audio.
    """
    bytes_left = max(0, file_size - offset)
    is_riff_right = file_size in (riff_end, riff_end + riff_end % 2)
    # a data size of 0 is right if the RIFF size is, too, and other chunks follow
    is_size_known = data_size != UNKNOWN_SIZE and (
        data_size > 0 or (is_riff_right and is_trailer(head[offset:], bytes_left))
    )
    size = min(data_size, bytes_left) if is_size_known else bytes_left
    declared_ends = [end for end in (riff_end, offset + data_size) if end > offset]
    is_finalized = is_riff_right or any(abs(file_size - end) <= offset for end in declared_ends)
    trailer_offset = offset + size if size < bytes_left and not is_finalized else None
    return WavHeader(
        info=format_chunk.to_audio_info(size),
        data_offset=offset,
        data_size=data_size if is_size_known else None,
        available_size=size,
        is_finalized=is_finalized,
        trailer_offset=trailer_offset,
    )


def is_trailer(start: bytes, length: int) -> bool:
    """Whether the bytes after the audio are no audio: other chunks up to the end of the file, or zeros that fill it up.

    `start`: the first of these `length` bytes. Chunks that continue after `start` are assumed to end with the file.
    """
    return any(_is_chunk_list(start[padding:], length - padding) for padding in (0, 1))


def _is_chunk_list(start: bytes, length: int) -> bool:
    offset = 0
    while offset < length:
        rest = start[offset:]
        if not rest.strip(b"\0"):
            return not rest or len(start) >= length
        if len(rest) < CHUNK.size or not CHUNK_ID.match(rest):
            return False
        size = CHUNK.unpack_from(rest)[1]
        offset += CHUNK.size + size + size % 2
    return offset <= length + 1  # the last chunk may lack its padding


def read_tags(head: bytes) -> dict[str, str]:
    """The INFO tags in the first bytes of a WAV file. There may be more after the audio."""
    tags: dict[str, str] = {}
    for chunk_id, offset, chunk_size in _iter_chunks(head):
        body = head[offset : offset + chunk_size]
        if chunk_id == b"LIST" and body.startswith(b"INFO"):
            for tag, begin, size in _iter_chunks(body, offset=len(b"INFO")):
                if tag in INFO_TAGS:
                    tags.setdefault(INFO_TAGS[tag], _decode_text(body[begin : begin + size]))
    return tags


def _decode_text(text: bytes) -> str:
    """Decode a zero-terminated text, whose encoding is not specified: UTF-8, otherwise Latin-1."""
    text = text.partition(b"\0")[0]
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _iter_chunks(head: bytes, offset: int = RIFF.size) -> Iterator[tuple[bytes, int, int]]:
    """The name, offset and declared size of each chunk that begins within `head`."""
    while offset + CHUNK.size <= len(head):
        name, size = CHUNK.unpack_from(head, offset)
        offset += CHUNK.size
        yield name, offset, size
        offset += size + size % 2  # chunks are padded to an even size


def _parse_format(body: bytes) -> _FormatChunk:
    tag, channels, rate, byte_rate, _, bits = FORMAT.unpack_from(body)
    if tag == EXTENSIBLE and len(body) >= SUBFORMAT_OFFSET + 2:
        tag = int.from_bytes(body[SUBFORMAT_OFFSET : SUBFORMAT_OFFSET + 2], "little")
    sample_bytes = (bits + 7) // 8
    codec = PCM_CODECS.get((tag, sample_bytes))
    if codec:  # some writers omit the byte rate, or write a wrong one
        byte_rate = rate * channels * sample_bytes
    return _FormatChunk(
        codec=codec or OTHER_CODECS.get(tag),
        channels=channels or None,
        sample_rate=rate or None,
        byte_rate=byte_rate or None,
    )
