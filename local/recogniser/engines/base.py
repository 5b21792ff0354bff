"""What every engine does, and the recogniser that runs one of them."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol

from local.recogniser.engines.audio import iter_pcm_blocks


class EngineError(Exception):
    """The engine cannot start. The message says what to do."""


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """The options of a request. `language`: a code, None to detect it. `vad_filter`: skip what is not speech."""

    language: str | None = None
    vad_filter: bool = True


@dataclass(frozen=True, slots=True)
class Recognition:
    """The segments, as WhisperX returns them, and the language. Times are seconds from the start of the recording."""

    segments: list[dict[str, Any]]
    language: str


class Engine(Protocol):
    """Recognises speech. Need not be safe for threads."""

    name: str
    model: str
    languages: frozenset[str]

    def recognise(self, blocks: Iterator[bytes], options: RecognitionOptions) -> Recognition:
        """Recognise the words in blocks of 16-bit mono PCM at SAMPLE_RATE."""
        ...


class Recogniser:
    """An engine behind a lock, because real servers transcribe one recording at a time, too."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lock = threading.Lock()

    def knows(self, language: str | None) -> bool:
        """Whether it can transcribe the language; it detects one that is None or empty."""
        return not language or language in self.engine.languages

    def transcribe(self, file: IO[bytes], options: RecognitionOptions) -> dict[str, Any]:
        """Transcribe a recording into WhisperX's JSON. Raises: UndecodableAudio."""
        with self.lock:
            result = self.engine.recognise(iter_pcm_blocks(file), options)
        return {
            "segments": result.segments,
            "word_segments": [word for segment in result.segments for word in segment["words"]],
            "language": result.language,
        }
