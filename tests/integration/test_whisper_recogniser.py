"""The local recogniser with Whisper: what its answers hold in each dialect, and what it says when it cannot start.

The tests of answers run in .venv-whisper (`make setup-whisper`). With CALLSCRIBE_WHISPER_MODEL, the folder of a model,
real speech is transcribed, too.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import LocalError
from local.recogniser import process
from local.recogniser.engines.base import EngineError
from local.recogniser.engines.whisper import MODEL_FILES, load_engine
from testing import made_audio
from tests.integration.recogniser_client import (
    EXPECTED,
    ROOT,
    SAMPLES,
    SHORTEST,
    parse_transcript,
    post,
    post_openai,
    run_recogniser,
    submit,
    wait_for_job,
)

PYTHON = process.WHISPER_VENV / "bin/python"
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/shared'}", "HF_HUB_OFFLINE": "1"}
FAKE_MODEL = (str(PYTHON), str(Path(__file__).with_name("whisper_with_fake_model.py")))
MODEL = os.environ.get("CALLSCRIBE_WHISPER_MODEL")
DURATION = soundfile.info(SAMPLES / SHORTEST).duration
FIGURES = {"avg_logprob": -0.25, "no_speech_prob": 0.125, "compression_ratio": 1.5}

needs_whisper = pytest.mark.skipif(
    not (process.WHISPER_VENV / ".installed").exists(), reason="run `make setup-whisper`"
)


@pytest.fixture
def model_dir(tmp_path):
    """A folder with the names of a model's files."""
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).touch()
    return tmp_path


def whisper(dialect, folder, command=FAKE_MODEL):
    options = ("--dialect", dialect, "--engine", "whisper", "--model-dir", str(folder))
    return run_recogniser(*options, command=command, environment=ENVIRONMENT)


def called_with(segment):
    return json.loads(segment["text"])


def check_segments(segments):
    assert len(segments) == 2
    for segment in segments:
        assert (segment["start"], segment["end"]) == (0.1, pytest.approx(DURATION, abs=0.01))
        first, last = segment["words"]
        assert first == {"word": "Guten", "start": 0.1, "end": 0.5, "score": 0.912}
        assert (last["word"], last["end"]) == ("Tag.", segment["end"])


@needs_whisper
@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "language", "vad_filter"),
    [({"language": ""}, None, True), ({"language": "de", "vad_filter": "false"}, "de", False)],
)
def test_asr_answers_with_times_and_figures(model_dir, options, language, vad_filter):
    with whisper("asr", model_dir) as url:
        response = post(url, SHORTEST, **options)
        assert response.headers["Asr-Engine"] == "faster_whisper"
        transcript = parse_transcript(response)
        assert post(url, SHORTEST, language="xx").status_code == 500
    check_segments(transcript["segments"])
    assert transcript["language"] == "de"
    assert transcript["segments"][0].items() >= FIGURES.items()
    expected = {"language": language, "vad_filter": vad_filter, "seconds": pytest.approx(DURATION, abs=0.01)}
    assert called_with(transcript["segments"][0]) == expected


@needs_whisper
@pytest.mark.slow
def test_tasks_answers_without_figures_and_with_the_language_in_the_metadata(model_dir):
    with whisper("tasks", model_dir) as url:
        job = wait_for_job(url, submit(url, vad_filter="false").json()["identifier"])
        failed = wait_for_job(url, submit(url, language="xx").json()["identifier"])
    assert (job["status"], job["metadata"]["language"]) == ("completed", "de")
    check_segments(job["result"]["segments"])
    assert set(job["result"]["segments"][0]) == {"start", "end", "text", "words"}
    assert not called_with(job["result"]["segments"][0])["vad_filter"]
    assert "accepted language codes: de, en" in failed["error"]


@needs_whisper
@pytest.mark.slow
def test_openai_answers_with_figures_in_nested_segments(model_dir):
    with whisper("openai", model_dir) as url:
        body = post_openai(url, response_format="verbose_json", language="en", model="whisper-1").json()
        assert post_openai(url, model=model_dir.name).status_code == 200
        assert post_openai(url, model="large-v3").status_code == 404
        assert post_openai(url, language="xx").status_code == 422
        assert post_openai(url, vad_filter="perhaps").status_code == 422
    check_segments(body["segments"]["segments"])
    assert body["segments"]["segments"][0].items() >= FIGURES.items()
    assert called_with(body["segments"]["segments"][0])["language"] == body["language"] == "en"


