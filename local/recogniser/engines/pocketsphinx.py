"""The engine `pocketsphinx`: find utterances, recognise their words.

It works offline, with its US English model: English only, lower case, no punctuation, and with low accuracy, especially
on telephone audio. Everything streams, so a recording of hours needs no more memory than one of seconds.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from pocketsphinx import Decoder, Endpointer

from local.recogniser.engines.audio import SAMPLE_RATE
from local.recogniser.engines.base import Recognition, RecognitionOptions

MAX_UTTERANCE_SECONDS = 30.0  # as in Whisper; to the endpointer, music on hold is one endless utterance
MIN_UTTERANCE_SECONDS = 0.1  # the decoder needs at least one frame


class Utterance(NamedTuple):
    start: float  # seconds from the beginning of the recording
    pcm: bytes  # 16-bit mono at SAMPLE_RATE


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


class PocketSphinxEngine:
    """PocketSphinx, whose decoder keeps state between its method calls."""

    name = model = "pocketsphinx"
    languages = frozenset({"en"})

    def __init__(self) -> None:
        # Normalised utterance by utterance: the default lets one recording change the words of the next.
        self._decoder = Decoder(samprate=SAMPLE_RATE, cmn="batch", loglevel="FATAL")
        self._frames_per_second: int = self._decoder.config["frate"]

    def recognise(self, blocks: Iterator[bytes], options: RecognitionOptions) -> Recognition:  # noqa: ARG002
        """Recognise the words of the utterances that the endpointer finds, whatever the options."""
        samples = 0

        def counted_blocks() -> Iterator[bytes]:
            nonlocal samples
            for block in blocks:
                samples += len(block) // 2
                yield block

        segments = []
        for utterance in split_utterances(counted_blocks()):
            words = self._recognise_words(utterance, end=samples * 1000 // SAMPLE_RATE / 1000)
            if words:
                text = "".join(f" {word['word']}" for word in words)
                segments.append({"start": words[0]["start"], "end": words[-1]["end"], "text": text, "words": words})
        return Recognition(segments, "en")

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
