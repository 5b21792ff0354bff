"""The engine `whisper`: faster-whisper with Whisper's model `base`, on the CPU. `make setup-whisper` installs it.

Its voice activity detection (Silero) comes with the library. The model does not: it is read from a folder or, at the
first start, downloaded from the Hugging Face Hub into the user's cache.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from local.recogniser.engines.base import EngineError, Recognition, RecognitionOptions

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

MODEL = "base"
MODEL_REPOSITORY = "Systran/faster-whisper-base"
"""What faster-whisper downloads for MODEL."""

MODEL_FILES = {
    "model.bin": "model.bin",
    "config.json": "config.json",
    "tokenizer.json": "tokenizer.json",
    "vocabulary.*": "vocabulary.json or vocabulary.txt",
}
"""The files of a model, as patterns and in words. Without its tokenizer, faster-whisper would download one."""

FIGURES = ("avg_logprob", "no_speech_prob", "compression_ratio")
"""What faster-whisper, and servers that are based on it, report for each segment to judge its quality."""


class WhisperEngine:
    """A loaded Whisper model."""

    name = "faster_whisper"

    def __init__(self, model: "WhisperModel", model_name: str = MODEL_REPOSITORY) -> None:
        self.model = model_name
        self.languages = frozenset(model.supported_languages)
        self._whisper = model

    def recognise(self, blocks: Iterator[bytes], options: RecognitionOptions) -> Recognition:
        samples = np.frombuffer(b"".join(blocks), np.int16).astype(np.float32) / 32_768
        segments, info = self._whisper.transcribe(
            samples,
            language=options.language,
            vad_filter=options.vad_filter,
            word_timestamps=True,
            condition_on_previous_text=False,  # as in WhisperX: one wrong sentence must not lead to the next
        )
        return Recognition([_to_whisperx(segment, info.duration) for segment in segments], info.language)


def _to_whisperx(segment: "Segment", duration: float) -> dict[str, Any]:
    """Return the segment as WhisperX does, with the figures of faster-whisper. Its times end with the recording."""
    fields = asdict(segment)
    words = [
        {"word": word["word"].strip(), **_times(word, duration), "score": round(float(word["probability"]), 3)}
        for word in fields["words"] or ()
    ]
    figures = {name: float(fields[name]) for name in FIGURES}
    return {**_times(fields, duration), "text": fields["text"], "words": words, **figures}


def _times(fields: dict[str, Any], duration: float) -> dict[str, float]:
    return {name: round(min(float(fields[name]), duration), 3) for name in ("start", "end")}


def load_engine(folder: Path | None, print_line: Callable[[str], None]) -> WhisperEngine:
    """Load the model in `folder`, or the downloaded one. `print_line` prints what takes time.

    Raises: EngineError, when the library is not installed, or the model is missing or damaged.
    """
    if folder:
        _check_folder(folder)
    try:
        from faster_whisper import WhisperModel
    except ModuleNotFoundError as error:
        raise EngineError("Whisper is not installed. Run 'make setup-whisper' once.") from error
    name = folder.name if folder else MODEL_REPOSITORY
    folder = folder or _find_or_download(print_line)
    print_line(f"Loading the Whisper model {name} …")
    try:
        model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=os.process_cpu_count() or 0)
    except Exception as error:
        raise EngineError(f"The Whisper model in {folder} cannot be loaded: {error}") from error
    return WhisperEngine(model, name)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise EngineError(f"--model-dir {folder}: this is not a folder.")
    if missing := [words for pattern, words in MODEL_FILES.items() if not any(folder.glob(pattern))]:
        raise EngineError(
            f"--model-dir {folder}: this is no complete model for faster-whisper. The folder lacks "
            f"{', '.join(missing)}. {_download_hint()}"
        )


def _find_or_download(print_line: Callable[[str], None]) -> Path:
    """Return the folder of the model in the user's cache; download it if it is not there."""
    if folder := _model_folder(local_files_only=True):
        return folder
    print_line(f"Downloading the Whisper model {MODEL_REPOSITORY} (145 MB), once. This may take some minutes …")
    if folder := _model_folder(local_files_only=False):
        return folder
    raise EngineError(
        "The Whisper model is not on this machine, and cannot be downloaded from the Hugging Face Hub. Check the "
        f"network and the free disk space, or copy a model from another machine. {_download_hint()}"
    )


def _model_folder(*, local_files_only: bool) -> Path | None:
    """Return the folder, or None if it is incomplete, as after a download that was interrupted, or cannot be had."""
    from faster_whisper.utils import download_model

    try:
        folder = Path(download_model(MODEL, local_files_only=local_files_only))
    except Exception as error:  # noqa: BLE001 — also those of the HTTP library that the hub's client uses
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return None
    return folder if (folder / "model.bin").exists() else None


def _download_hint() -> str:
    return (
        f"`.venv-whisper/bin/hf download {MODEL_REPOSITORY} --local-dir DIR` downloads one. Use the folder with "
        "--model-dir DIR."
    )
