"""What a file says of its own audio, before it is sent. A file without any is never sent: Whisper would invent text."""

from collections.abc import Mapping
from dataclasses import dataclass

from callscribe import tags
from callscribe.errors import PermanentError
from callscribe.metadata import CallMetadata
from callscribe.recording import AudioInfo
from callscribe.sources import AudioFile
from callscribe.wav import HEAD, read_header, read_tags

BLOCK = 262_144
"""Bytes of one look further back: the index of an hour of M4A fits into it."""

LOOKS = 6
"""So often is a file looked into further back. Each look costs a request; what needs more stays unknown."""

ID3V1, ID3V2_HEADER = 128, 10
"""Bytes of the tag behind an MP3's audio, and of what the tag before it begins with."""

ONE_FRAME = 1_441
"""Bytes: no MP3 frame is longer. One alone, marked Xing or Info, is the encoder's note and no audio."""


class Rewound:
    """A file whose `head` was read, as if it had not been."""

    def __init__(self, audio: AudioFile, head: bytes) -> None:
        self.length, self.local, self.read_at = audio.length, audio.local, audio.read_at
        self._head = head
        self._audio = audio

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._audio.read(size)
        end = size if size >= 0 else len(self._head)
        chunk, self._head = self._head[:end], self._head[end:]
        return chunk if size >= 0 else chunk + self._audio.read()


class Glance:
    """A file as a demuxer looks into it: its head, and a few blocks further back; beyond those it seems to end.

    `fault` is what reading raised; `cut` says that it seemed to end before it did.
    """

    def __init__(self, audio: AudioFile, head: bytes) -> None:
        self.length = audio.length
        self.fault: Exception | None = None
        self.cut = False
        self._read_at = audio.read_at
        self._blocks = [(0, head)]

    def read_at(self, offset: int, size: int) -> bytes:
        if offset >= self.length:
            return b""
        for start, block in self._blocks:
            if start <= offset < start + len(block):
                return block[offset - start : offset - start + size]
        if len(self._blocks) > LOOKS or self.fault:
            self.cut = True
            return b""
        start = max(0, min(offset, self.length - BLOCK))  # at the end, all that is looked for there in one
        try:
            self._blocks.append((start, self._read_at(start, BLOCK)))
        except Exception as error:  # noqa: BLE001 — FFmpeg is not to be unwound: raised again behind it
            self.fault = error
        return self.read_at(offset, size)


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file says: `info` of its audio, `tags` of the call. `audio` is still to be read from its first byte."""

    info: AudioInfo
    tags: CallMetadata
    audio: AudioFile


def examine(audio: AudioFile) -> Examined:
    """Looks into the file.

    What is not recognised is unknown, and the service's to judge. Raises PermanentError `no_audio` for a file that is
    recognised and empty, and what reading the file raises.
    """
    if not audio.length:
        raise _no_audio("The file is empty: 0 bytes.")
    head = _read_head(audio)
    wav = read_header(head, audio.length)
    if wav and wav.size == 0:
        raise _no_audio("The file is a WAV header without any audio behind it.")
    known = wav and wav.size and wav.info.codec
    info, words = (wav.info, read_tags(head)) if wav and known else _decoder_says(audio, head)
    return Examined(info, tags.read(words, info.duration), Rewound(audio, head))


def _read_head(audio: AudioFile) -> bytes:
    head = bytearray()
    while len(head) < HEAD and (chunk := audio.read(HEAD - len(head))):
        head += chunk
    return bytes(head)


def _decoder_says(audio: AudioFile, head: bytes) -> tuple[AudioInfo, Mapping[str, str]]:
    from functions.process import decoder

    glance = Glance(audio, head)
    described = decoder.describe(glance)
    if glance.fault:
        raise glance.fault
    if glance.cut:
        return described or (AudioInfo(), {})
    if described is None or (described[0] == AudioInfo() and _only_tags(head, audio.length)):
        raise _no_audio("The file has the form of a recording, but holds no audio.")
    return described


def _only_tags(head: bytes, length: int) -> bool:
    """Whether an MP3 file has nothing but tags: what stands before and behind its audio, which is not there."""
    start = 0
    if head.startswith(b"ID3") and len(head) >= ID3V2_HEADER:
        start = ID3V2_HEADER
        for place, byte in enumerate(reversed(head[6:ID3V2_HEADER])):  # its size, seven bits a byte
            start += (byte & 0x7F) << 7 * place
    rest = head[start:]
    if length - start <= ID3V1:
        return rest.startswith(b"TAG") or (start > 0 and not rest.strip(b"\0"))
    return length - start <= ONE_FRAME + ID3V1 and rest.startswith(b"\xff") and (b"Xing" in rest or b"Info" in rest)


def _no_audio(what: str) -> PermanentError:
    return PermanentError(
        f"{what} It was not sent. Most often the call ended before anybody spoke, or the recorder was cut off.",
        code="no_audio",
    )
