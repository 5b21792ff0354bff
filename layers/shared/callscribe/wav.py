"""What a WAV file says of itself in its first bytes. Most recordings are WAV, so this must not cost a decoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from callscribe.recording import AudioInfo
from callscribe.transcript import LONGEST_RECORDING

HEAD = 65_536
"""Bytes from the start of a file in which the audio has begun in all but strange files."""

RIFF, CHUNK, FORMAT, DS64 = Struct("<4sI4s"), Struct("<4sI"), Struct("<HHIIHH"), Struct("<QQ")
SUBFORMAT_AT = 24
"""Where `fmt ` goes on, in an extensible one, with the tag that it would have otherwise."""

PCM, FLOAT, EXTENSIBLE, STREAMED = 0x0001, 0x0003, 0xFFFE, 0xFFFFFFFF
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
"""By format tag and bytes a sample: a frame of these is as long as its samples. Names as FFmpeg has them."""

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
"""Of what a file says in words, that which may tell of the call; names as FFmpeg has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wav:
    """The header of a WAV file that is `length` bytes long.

    The audio begins at `start`: None where there is none, or it begins beyond the bytes that were read. `declared` is
    how many bytes of audio it says there are: None where its writer did not know yet, or never said. `size` is how many
    there are, as far as the file goes: None where that was not found out. Other chunks may stand behind the audio.
    """

    info: AudioInfo
    start: int | None
    declared: int | None
    size: int | None
    complete: bool = False
    """Whether the header agrees with the length of the file. While a recorder still writes, it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """`rate` of samples and `byte_rate`, a second; None where the file says what cannot be."""

    codec: str | None = None
    channels: int | None = None
    rate: int | None = None
    byte_rate: int | None = None

    def info(self, size: int | None) -> AudioInfo:
        seconds = round(size / self.byte_rate, 3) if size and self.byte_rate else None
        return AudioInfo(
            codec=self.codec,
            duration=seconds if seconds is None or seconds <= LONGEST_RECORDING else None,
            sample_rate=self.rate,
            channels=self.channels,
        )


def read_header(head: bytes, length: int) -> Wav | None:
    """Reads the first bytes of a file that is `length` bytes long; None if it is no WAV. RF64 and BW64 are."""
    if len(head) < RIFF.size:
        return None
    kind, riff_size, form = RIFF.unpack_from(head)
    if kind not in (b"RIFF", b"RF64", b"BW64") or form != b"WAVE":
        return None
    described, long_sizes = _Format(), None
    for name, start, declared in _chunks(head):
        body = head[start : start + declared]
        if name == b"ds64" and len(body) >= DS64.size:
            long_sizes = DS64.unpack_from(body)
        elif name == b"fmt " and len(body) >= FORMAT.size:
            described = _format(body)
        elif name == b"data":
            all_of_it, told = long_sizes if long_sizes and declared == STREAMED else (riff_size, declared)
            # a header that was finished says the truth, also where it says 0 and other chunks follow
            known = told != STREAMED and (told or all_of_it + CHUNK.size == length)
            there = max(0, length - start)
            size = min(told, there) if known else there
            # it ends with the audio, or with what the header says of the whole: what is appended later is in neither
            ends = {end + odd for end in (start + told, all_of_it + CHUNK.size) for odd in (0, end % 2)}
            return Wav(
                info=described.info(size),
                start=start,
                declared=told if known else None,
                size=size,
                complete=known and told == size and length in ends,
            )
    nothing = 0 if len(head) >= length else None
    return Wav(info=described.info(nothing), start=None, declared=None, size=nothing)


def read_tags(head: bytes) -> dict[str, str]:
    """What the first bytes of a WAV file say in words, as far as that stands there; behind the audio it may go on."""
    tags: dict[str, str] = {}
    for name, start, declared in _chunks(head):
        body = head[start : start + declared]
        if name == b"LIST" and body.startswith(b"INFO"):
            for tag, begin, size in _chunks(body, at=len(b"INFO")):
                if tag in INFO_TAGS:
                    tags.setdefault(INFO_TAGS[tag], _words(body[begin : begin + size]))
    return tags


def _words(text: bytes) -> str:
    """Up to the zero that ends it. Nobody says in which encoding."""
    text = text.partition(b"\0")[0]
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _chunks(head: bytes, at: int = RIFF.size) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and declared size of each chunk that begins within `head`."""
    while at + CHUNK.size <= len(head):
        name, size = CHUNK.unpack_from(head, at)
        at += CHUNK.size
        yield name, at, size
        at += size + size % 2  # chunks begin at even places


def _format(body: bytes) -> _Format:
    tag, channels, rate, byte_rate, _, bits = FORMAT.unpack_from(body)
    if tag == EXTENSIBLE and len(body) >= SUBFORMAT_AT + 2:
        tag = int.from_bytes(body[SUBFORMAT_AT : SUBFORMAT_AT + 2], "little")
    sample = (bits + 7) // 8
    codec = PCM_CODECS.get((tag, sample))
    if codec:  # some writers leave the byte rate out, or get it wrong
        byte_rate = rate * channels * sample
    return _Format(
        codec=codec or OTHER_CODECS.get(tag), channels=channels or None, rate=rate or None, byte_rate=byte_rate or None
    )