@needs_whisper
@pytest.mark.parametrize("is_interrupted", [False, True], ids=["never downloaded", "download interrupted"])
def test_missing_model_that_cannot_be_downloaded_is_an_error_that_says_how_to_get_it(
    tmp_path, monkeypatch, is_interrupted
):
    if is_interrupted:
        repository = tmp_path / "hub/models--Systran--faster-whisper-base"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs/main").write_text("0123")
        (repository / "snapshots/0123").mkdir(parents=True)
        (repository / "snapshots/0123/config.json").write_text("{}")
    for name, value in {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    printed: list[str] = []
    with (
        pytest.raises(LocalError, match=r"cannot be downloaded.*faster-whisper-base --local-dir DIR.*--model-dir"),
        process.run_recogniser("asr", tmp_path / "log", engine="whisper", print_line=printed.append),
    ):
        pass
    assert [line.partition(" ")[0] for line in printed] == ["Downloading"]


@needs_whisper
def test_folder_with_a_damaged_model_is_an_error(model_dir):
    (model_dir / "model.bin").write_bytes(b"not a model")
    with (
        pytest.raises(LocalError, match="cannot be loaded"),
        process.run_recogniser("asr", model_dir / "log", engine="whisper", model_dir=model_dir, print_line=print),
    ):
        pass


def test_engine_that_is_not_installed_is_an_error_that_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "WHISPER_VENV", tmp_path)
    with (
        pytest.raises(LocalError, match="Run 'make setup-whisper' once"),
        process.run_recogniser("asr", tmp_path / "log", engine="whisper"),
    ):
        pass


def test_recogniser_that_crashes_at_its_start_names_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    log = tmp_path / "recogniser.log"
    with pytest.raises(LocalError, match=f"did not start. See {log}"), process.run_recogniser("asr", log):
        pass


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.txt"])
def test_folder_without_a_file_of_the_model_is_an_error_that_names_the_file(model_dir, name):
    (model_dir / name).unlink()
    with pytest.raises(EngineError) as error:
        load_engine(model_dir, print)
    named = [words for words in MODEL_FILES.values() if words in str(error.value)]
    assert named == [name.replace(".txt", ".json or vocabulary.txt")]


def test_folder_without_a_model_is_an_error_that_names_each_file_once(tmp_path):
    with pytest.raises(EngineError) as error:
        load_engine(tmp_path, print)
    assert [str(error.value).count(words) for words in MODEL_FILES.values()] == [1] * len(MODEL_FILES)


def test_model_dir_that_is_no_folder_is_an_error(model_dir):
    with pytest.raises(EngineError, match="not a folder"):
        load_engine(model_dir / "model.bin", print)


@needs_whisper
@pytest.mark.slow
@pytest.mark.skipif(not MODEL, reason="CALLSCRIBE_WHISPER_MODEL names no folder of a model")
def test_real_model_transcribes_the_samples_and_hears_nothing_in_silence():
    command = (str(PYTHON), "-m", "local.recogniser")
    samples, rate = soundfile.read(SAMPLES / SHORTEST)
    assert rate == made_audio.FORMATS["m4a"][2]
    with whisper("asr", MODEL, command) as url:
        for name, expected in EXPECTED.items():
            transcript = parse_transcript(post(url, name, language=""))
            heard = {word["word"].lower().strip(".,?!") for word in transcript["word_segments"]}
            assert set(expected) - heard <= {"tomorrow"}, name  # which the model hears as a name, in one of them
            assert all(set(FIGURES) <= segment.keys() for segment in transcript["segments"])
        transcript = parse_transcript(post(url, "a.m4a", made_audio.encode("m4a", samples), language=""))
        assert "hotel" in transcript["segments"][0]["text"].lower()
        assert transcript["language"] == "en"
        # without the filter, Whisper hears "." in it
        assert parse_transcript(post(url, "a.wav", made_audio.wav(np.zeros(8_000))))["segments"] == []
