"""What a file says of its own audio, before it is sent. A file without any is never sent: Whisper would invent text."""

from collections.abc import Mapping
from dataclasses import dataclass

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.errors import PermanentError
from callscribe.recordings.recording import AudioInfo
from callscribe.sources import AudioFile
from callscribe.sources.wav import HEADER_BYTES, read_header, read_tags
from functions.process import audio_tags

BLOCK_BYTES = 262_144
"""Bytes of one look further back: the index of an hour of M4A fits into it."""

MAX_READS = 6
"""So often is a file looked into further back. Each look costs a request; what needs more stays unknown."""

ID3V1_BYTES, ID3V2_HEADER_BYTES = 128, 10
"""Bytes of the tag behind an MP3's audio, and of what the tag before it begins with."""

MAX_FRAME_BYTES = 1_441
"""Bytes: no MP3 frame is longer. One alone, marked Xing or Info, is the encoder's note and no audio."""


class ReplayedFile:
    """A file whose `head` was read, as if it had not been."""

    def __init__(self, audio: AudioFile, head: bytes) -> None:
        self.length, self.is_local, self.read_at = audio.length, audio.is_local, audio.read_at
        self._head = head
        self._audio = audio

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._audio.read(size)
        end = size if size >= 0 else len(self._head)
        chunk, self._head = self._head[:end], self._head[end:]
        return chunk if size >= 0 else chunk + self._audio.read()


class BoundedReader:
    """A file as a demuxer looks into it: its head, and a few blocks further back; beyond those it seems to end.

    `fault` is what reading raised; `cut` says that it seemed to end before it did.
    """

    def __init__(self, audio: AudioFile, head: bytes) -> None:
        self.length = audio.length
        self.error: Exception | None = None
        self.is_truncated = False
        self._read_at = audio.read_at
        self._blocks = [(0, head)]

    def read_at(self, offset: int, size: int) -> bytes:
        if offset >= self.length:
            return b""
        for start, block in self._blocks:
            if start <= offset < start + len(block):
                return block[offset - start : offset - start + size]
        if len(self._blocks) > MAX_READS or self.error:
            self.is_truncated = True
            return b""
        start = max(0, min(offset, self.length - BLOCK_BYTES))  # at the end, all that is looked for there in one
        try:
            self._blocks.append((start, self._read_at(start, BLOCK_BYTES)))
        except Exception as error:  # noqa: BLE001 — FFmpeg is not to be unwound: raised again behind it
            self.error = error
        return self.read_at(offset, size)


@dataclass(frozen=True, slots=True)
class AudioProbe:
    """What a file says: `info` of its audio, `tags` of the call. `audio` is still to be read from its first byte."""

    info: AudioInfo
    tag_metadata: CallMetadata
    audio: AudioFile


def probe(audio: AudioFile) -> AudioProbe:
    """Looks into the file.

    What is not recognised is unknown, and the service's to judge. Raises PermanentError `no_audio` for a file that is
    recognised and empty, and what reading the file raises.
    """
    if not audio.length:
        raise _no_audio_error("The file is empty: 0 bytes.")
    head = _read_head(audio)
    wav = read_header(head, audio.length)
    if wav and wav.available_size == 0:
        raise _no_audio_error("The file is a WAV header without any audio behind it.")
    has_known_codec = wav and wav.available_size and wav.info.codec
    info, raw_tags = (wav.info, read_tags(head)) if wav and has_known_codec else _probe_with_decoder(audio, head)
    tag_metadata = audio_tags.extract_metadata(raw_tags, info.duration) if raw_tags else CallMetadata()
    return AudioProbe(info, tag_metadata, ReplayedFile(audio, head))


def _read_head(audio: AudioFile) -> bytes:
    head = bytearray()
    while len(head) < HEADER_BYTES and (chunk := audio.read(HEADER_BYTES - len(head))):
        head += chunk
    return bytes(head)


def _probe_with_decoder(audio: AudioFile, head: bytes) -> tuple[AudioInfo, Mapping[str, str]]:
    from functions.process import decoder

    reader = BoundedReader(audio, head)
    result = decoder.probe(reader)
    if reader.error:
        raise reader.error
    if reader.is_truncated:
        return result or (AudioInfo(), {})
    if result is None or (result[0] == AudioInfo() and _has_only_tags(head, audio.length)):
        raise _no_audio_error("The file has the form of a recording, but holds no audio.")
    return result


def _has_only_tags(head: bytes, length: int) -> bool:
    """Whether an MP3 file has nothing but tags: what stands before and behind its audio, which is not there."""
    start = 0
    if head.startswith(b"ID3") and len(head) >= ID3V2_HEADER_BYTES:
        start = ID3V2_HEADER_BYTES
        for position, byte in enumerate(reversed(head[6:ID3V2_HEADER_BYTES])):  # its size, seven bits a byte
            start += (byte & 0x7F) << 7 * position
    rest = head[start:]
    if length - start <= ID3V1_BYTES:
        return rest.startswith(b"TAG") or (start > 0 and not rest.strip(b"\0"))
    return (
        length - start <= MAX_FRAME_BYTES + ID3V1_BYTES
        and rest.startswith(b"\xff")
        and (b"Xing" in rest or b"Info" in rest)
    )


def _no_audio_error(message: str) -> PermanentError:
    return PermanentError(
        f"{message} It was not sent. Most often the call ended before anybody spoke, or the recorder was cut off.",
        code="no_audio",
    )
