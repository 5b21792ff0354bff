"""The transcripts of the sample calls as a WhisperX server returns them, with speakers and a time for each word.

In most samples, one voice speaks both sentences. Here they are two speakers, because tests need more than one.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from testing.made_audio import wav
from tests.e2e.served import SAMPLES

type Segment = tuple[float, float, str, str]
"""Start and end in seconds, speaker, text."""

FIRST_SPEAKER, SECOND_SPEAKER = "SPEAKER_00", "SPEAKER_01"

GREETING = "in-*0143-*.wav"
INTERNAL = "internal-102-101-*.WAV"
ORDER = "external-101-*.wav"
SILENCE = "in-*0107-*.wav"
STEREO = "external-102-*.wav"
BREAKS_THE_SERVER = "out-*.mp3"
NO_AUDIO = "in-*0155-*.wav"
"""File name patterns of the samples."""

LONG_CALL = "in-2025550100-2025550134-20261118-150022-1795032022.61.wav"
LONG_CALL_SECONDS = 360
UNCHANGED_SECONDS = 3600

CONVERSATION: tuple[Segment, ...] = (
    (0.24, 2.2, FIRST_SPEAKER, "Good morning. How can I help you?"),
    (2.92, 4.98, SECOND_SPEAKER, "I want to change my hotel room."),
    (5.62, 6.74, FIRST_SPEAKER, "When will you arrive?"),
    (7.42, 8.98, SECOND_SPEAKER, "I will come tomorrow morning."),
)
CONVERSATION_SECONDS = 9.614
"""The stereo sample. The long call repeats it."""

TRANSCRIPTS: dict[str, tuple[Segment, ...]] = {
    GREETING: (
        (0.32, 1.6, FIRST_SPEAKER, "Hello, this is the hotel."),
        (2.36, 3.84, SECOND_SPEAKER, "How can I help you today?"),
    ),
    INTERNAL: (
        (0.32, 2.16, FIRST_SPEAKER, "We have a meeting this afternoon."),
        (3.08, 5.06, SECOND_SPEAKER, "Please bring the report about the money."),
    ),
    ORDER: (
        (0.44, 3.06, FIRST_SPEAKER, "I would like to know when my order will arrive."),
        (3.84, 5.62, SECOND_SPEAKER, "Please call me back tomorrow morning."),
    ),
    SILENCE: (),
    STEREO: CONVERSATION,
    LONG_CALL: tuple(
        (round(n * CONVERSATION_SECONDS + start, 3), round(n * CONVERSATION_SECONDS + end, 3), speaker, text)
        for n in range(int(LONG_CALL_SECONDS / CONVERSATION_SECONDS))
        for start, end, speaker, text in CONVERSATION
    ),
}
CHANNEL_TRANSCRIPTS = {"left": CONVERSATION[1::2], "right": CONVERSATION[::2]}
ERRORS = {BREAKS_THE_SERVER: (500, b"Internal Server Error"), NO_AUDIO: (415, b'{"detail": "Not audio"}')}
DESCRIPTION = b'{"openapi": "3.1.0", "paths": {"/asr": {"post": {}}}}'
"""The OpenAPI description that the connection test reads."""


def replies(reply: Callable[..., Any]) -> Callable[[Any], Any]:
    """A `choose_reply` for the scripted service that recognises each sample by its audio. `reply` builds a response."""

    def choose_reply(request: Any) -> Any:
        if request.method == "GET":
            return reply(body=DESCRIPTION)
        if request.channel:
            return reply(body=asr_response(CHANNEL_TRANSCRIPTS[request.channel]))
        name = next(name for name in (*TRANSCRIPTS, *ERRORS) if audio(name) in request.body)
        if name in ERRORS:
            status, body = ERRORS[name]
            return reply(status=status, body=body)
        return reply(body=asr_response(TRANSCRIPTS[name]))

    return choose_reply


@cache
def audio(name: str) -> bytes:
    """The file of a sample, or of the long call."""
    if name == LONG_CALL:
        return long_call()
    (sample,) = SAMPLES.rglob(name)
    return sample.read_bytes()


def long_call() -> bytes:
    """A mono call of six minutes: 5.8 MB, more than one response of the API may hold."""
    (sample,) = SAMPLES.glob(STEREO)
    channels, rate = soundfile.read(sample)
    return wav(np.resize(channels.sum(axis=1), LONG_CALL_SECONDS * rate), rate=rate)


def write_long_call(folder: Path) -> None:
    """Write a file that sync ingests immediately."""
    file = folder / LONG_CALL
    file.write_bytes(audio(LONG_CALL))
    backdate(file)


def backdate(file: Path) -> None:
    """Set the modification time to an hour ago, so that the file counts as complete."""
    written = time.time() - UNCHANGED_SECONDS
    os.utime(file, (written, written))


def asr_response(transcript: Iterable[Segment]) -> bytes:
    """The response of a WhisperX server with these segments."""
    segments: list[dict[str, Any]] = [
        {
            "start": start,
            "end": end,
            "text": f" {text}",
            "words": word_times(start, end, speaker, text),
            "speaker": speaker,
        }
        for start, end, speaker, text in transcript
    ]
    words = [word for segment in segments for word in segment["words"]]
    return json.dumps({"segments": segments, "word_segments": words, "language": "en"}).encode()


def word_times(start: float, end: float, speaker: str, text: str) -> list[dict[str, Any]]:
    """The words of a segment, each with a duration proportional to its letters."""
    seconds_per_letter = (end - start) / len(text)
    words = []
    for word in text.split():
        word_end = start + seconds_per_letter * len(word)
        words.append(
            {"word": word, "start": round(start, 3), "end": round(word_end, 3), "score": 0.812, "speaker": speaker}
        )
        start = word_end + seconds_per_letter
    return words
