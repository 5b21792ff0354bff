"""What the sample calls say, as a WhisperX server would: spoken when it is told to be, with a time for each word.

Of most samples one voice speaks both sentences. Here they are two speakers, for pages that show who says what.
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

type Spoken = tuple[float, float, str, str]
"""From, to (seconds), by whom and what."""

ONE, OTHER = "SPEAKER_00", "SPEAKER_01"

GREETING = "in-*0143-*.wav"
INTERNAL = "internal-102-101-*.WAV"
ORDER = "external-101-*.wav"
SILENCE = "in-*0107-*.wav"
STEREO = "external-102-*.wav"
BREAKS_THE_SERVER = "out-*.mp3"
NO_AUDIO = "in-*0155-*.wav"
"""The samples."""

LONG_CALL = "in-2025550100-2025550134-20261118-150022-1795032022.61.wav"
LONG_CALL_SECONDS = 360
RESTED_SECONDS = 3600

CONVERSATION: tuple[Spoken, ...] = (
    (0.24, 2.2, ONE, "Good morning. How can I help you?"),
    (2.92, 4.98, OTHER, "I want to change my hotel room."),
    (5.62, 6.74, ONE, "When will you arrive?"),
    (7.42, 8.98, OTHER, "I will come tomorrow morning."),
)
CONVERSATION_SECONDS = 9.614
"""The stereo call, which in the long one is repeated as long as there is a whole one."""

SPOKEN: dict[str, tuple[Spoken, ...]] = {
    GREETING: ((0.32, 1.6, ONE, "Hello, this is the hotel."), (2.36, 3.84, OTHER, "How can I help you today?")),
    INTERNAL: (
        (0.32, 2.16, ONE, "We have a meeting this afternoon."),
        (3.08, 5.06, OTHER, "Please bring the report about the money."),
    ),
    ORDER: (
        (0.44, 3.06, ONE, "I would like to know when my order will arrive."),
        (3.84, 5.62, OTHER, "Please call me back tomorrow morning."),
    ),
    SILENCE: (),
    STEREO: CONVERSATION,
    LONG_CALL: tuple(
        (round(n * CONVERSATION_SECONDS + start, 3), round(n * CONVERSATION_SECONDS + end, 3), who, text)
        for n in range(int(LONG_CALL_SECONDS / CONVERSATION_SECONDS))
        for start, end, who, text in CONVERSATION
    ),
}
OF_CHANNEL = {"left": CONVERSATION[1::2], "right": CONVERSATION[::2]}
REFUSED = {BREAKS_THE_SERVER: (500, b"Internal Server Error"), NO_AUDIO: (415, b'{"detail": "Not audio"}')}
DESCRIPTION = b'{"openapi": "3.1.0", "paths": {"/asr": {"post": {}}}}'
"""What the server says of itself when the connection is tested."""


def answers(reply: Callable[..., Any]) -> Callable[[Any], Any]:
    """For `choose` of the scripted service, which knows a call by its audio; `reply` makes an answer of it."""

    def choose(request: Any) -> Any:
        if request.method == "GET":
            return reply(body=DESCRIPTION)
        if request.channel:
            return reply(body=asr(OF_CHANNEL[request.channel]))
        name = next(name for name in (*SPOKEN, *REFUSED) if audio(name) in request.body)
        if name in REFUSED:
            status, body = REFUSED[name]
            return reply(status=status, body=body)
        return reply(body=asr(SPOKEN[name]))

    return choose


@cache
def audio(name: str) -> bytes:
    """That of a sample, or of the long call."""
    if name == LONG_CALL:
        return long_call()
    (sample,) = SAMPLES.rglob(name)
    return sample.read_bytes()


def long_call() -> bytes:
    """Six minutes of telephone, both sides on one channel: 5.8 MB, more than one answer of the API may hold."""
    (sample,) = SAMPLES.glob(STEREO)
    channels, rate = soundfile.read(sample)
    return wav(np.resize(channels.sum(axis=1), LONG_CALL_SECONDS * rate), rate=rate)


def write_long_call(folder: Path) -> None:
    """As a file that has rested long enough to be taken up."""
    file = folder / LONG_CALL
    file.write_bytes(audio(LONG_CALL))
    rest(file)


def rest(file: Path) -> None:
    """Lets it look as if nobody had written to it for long."""
    written = time.time() - RESTED_SECONDS
    os.utime(file, (written, written))


def asr(spoken: Iterable[Spoken]) -> bytes:
    """A WhisperX answer with these segments."""
    segments: list[dict[str, Any]] = [
        {"start": start, "end": end, "text": f" {text}", "words": words(start, end, who, text), "speaker": who}
        for start, end, who, text in spoken
    ]
    every = [word for segment in segments for word in segment["words"]]
    return json.dumps({"segments": segments, "word_segments": every, "language": "en"}).encode()


def words(start: float, end: float, who: str, text: str) -> list[dict[str, Any]]:
    """Those of a segment, each as long as it has letters."""
    letter = (end - start) / len(text)
    told = []
    for word in text.split():
        until = start + letter * len(word)
        told.append({"word": word, "start": round(start, 3), "end": round(until, 3), "score": 0.812, "speaker": who})
        start = until + letter
    return told
