"""The local recogniser transcribes real speech in every format, in the dialect `asr`, over real HTTP."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
import soundfile
import soxr

from local.recogniser.engines.audio import SAMPLE_RATE, iter_pcm_blocks
from local.recogniser.engines.pocketsphinx import split_utterances
from testing import made_audio
from testing.waiting import LIMIT_SECONDS
from tests.integration.recogniser_client import (
    EXPECTED,
    SAMPLES,
    SHORTEST,
    parse_transcript,
    post,
    run_recogniser,
    words,
)

pytestmark = pytest.mark.slow

SPOKEN = sorted(name for name, words in EXPECTED.items() if words)
SILENT = sorted(name for name, words in EXPECTED.items() if not words)
TELEPHONE = "external-101-2025550178-20261118-101540-1795014937.23.wav"  # 8 kHz, as GSM needs
Transcripts = dict[str, dict[str, Any]]  # by file name
NOTHING_SPOKEN = {"segments": [], "word_segments": [], "language": "en"}


@pytest.fixture(scope="module")
def recogniser() -> Iterator[str]:
    with run_recogniser() as url:
        yield url


@pytest.fixture(scope="module")
def transcripts(recogniser: str) -> Transcripts:
    return {name: parse_transcript(post(recogniser, name)) for name in EXPECTED}


def encode(samples: Any, rate: int, **to: Any) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, **{"format": "WAV"} | to)
    return out.getvalue()


@pytest.mark.parametrize("name", SPOKEN)
def test_sample_has_its_words_with_times_inside_their_segment(transcripts: Transcripts, name: str) -> None:
    result = transcripts[name]
    assert set(EXPECTED[name]) <= words(result)
    assert result["language"] == "en"
    length = soundfile.info(SAMPLES / name).duration
    before = 0.0
    for segment in result["segments"]:
        assert before <= segment["start"] < segment["end"] <= length
        assert segment["text"] == "".join(f" {word['word']}" for word in segment["words"])
        for word in segment["words"]:
            assert segment["start"] <= word["start"] < word["end"] <= segment["end"]
            assert before <= word["start"]
            assert 0 <= word["score"] <= 1
            before = word["end"]
    assert result["word_segments"] == [word for segment in result["segments"] for word in segment["words"]]


def test_silence_is_a_transcript_without_segments(recogniser: str, transcripts: Transcripts) -> None:
    for name in SILENT:
        assert transcripts[name] == NOTHING_SPOKEN
    header = encode(np.zeros(0), 8000, subtype="PCM_16")
    assert parse_transcript(post(recogniser, "empty.wav", header)) == NOTHING_SPOKEN


@pytest.mark.parametrize(
    ("file_name", "to"),
    [
        ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("a.flac", {"format": "FLAC"}),
        ("a.mp3", {"format": "MP3"}),
        ("alaw.wav", {"format": "WAV", "subtype": "ALAW"}),
        ("ulaw.wav", {"format": "WAV", "subtype": "ULAW"}),
        ("float.wav", {"format": "WAV", "subtype": "FLOAT"}),
        ("a.gsm", {"format": "RAW", "subtype": "GSM610"}),
    ],
)
def test_other_formats_are_transcribed(recogniser: str, file_name: str, to: dict[str, Any]) -> None:
    name, spoken = (
        (TELEPHONE, {"order", "tomorrow"}) if file_name == "a.gsm" else (SHORTEST, {"hotel", "help", "today"})
    )
    audio = encode(*soundfile.read(SAMPLES / name), **to)
    assert spoken <= words(parse_transcript(post(recogniser, file_name, audio)))


@pytest.mark.parametrize("extension", ["m4a", "aac", "webm"])
def test_formats_that_only_ffmpeg_reads_are_transcribed(recogniser: str, extension: str) -> None:
    samples, rate = soundfile.read(SAMPLES / SHORTEST)
    audio = made_audio.encode(extension, soxr.resample(samples, rate, made_audio.FORMATS[extension][2]))
    assert {"hotel", "help", "today"} <= words(parse_transcript(post(recogniser, f"a.{extension}", audio)))


def test_transcript_does_not_depend_on_previous_recordings(recogniser: str, transcripts: Transcripts) -> None:
    assert parse_transcript(post(recogniser, SHORTEST)) == transcripts[SHORTEST]


def test_speech_is_recognised_up_to_the_last_sample(recogniser: str) -> None:
    samples, rate = soundfile.read(SAMPLES / SHORTEST)
    result = parse_transcript(post(recogniser, "cut.wav", encode(samples[: int(3.9 * rate)], rate)))
    assert "help" in words(result)
    assert result["segments"][-1]["end"] <= 3.9


def test_resampling_adds_no_noise() -> None:
    samples = np.tile(np.array([0, 400, 0, -400], np.int16), SAMPLE_RATE)
    recording = encode(np.stack([samples, samples], axis=1), SAMPLE_RATE // 2, subtype="PCM_16")
    decoded = np.frombuffer(b"".join(iter_pcm_blocks(io.BytesIO(recording))), np.int16)
    steady = decoded[SAMPLE_RATE : 2 * SAMPLE_RATE]
    assert (steady[:8000] == steady[8000:]).all()


def test_speech_without_pauses_is_split_into_consecutive_utterances() -> None:
    samples, rate = soundfile.read(SAMPLES / SHORTEST)
    phrase = samples[int(0.3 * rate) : int(1.8 * rate)]
    utterances = list(split_utterances(iter_pcm_blocks(io.BytesIO(encode(np.tile(phrase, 50), rate)))))
    assert len(utterances) == 3
    assert [utterance.start for utterance in utterances] == pytest.approx([0, 30, 60], abs=0.5)
    assert all(len(utterance.pcm) / 2 / SAMPLE_RATE < 31 for utterance in utterances)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_invalid_samples_do_not_stop_the_server(recogniser: str, value: float) -> None:
    samples = np.zeros((16000, 3), dtype=np.float32)
    samples[4000:12000:7] = value
    assert post(recogniser, "odd.wav", encode(samples, 11025, subtype="FLOAT")).status_code == 200
    assert "hotel" in words(parse_transcript(post(recogniser, SHORTEST)))


@pytest.mark.parametrize(
    "audio",
    [
        *(path.read_bytes() for path in sorted((SAMPLES / "broken").iterdir())),
        b"",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"\xd5" + bytes(5),
        bytes(3000),
        encode(np.zeros(16000), 1, subtype="PCM_16"),
    ],
    ids=["text", "no bytes", "half a header", "tiny", "zeros", "1 Hz"],
)
def test_file_that_is_not_audio_is_a_500_in_plain_text(recogniser: str, audio: bytes) -> None:
    response = post(recogniser, "broken.wav", audio)
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("field", "options", "location", "status"),
    [
        ({"file": ("a.wav", b"x")}, {}, ["body", "audio_file"], 422),
        ({"audio_file": (None, "text")}, {}, ["body", "audio_file"], 422),
        ({"audio_file": ("a.wav", b"x")}, {"diarize": "perhaps"}, ["query", "diarize"], 422),
        ({"audio_file": ("a.wav", b"x")}, {"language": "de"}, None, 500),
    ],
    ids=["another field", "a part without a file name", "no boolean", "a language without a model"],
)
def test_invalid_request_has_a_fastapi_error(
    recogniser: str, field: dict[str, Any], options: dict[str, str], location: list[str] | None, status: int
) -> None:
    response = requests.post(f"{recogniser}/asr", params=options, files=field, timeout=LIMIT_SECONDS)
    assert response.status_code == status
    if location:
        assert response.json()["detail"][0]["loc"] == location


def test_default_output_is_lines_of_text(recogniser: str) -> None:
    with (SAMPLES / SHORTEST).open("rb") as audio:
        response = requests.post(f"{recogniser}/asr", files={"audio_file": audio}, timeout=LIMIT_SECONDS)
    assert response.status_code == 200
    assert "how can i help you today\n" in response.text


def test_asr_has_no_health_route_but_an_openapi_document(recogniser: str) -> None:
    response = requests.get(f"{recogniser}/health", timeout=LIMIT_SECONDS)
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})
    assert "/asr" in requests.get(f"{recogniser}/openapi.json", timeout=LIMIT_SECONDS).json()["paths"]


def test_api_key_is_required_if_configured() -> None:
    with run_recogniser("--api-key", "secret") as url:
        audio = {"audio_file": ("a.wav", (SAMPLES / SHORTEST).read_bytes())}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            rejected = requests.post(f"{url}/asr", files=audio, headers=headers, timeout=LIMIT_SECONDS)
            assert rejected.status_code == 401
        key = {"Authorization": "Bearer secret"}
        assert requests.post(f"{url}/asr", files=audio, headers=key, timeout=LIMIT_SECONDS).status_code == 200
