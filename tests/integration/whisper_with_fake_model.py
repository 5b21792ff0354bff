"""Runs the local recogniser with faster-whisper, and a fake in place of its model only: in .venv-whisper, as a script.

The segments are objects of the library's own classes, so that a version with other fields fails. The text of the first
one is what the model was called with.
"""

import json
from inspect import signature

import faster_whisper
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, TranscriptionInfo, Word

from local.recogniser.__main__ import main


class FakeModel:
    supported_languages = ("de", "en")

    def __init__(self, path, **options):  # noqa: ARG002
        assert set(options) <= signature(WhisperModel).parameters.keys()

    def transcribe(self, audio, *, language, vad_filter, **options):
        assert set(options) <= signature(WhisperModel.transcribe).parameters.keys()
        assert options["word_timestamps"]
        seconds = len(audio) / 16_000
        text = json.dumps({"language": language, "vad_filter": vad_filter, "seconds": seconds})
        words = [
            Word(start=np.float64(0.1), end=np.float64(0.5), word=" Guten", probability=np.float64(0.91234)),
            Word(start=np.float64(0.5), end=np.float64(seconds + 1), word=" Tag.", probability=np.float64(0.5)),
        ]
        segments = (
            Segment(
                id=number,
                seek=0,
                start=0.1,
                end=seconds + 1,
                text=f" {text}",
                tokens=[1, 2],
                avg_logprob=-0.25,
                compression_ratio=1.5,
                no_speech_prob=0.125,
                words=words,
                temperature=0.0,
            )
            for number in (1, 2)
        )
        info = TranscriptionInfo(
            language=language or "de",
            language_probability=0.9,
            duration=seconds,
            duration_after_vad=seconds,
            all_language_probs=None,
            transcription_options=None,
            vad_options=None,
        )
        return segments, info


if __name__ == "__main__":
    faster_whisper.WhisperModel = FakeModel
    main()
