"""Probes an audio file before it is sent: codec, duration, channels and tags.

A file without audio or without sound is never sent, because Whisper would hallucinate text for it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.errors import PermanentError
from callscribe.recordings.recording import AudioInfo, Channel
from callscribe.sources import AudioFile
from callscribe.sources.id3 import ID3V1_BYTES, leading_tag_bytes
from callscribe.sources.wav import HEADER_BYTES, WavHeader, read_header, read_tags
from functions.process.audio import tags
from functions.process.audio.loudness import LevelMeter
from functions.process.audio.stereo_split import copy_to_temp_file, has_space_for
from functions.process.audio.wav_samples import read_samples

if TYPE_CHECKING:
    from functions.process.audio.decoder import RandomAccess, StereoSamples

PROBE_BLOCK_BYTES = 262_144
"""Size of one read beyond the head of the file: the index of an hour of M4A fits into it."""

MAX_READS = 6
"""Maximum reads beyond the head. Each one costs a request; whatever needs more stays unknown."""

MAX_HEAD_BYTES = 1_048_576
"""How much of a file is decoded in memory to find sound: a minute of 8 kHz PCM."""

MIN_DECODED, DECODED_TOLERANCE_SECONDS = 0.9, 0.5
"""The fraction of the declared duration that must have been decoded to call a file silent, except for a moment."""

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

    `error`: the exception raised by a read. `is_truncated`: the file seemed to end early. `max_reads` may be lowered.
    """

    def __init__(self, audio: AudioFile, head: bytes) -> None:
        self.length = audio.length
        self.max_reads = MAX_READS
        self.error: Exception | None = None
        self.is_truncated = False
        self._read_at = audio.read_at
        self._blocks = [(0, head)]

    def extend_head(self, head: bytes) -> None:
        """Replace the head by a longer one."""
        self._blocks[0] = (0, head)

    def read_at(self, offset: int, size: int) -> bytes:
        if offset >= self.length:
            return b""
        for start, block in self._blocks:
            if start <= offset < start + len(block):
                return block[offset - start : offset - start + size]
        if len(self._blocks) > self.max_reads or self.error:
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
    """The result of a probe. `audio` is the same file, to be read from its first byte.

    `head` is its beginning, and `reader` has what else was read of it. `wav`: its header, if it is a WAV file.
    """

    info: AudioInfo
    tag_metadata: CallMetadata
    audio: AudioFile
    head: bytes
    reader: BoundedReader
    wav: WavHeader | None

    @contextmanager
    def open_if_audible(self) -> Iterator[AudioFile | None]:
        """Yield the file, to be read from its first byte; None if it holds no sound.

        Most recordings have sound in what the probe has read. If not, more is read into memory, and at last the whole
        file into temporary storage. What cannot be decoded to its end, or has no space there, is left to the server.

        Raises: what reading the file raises.
        """
        self.reader.max_reads = 0
        audio, head_size = self.audio, len(self.head)
        has_sound = self._has_sound(self.reader)
        if not has_sound and head_size < audio.length and not audio.is_local:
            head = _read_head(audio, MAX_HEAD_BYTES)
            self.reader.extend_head(head)
            audio, head_size = ReplayedFile(audio, head), len(head)
            has_sound = self._has_sound(self.reader)
        if has_sound or head_size >= audio.length:
            yield None if has_sound is False else audio
        elif audio.is_local:
            yield None if self._has_sound(audio) is False else audio
        elif has_space_for(audio):
            with copy_to_temp_file(audio) as copy:
                yield None if self._has_sound(copy) is False else copy
        else:
            yield audio

    def _has_sound(self, source: "RandomAccess") -> bool | None:
        """Return whether there is sound, decoding no more than necessary; None if it cannot be decoded to its end."""
        try:
            with self._open_samples(source) as (rate, samples):
                meter = LevelMeter(rate, len(Channel))
                for block in samples:
                    if meter.add(block) and meter.has_new_sound:
                        return True
                meter.finish()
        except PermanentError:
            return None
        if any(meter.has_sound(index) for index in range(len(Channel))):
            return True
        min_seconds = MIN_DECODED * (self.info.duration or 0.0) - DECODED_TOLERANCE_SECONDS
        return False if meter.sample_count and meter.seconds >= min_seconds else None

    @contextmanager
    def _open_samples(self, source: "RandomAccess") -> "Iterator[tuple[int, Iterator[StereoSamples]]]":
        if plain := read_samples(source, self.wav):
            yield plain
        else:
            from functions.process.audio.decoder import open_decoder

            with open_decoder(source) as decoded:
                yield decoded


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
    reader = BoundedReader(audio, head)
    info, raw_tags = (wav.info, read_tags(head)) if wav and has_known_codec else _probe_with_decoder(reader, head)
    if wav and not wav.is_finalized:
        info = replace(info, is_unfinished=True)
    tag_metadata = tags.extract_metadata(raw_tags, info.duration) if raw_tags else CallMetadata()
    return AudioProbe(info, tag_metadata, ReplayedFile(audio, head), head, reader, wav)


def _read_head(audio: AudioFile, max_bytes: int = HEADER_BYTES) -> bytes:
    head = bytearray()
    while len(head) < max_bytes and (chunk := audio.read(max_bytes - len(head))):
        head += chunk
    return bytes(head)


def _probe_with_decoder(reader: BoundedReader, head: bytes) -> tuple[AudioInfo, Mapping[str, str]]:
    from functions.process.audio import decoder

    result = decoder.probe(reader)
    if reader.error:
        raise reader.error
    if reader.is_truncated:
        return result or (AudioInfo(), {})
    if result is None or (result[0] == AudioInfo() and _has_only_tags(head, reader.length)):
        raise _no_audio_error("The file has the format of a recording, but holds no audio.")
    return result


def _has_only_tags(head: bytes, length: int) -> bool:
    """Return whether an MP3 file has only the tags before and after its audio, but no audio."""
    start = leading_tag_bytes(head)
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
