"""A synthetic stereo call with crosstalk, and a model of Whisper that answers what can be heard in each channel.

The voices are those of local/samples. Each party has a channel, and leaks into the other one, quieter and later, with
the noise of a line. Whisper transcribes speech at -60 dBFS as well as at -20: that is what the model is based on.
It finds each sentence in the audio that it receives by matching the sentence's own samples (a matched filter), and
returns the words that are not masked by something louder. A faint sentence comes back with other times and
another word.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import soundfile
import soxr

from testing.handlers import ROOT

type Samples = np.ndarray[Any, Any]

SAMPLES = ROOT / "local" / "samples"
RATE = 8_000
SPEECH_DBFS, NOISE_DBFS = -20.0, -75.0

AUDIBLE_DBFS = -72.0
"""Whisper hears what is at least this loud."""

MIN_COHERENCE = 0.4
"""It does not hear a word that is masked: of which the channel has less than this, relative to everything there."""

FAINT_DBFS = -30.0
"""What is quieter comes back with slightly different times and words."""

MAX_DELAY_SECONDS = 0.5

TIME_SHIFTS = (0.15, -0.2, 0.28, -0.1)
MISHEARD = {"help": "held", "hotel": "motel", "arrive": "alive", "morning": "mourning", "money": "monkey"}


@dataclass(frozen=True)
class Sentence:
    """What a speaker says at `start`, in seconds: `text`, with the voice in `clip` (file pattern, channel, times)."""

    speaker: str
    start: float
    text: str
    clip: tuple[str, int, float, float]

    @property
    def samples(self) -> Samples:
        """At RATE, with SPEECH_DBFS root mean square."""
        return _clip(*self.clip)

    @property
    def end(self) -> float:
        return self.start + len(self.samples) / RATE


CALL = (
    Sentence("agent", 0.5, "Good morning. How can I help you?", ("external-102-*", 1, 0.24, 2.2)),
    Sentence("caller", 3.0, "I want to change my hotel room.", ("external-102-*", 0, 2.92, 4.98)),
    Sentence("agent", 5.6, "When will you arrive?", ("external-102-*", 1, 5.62, 6.74)),
    Sentence("caller", 7.2, "I will come tomorrow morning.", ("external-102-*", 0, 7.42, 8.98)),
    # both at once
    Sentence("agent", 9.6, "Hello, this is the hotel.", ("in-*0143-*", 0, 0.32, 1.6)),
    Sentence("caller", 9.8, "I would like to know when my order will arrive.", ("external-101-*", 0, 0.44, 3.06)),
    Sentence("agent", 13.2, "Please bring the report about the money.", ("internal-102-101-*", 0, 3.08, 5.06)),
    # the same word, at the same time
    Sentence("agent", 15.8, "Yes.", ("in-*0143-*", 0, 0.32, 0.72)),
    Sentence("caller", 15.85, "Yes.", ("external-101-*", 0, 3.84, 4.24)),
    Sentence("caller", 17.0, "Please call me back tomorrow morning.", ("external-101-*", 0, 3.84, 5.62)),
)
SECONDS = 19.5


@cache
def _clip(pattern: str, channel: int, start: float, end: float) -> Samples:
    (path,) = SAMPLES.glob(pattern)
    samples, rate = soundfile.read(path, always_2d=True)
    voice = soxr.resample(samples[int(start * rate) : int(end * rate), channel], rate, RATE)
    return _scaled(voice, SPEECH_DBFS)


def _scaled(samples: Samples, dbfs: float) -> Samples:
    return np.asarray(samples * 10 ** (dbfs / 20) / np.sqrt(np.mean(samples**2)))


def two_channels(
    leak_db: float | None, *, delay: float = 0.0, caller_db: float = 0.0, call: Sequence[Sentence] = CALL
) -> tuple[Samples, Samples]:
    """Return the caller's and the agent's channel at RATE.

    `leak_db`: the level of each party on the other channel, relative to its own; None without a leak. `delay`: of the
    leak, in seconds. `caller_db`: how much louder than the agent the caller is; negative for a distant one.
    """
    voices = {"caller": np.zeros(int(SECONDS * RATE)), "agent": np.zeros(int(SECONDS * RATE))}
    for sentence in call:
        first = int(sentence.start * RATE)
        gain = 10 ** (caller_db / 20) if sentence.speaker == "caller" else 1.0
        voices[sentence.speaker][first : first + len(sentence.samples)] += gain * sentence.samples
    gain = 0.0 if leak_db is None else 10 ** (leak_db / 20)
    shift = int(delay * RATE)
    random = np.random.default_rng(1)
    channels = []
    for own, other in (("caller", "agent"), ("agent", "caller")):
        leak = np.concatenate([np.zeros(shift), voices[other][: len(voices[other]) - shift]])
        noise = _scaled(random.standard_normal(len(leak)), NOISE_DBFS)
        channels.append(np.clip(voices[own] + gain * leak + noise, -1, 1))
    return channels[0], channels[1]


def heard(body: bytes, *, word_times: bool, call: Sequence[Sentence] = CALL) -> dict[str, Any]:
    """Return what Whisper would answer to a multipart body with one channel of the call."""
    start = body.index(b"RIFF")
    samples, rate = soundfile.read(io.BytesIO(body[start : body.rindex(b"\r\n--")]))
    channel = soxr.resample(samples, rate, RATE)
    segments = [
        segment
        for index, sentence in enumerate(call)
        if (segment := _segment(channel, sentence, TIME_SHIFTS[index % len(TIME_SHIFTS)], word_times=word_times))
    ]
    return {"language": "en", "segments": sorted(segments, key=lambda segment: segment["start"])}


def _find(channel: Samples, sentence: Sentence) -> tuple[float, float]:
    """Return the gain with which the sentence is in the channel, and when it starts there, in seconds."""
    clip = sentence.samples
    first = max(0, int((sentence.start - 0.1) * RATE))
    window = channel[first : first + len(clip) + int((0.1 + MAX_DELAY_SECONDS) * RATE)]
    size = 2 * len(window)
    spectrum = np.fft.rfft(window, size) * np.conj(np.fft.rfft(clip, size))
    correlation = np.abs(np.fft.irfft(spectrum, size)[: max(1, len(window) - len(clip))])
    offset = int(correlation.argmax())
    return float(correlation[offset]) / float(np.dot(clip, clip)), (first + offset) / RATE


def _coherence(samples: Samples, voice: Samples) -> float:
    """Return how much of the samples is this voice, from 0 to 1."""
    energy = np.dot(samples, samples) * np.dot(voice, voice)
    return float(abs(np.dot(samples, voice[: len(samples)])) / np.sqrt(energy)) if energy else 0.0


def _decibels(amplitude: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-9)))


def _segment(channel: Samples, sentence: Sentence, shift: float, *, word_times: bool) -> dict[str, Any] | None:
    """Return what is heard of a sentence, with a time for each word if requested; None if it is nothing."""
    gain, start = _find(channel, sentence)
    level = SPEECH_DBFS + _decibels(gain)
    if level < AUDIBLE_DBFS:
        return None
    text = sentence.text
    if level < FAINT_DBFS:
        text = re.sub(rf"\b({'|'.join(MISHEARD)})\b", lambda match: MISHEARD[match[0]], text, count=1)
    else:
        shift = 0.0
    words = text.split()
    bounds = np.cumsum([0, *map(len, words)]) / sum(map(len, words)) * (sentence.end - sentence.start)
    heard_words: list[dict[str, Any]] = []
    for word, (begin, end) in zip(words, pairwise(map(float, bounds)), strict=True):
        voice = sentence.samples[int(begin * RATE) : int(end * RATE)]
        first = int(start * RATE) + int(begin * RATE)
        if _coherence(channel[first : first + len(voice)], voice) >= MIN_COHERENCE:
            times = {"start": max(0.0, start + shift + begin), "end": start + shift + end}
            heard_words.append({"word": word, **times})
    if not heard_words:
        return None
    return {
        "text": " ".join(word["word"] for word in heard_words),
        "start": heard_words[0]["start"],
        "end": heard_words[-1]["end"],
        "words": heard_words if word_times else [],
    }


def speakers_of(document: dict[str, Any], call: Sequence[Sentence] = CALL) -> list[set[str]]:
    """Return, for each sentence, under which speakers most of its words appear in the transcript."""
    return [
        {
            speaker
            for speaker in ("caller", "agent")
            if _coverage(_words(sentence.text), _spoken(document, speaker, sentence)) > 0.5
        }
        for sentence in call
    ]


def _spoken(document: dict[str, Any], speaker: str, sentence: Sentence) -> list[str]:
    """Return the words of a speaker at about the time of a sentence."""
    return [
        word
        for segment in document["segments"]
        if segment["speaker"] == speaker
        and segment["start"] < sentence.end + 0.4
        and segment["end"] > sentence.start - 0.4
        for word in _words(segment["text"])
    ]


def _coverage(words: Sequence[str], spoken: Sequence[str]) -> float:
    return sum(word in spoken for word in words) / len(words)


def word_error_rate(document: dict[str, Any], call: Sequence[Sentence] = CALL) -> float:
    """Return the rate over both speakers: a word under the wrong speaker is an error."""
    errors = total = 0
    for speaker in ("caller", "agent"):
        said = [word for sentence in call if sentence.speaker == speaker for word in _words(sentence.text)]
        written = [
            word
            for segment in document["segments"]
            if segment["speaker"] == speaker
            for word in _words(segment["text"])
        ]
        errors += _edit_distance(said, written)
        total += len(said)
    return errors / total


def _words(text: str) -> list[str]:
    """Return the words; one that was misheard counts as the right one, because crosstalk is what is measured."""
    right = {wrong: word for word, wrong in MISHEARD.items()}
    return [right.get(word, word) for word in re.findall(r"[a-z]+", text.lower())]


def _edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, candidate in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != candidate))
    return row[-1]
