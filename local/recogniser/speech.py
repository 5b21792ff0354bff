"""Speech recognition with PocketSphinx: decode the audio, find utterances, recognise their words.

Everything streams, so a recording of hours needs no more memory than one of seconds.
"""

import threading
from collections.abc import Iterator
from itertools import chain
from typing import IO, Any, NamedTuple

import numpy as np
import soundfile
import soxr
from pocketsphinx import Decoder, Endpointer

SAMPLE_RATE = 16_000  # of the audio that the acoustic model was trained on
SAMPLE_RATES = range(4_000, 768_001)  # a damaged header with 1 Hz would become gigabytes at 16 kHz
BLOCK_SAMPLES = 65_536  # decoded at a time, all channels together
MAX_UTTERANCE_SECONDS = 30.0  # as in Whisper; to the endpointer, music on hold is one endless utterance
MIN_UTTERANCE_SECONDS = 0.1  # the decoder needs at least one frame
GSM_FRAME_BYTES = 33


class UndecodableAudio(Exception):
    """libsndfile cannot read the upload as audio."""


class Utterance(NamedTuple):
    start: float  # seconds from the beginning of the recording
    pcm: bytes  # 16-bit mono at SAMPLE_RATE


def iter_pcm_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield blocks of 16-bit mono PCM at SAMPLE_RATE. Raises: UndecodableAudio."""
    try:
        with _open(file) as audio:
            if audio.samplerate not in SAMPLE_RATES:
                raise UndecodableAudio(f"a sample rate of {audio.samplerate} Hz")
            resample = soxr.ResampleStream(audio.samplerate, SAMPLE_RATE, 1, dtype="float32")
            frames = max(1, BLOCK_SAMPLES // audio.channels)
            while len(block := audio.read(frames, dtype="float32", always_2d=True)):
                # a float file may contain NaN and infinities, which would spread through the resampling filter
                mono = np.clip(np.nan_to_num(block, posinf=0, neginf=0), -1, 1).mean(axis=1, dtype=np.float32)
                yield _to_pcm(resample.resample_chunk(mono))
            yield _to_pcm(resample.resample_chunk(np.zeros(0, np.float32), last=True))
    except soundfile.LibsndfileError as exc:
        raise UndecodableAudio(exc.error_string) from exc
    except (ValueError, RuntimeError) as exc:  # from soundfile's own checks and from soxr
        raise UndecodableAudio(str(exc)) from exc


def _open(file: IO[bytes]) -> soundfile.SoundFile:
    header = file.read(10 * GSM_FRAME_BYTES)
    file.seek(0)
    # Asterisk's .gsm files have no header; each frame of 33 bytes begins with the nibble 0xD
    if len(header) >= GSM_FRAME_BYTES and all(byte >> 4 == 0xD for byte in header[::GSM_FRAME_BYTES]):
        return soundfile.SoundFile(file, format="RAW", subtype="GSM610", samplerate=8_000, channels=1)
    return soundfile.SoundFile(file)


def _to_pcm(samples: Any) -> bytes:
    return bytes(np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())


def split_utterances(blocks: Iterator[bytes]) -> Iterator[Utterance]:
    """Yield the utterances that the endpointer finds; longer ones are cut at MAX_UTTERANCE_SECONDS."""
    endpointer = Endpointer(sample_rate=SAMPLE_RATE)
    max_bytes = int(MAX_UTTERANCE_SECONDS * SAMPLE_RATE) * 2
    start, speech, pending = 0.0, bytearray(), bytearray()

    frame_bytes = endpointer.frame_bytes
    # append half a second of silence, so that it finds the end of speech at the end of the recording
    for block in chain(blocks, [bytes(SAMPLE_RATE)]):
        pending += block
        complete_bytes = len(pending) - len(pending) % frame_bytes
        for offset in range(0, complete_bytes, frame_bytes):
            pcm = endpointer.process(bytes(pending[offset : offset + frame_bytes]))
            if pcm is not None:
                if not speech:
                    start = max(start, endpointer.speech_start)
                speech.extend(pcm)
            if speech and (not endpointer.in_speech or len(speech) >= max_bytes):
                yield Utterance(start, bytes(speech))
                start += len(speech) / 2 / SAMPLE_RATE
                speech.clear()
        del pending[:complete_bytes]


class Recogniser:
    """PocketSphinx behind a lock: it keeps state between method calls, and the real servers are serial too."""

    def __init__(self) -> None:
        # Normalised utterance by utterance: the default lets one recording change the words of the next.
        self._decoder = Decoder(samprate=SAMPLE_RATE, cmn="batch", loglevel="FATAL")
        self._frames_per_second: int = self._decoder.config["frate"]
        self.lock = threading.Lock()

    def transcribe(self, file: IO[bytes]) -> dict[str, Any]:
        """Transcribe a recording into WhisperX's JSON. Raises: UndecodableAudio."""
        samples = 0

        def counted_blocks() -> Iterator[bytes]:
            nonlocal samples
            for block in iter_pcm_blocks(file):
                samples += len(block) // 2
                yield block

        with self.lock:
            segments = []
            for utterance in split_utterances(counted_blocks()):
                words = self._recognise_words(utterance, end=samples * 1000 // SAMPLE_RATE / 1000)
                if words:
                    text = "".join(f" {word['word']}" for word in words)
                    start, end = words[0]["start"], words[-1]["end"]
                    segments.append({"start": start, "end": end, "text": text, "words": words})
        return {
            "segments": segments,
            "word_segments": [word for segment in segments for word in segment["words"]],
            "language": "en",
        }

    def _recognise_words(self, utterance: Utterance, end: float) -> list[dict[str, Any]]:
        if len(utterance.pcm) / 2 / SAMPLE_RATE < MIN_UTTERANCE_SECONDS:
            return []
        self._decoder.reinit_feat()  # drops the noise estimate of the previous utterance, for the same reason
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(utterance.pcm, full_utt=True)
        finally:
            self._decoder.end_utt()
        words = []
        for segment in self._decoder.seg() or ():
            if segment.word[0] in "<[+":  # <sil>, [NOISE], ++COUGH++ are not words
                continue
            first, last = (
                min(round(utterance.start + frame / self._frames_per_second, 3), end)
                for frame in (segment.start_frame, segment.end_frame + 1)
            )
            score = round(min(max(float(segment.prob), 0.0), 1.0), 3)
            # "read(2)" is the second pronunciation of "read" in the dictionary
            words.append({"word": segment.word.partition("(")[0], "start": first, "end": last, "score": score})
        return words
