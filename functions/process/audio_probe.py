"""Probes an audio file before it is sent: codec, duration, channels and tags.

A file without audio is never sent, because Whisper would hallucinate text for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.errors import PermanentError
from callscribe.recordings.recording import AudioInfo
from callscribe.sources import AudioFile
from callscribe.sources.wav import HEADER_BYTES, read_header, read_tags
from functions.process import audio_tags

PROBE_BLOCK_BYTES = 262_144
"""Size of one read beyond the head of the file: the index of an hour of M4A fits into it."""

MAX_READS = 6
"""Maximum reads beyond the head. Each one costs a request; whatever needs more stays unknown."""

ID3V1_BYTES, ID3V2_HEADER_BYTES = 128, 10
"""Sizes of the tag after the audio of an MP3, and of the header of the tag before it."""

MAX_FRAME_BYTES = 1_441
"""Maximum size of an MP3 frame. A single frame marked Xing or Info is encoder metadata, not audio."""


class ReplayedFile:
    """A file whose `head` has been read already; it reads as if from the start."""

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
    """Gives a demuxer the head of a file and at most MAX_READS further blocks; beyond those the file seems to end.

    `error`: the exception raised by a read. `is_truncated`: the file seemed to end early.
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
        start = max(0, min(offset, self.length - PROBE_BLOCK_BYTES))  # one read for everything near the end
        try:
            self._blocks.append((start, self._read_at(start, PROBE_BLOCK_BYTES)))
        except Exception as error:  # noqa: BLE001 — must not pass through FFmpeg: raised by the caller
            self.error = error
        return self.read_at(offset, size)


@dataclass(frozen=True, slots=True)
class AudioProbe:
    """The result of a probe. `audio` is the same file, to be read from its first byte."""

    info: AudioInfo
    tag_metadata: CallMetadata
    audio: AudioFile


def probe(audio: AudioFile) -> AudioProbe:
    """Probe the file. An unrecognised format is left to the server: its info stays empty.

    Raises: PermanentError `no_audio`, when the format is recognised and holds no audio; and what reading the file
    raises.
    """
    if not audio.length:
        raise _no_audio_error("The file is empty: 0 bytes.")
    head = _read_head(audio)
    wav = read_header(head, audio.length)
    if wav and wav.available_size == 0:
        raise _no_audio_error("The file is a WAV header without audio.")
    has_known_codec = wav and wav.available_size and wav.info.codec
    info, raw_tags = (wav.info, read_tags(head)) if wav and has_known_codec else _probe_with_decoder(audio, head)
    if wav and not wav.is_finalized:
        info = replace(info, is_unfinished=True)
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
        raise _no_audio_error("The file has the format of a recording, but holds no audio.")
    return result


def _has_only_tags(head: bytes, length: int) -> bool:
    """Return whether an MP3 file has only the tags before and after its audio, but no audio."""
    start = 0
    if head.startswith(b"ID3") and len(head) >= ID3V2_HEADER_BYTES:
        start = ID3V2_HEADER_BYTES
        # the size of the tag, seven bits per byte
        for position, byte in enumerate(reversed(head[6:ID3V2_HEADER_BYTES])):
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
        f"{message} It was not sent. The usual cause is a call that ended before anyone spoke, or a recorder that was "
        "interrupted.",
        code="no_audio",
    )
