"""The local recogniser keeps the promises of WhisperX servers in each dialect, over real HTTP, with real speech."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soundfile

from callscribe.settings.whisperx import DIALECTS, WhisperXSettings
from callscribe.whisperx.connection_test import run_connection_test
from local.recogniser.speech import SAMPLE_RATE, iter_pcm_blocks, split_utterances
from testing.waiting import LIMIT_SECONDS, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
EXPECTED: dict[str, list[str]] = json.loads((SAMPLES / "expected.json").read_text())
SPOKEN = sorted(name for name, words in EXPECTED.items() if words)
SILENT = sorted(name for name, words in EXPECTED.items() if not words)
SHORTEST = "in-2025550100-2025550143-20261118-093012-1795012210.17.wav"
TELEPHONE = "external-101-2025550178-20261118-101540-1795014937.23.wav"  # 8 kHz, as GSM needs
Transcripts = dict[str, dict[str, Any]]  # by file name
NOTHING_SPOKEN = {"segments": [], "word_segments": [], "language": "en"}


@contextmanager
def running(*options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "local.recogniser", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line)
            assert found, f"the recogniser did not start: {line!r}"
            yield found[1]
        finally:
            server.terminate()
            server.wait(timeout=LIMIT_SECONDS)


@pytest.fixture(scope="module")
def recogniser() -> Iterator[str]:
    with running() as url:
        yield url


def post(url: str, name: str, audio: bytes | None = None, **options: str) -> requests.Response:
    body = (SAMPLES / name).read_bytes() if audio is None else audio
    query = {"output": "json", "language": "en"} | options
    return requests.post(
        f"{url}/asr", params=query, files={"audio_file": (Path(name).name, body)}, timeout=LIMIT_SECONDS
    )


def transcript(response: requests.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    return dict(json.loads(response.text))


@pytest.fixture(scope="module")
def transcripts(recogniser: str) -> Transcripts:
    return {name: transcript(post(recogniser, name)) for name in EXPECTED}


def words(result: dict[str, Any]) -> set[str]:
    return {word["word"] for word in result["word_segments"]}


def encoded(samples: Any, rate: int, **to: Any) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, **{"format": "WAV"} | to)
    return out.getvalue()


@pytest.mark.parametrize("name", SPOKEN)
def test_a_sample_has_its_words_at_times_inside_segment_and_recording(transcripts: Transcripts, name: str) -> None:
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


def test_silence_is_a_success_without_segments(recogniser: str, transcripts: Transcripts) -> None:
    for name in SILENT:
        assert transcripts[name] == NOTHING_SPOKEN
    header = encoded(np.zeros(0), 8000, subtype="PCM_16")
    assert transcript(post(recogniser, "empty.wav", header)) == NOTHING_SPOKEN


@pytest.mark.parametrize(
    ("kind", "to"),
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
def test_other_formats_are_understood(recogniser: str, kind: str, to: dict[str, Any]) -> None:
    name, spoken = (TELEPHONE, {"order", "tomorrow"}) if kind == "a.gsm" else (SHORTEST, {"hotel", "help", "today"})
    audio = encoded(*soundfile.read(SAMPLES / name), **to)
    assert spoken <= words(transcript(post(recogniser, kind, audio)))


def test_a_recording_sounds_the_same_after_others(recogniser: str, transcripts: Transcripts) -> None:
    assert transcript(post(recogniser, SHORTEST)) == transcripts[SHORTEST]


def test_speech_up_to_the_last_sample_is_kept(recogniser: str) -> None:
    samples, rate = soundfile.read(SAMPLES / SHORTEST)
    result = transcript(post(recogniser, "cut.wav", encoded(samples[: int(3.9 * rate)], rate)))
    assert "help" in words(result)
    assert result["segments"][-1]["end"] <= 3.9


def test_speech_without_a_pause_is_cut_into_pieces_in_order() -> None:
    samples, rate = soundfile.read(SAMPLES / SHORTEST)
    phrase = samples[int(0.3 * rate) : int(1.8 * rate)]
    pieces = list(split_utterances(iter_pcm_blocks(io.BytesIO(encoded(np.tile(phrase, 50), rate)))))
    assert len(pieces) == 3
    assert [piece.start for piece in pieces] == pytest.approx([0, 30, 60], abs=0.5)
    assert all(len(piece.pcm) / 2 / SAMPLE_RATE < 31 for piece in pieces)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_sound_do_not_stop_the_server(recogniser: str, value: float) -> None:
    samples = np.zeros((16000, 3), dtype=np.float32)
    samples[4000:12000:7] = value
    assert post(recogniser, "odd.wav", encoded(samples, 11025, subtype="FLOAT")).status_code == 200
    assert "hotel" in words(transcript(post(recogniser, SHORTEST)))


@pytest.mark.parametrize(
    "audio",
    [
        *(path.read_bytes() for path in sorted((SAMPLES / "broken").iterdir())),
        b"",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"\xd5" + bytes(5),
        bytes(3000),
        encoded(np.zeros(16000), 1, subtype="PCM_16"),
    ],
    ids=["text", "no bytes", "half a header", "tiny", "zeros", "1 Hz"],
)
def test_what_is_not_audio_is_500_in_plain_text(recogniser: str, audio: bytes) -> None:
    response = post(recogniser, "broken.wav", audio)
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("field", "options", "place", "status"),
    [
        ({"file": ("a.wav", b"x")}, {}, ["body", "audio_file"], 422),
        ({"audio_file": (None, "text")}, {}, ["body", "audio_file"], 422),
        ({"audio_file": ("a.wav", b"x")}, {"diarize": "perhaps"}, ["query", "diarize"], 422),
        ({"audio_file": ("a.wav", b"x")}, {"language": "de"}, None, 500),
    ],
    ids=["another field", "a part without a file name", "no boolean", "a language without a model"],
)
def test_a_wrong_request_is_refused_in_the_shape_of_fastapi(
    recogniser: str, field: dict[str, Any], options: dict[str, str], place: list[str] | None, status: int
) -> None:
    response = requests.post(f"{recogniser}/asr", params=options, files=field, timeout=LIMIT_SECONDS)
    assert response.status_code == status
    if place:
        assert response.json()["detail"][0]["loc"] == place


def test_without_options_the_answer_is_lines_of_text(recogniser: str) -> None:
    with (SAMPLES / SHORTEST).open("rb") as audio:
        response = requests.post(f"{recogniser}/asr", files={"audio_file": audio}, timeout=LIMIT_SECONDS)
    assert response.status_code == 200
    assert "how can i help you today\n" in response.text


def test_there_is_no_health_route_but_a_description(recogniser: str) -> None:
    response = requests.get(f"{recogniser}/health", timeout=LIMIT_SECONDS)
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})
    assert "/asr" in requests.get(f"{recogniser}/openapi.json", timeout=LIMIT_SECONDS).json()["paths"]


def test_a_key_is_demanded_when_one_is_set() -> None:
    with running("--api-key", "secret") as url:
        audio = {"audio_file": ("a.wav", (SAMPLES / SHORTEST).read_bytes())}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            refused = requests.post(f"{url}/asr", files=audio, headers=headers, timeout=LIMIT_SECONDS)
            assert refused.status_code == 401
        key = {"Authorization": "Bearer secret"}
        assert requests.post(f"{url}/asr", files=audio, headers=key, timeout=LIMIT_SECONDS).status_code == 200


@pytest.fixture(scope="module")
def task_server() -> Iterator[str]:
    with running("--dialect", "tasks") as url:
        yield url


@pytest.fixture(scope="module")
def openai_server() -> Iterator[str]:
    with running("--dialect", "openai") as url:
        yield url


def submit(url: str, name: str = "a.wav", audio: bytes | None = None, **options: str) -> requests.Response:
    body = (SAMPLES / SHORTEST).read_bytes() if audio is None else audio
    return requests.post(f"{url}/speech-to-text", params=options, files={"file": (name, body)}, timeout=LIMIT_SECONDS)


def ended(url: str, identifier: str) -> dict[str, Any]:
    """The task, once it has ended."""

    def look() -> dict[str, Any] | None:
        task: dict[str, Any] = requests.get(f"{url}/task/{identifier}", timeout=LIMIT_SECONDS).json()
        if task["status"] not in ("queued", "processing"):
            return task
        assert task["result"] is None
        return None

    return wait_until(look)


def test_an_upload_becomes_a_task_that_can_be_asked_for(task_server: str) -> None:
    submitted = submit(task_server, "asked-for.wav", device="cuda", model="large-v3").json()
    assert submitted["message"] == "Task queued"
    task = ended(task_server, submitted["identifier"])
    assert (task["status"], task["error"], task["metadata"]["language"]) == ("completed", None, "en")
    assert {"help", "hotel"} <= {word["word"] for word in task["result"]["word_segments"]}
    listed = requests.get(f"{task_server}/task/all", timeout=LIMIT_SECONDS).json()["tasks"]
    (found,) = [each for each in listed if each["file_name"] == "asked-for.wav"]
    assert (found["identifier"], found["status"]) == (submitted["identifier"], "completed")


def test_a_task_of_an_unknown_language_fails_under_200(task_server: str) -> None:
    task = ended(task_server, submit(task_server, language="xx").json()["identifier"])
    assert (task["status"], task["result"]) == ("failed", None)
    assert "not a valid language code" in task["error"]


@pytest.mark.parametrize("name", ["a.flac", "a.opus", "a.webm", "a"])
def test_a_file_is_refused_by_its_ending(task_server: str, name: str) -> None:
    response = submit(task_server, name)
    assert response.status_code == 400
    assert response.json()["detail"].startswith(f"Invalid file extension for file {name}. Allowed: ")


def test_what_cannot_be_decoded_becomes_no_task(task_server: str) -> None:
    response = submit(task_server, audio=bytes(3000))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "AUDIO_PROCESSING_ERROR")


def test_a_task_can_be_deleted_and_is_then_unknown(task_server: str) -> None:
    identifier = submit(task_server).json()["identifier"]
    ended(task_server, identifier)
    assert requests.delete(f"{task_server}/task/{identifier}/delete", timeout=LIMIT_SECONDS).status_code == 200
    response = requests.get(f"{task_server}/task/{identifier}", timeout=LIMIT_SECONDS)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "TASK_NOT_FOUND")
    assert requests.delete(f"{task_server}/task/{identifier}/delete", timeout=LIMIT_SECONDS).status_code == 404


@pytest.mark.parametrize(
    ("options", "audio", "status"),
    [
        ({"model": "large-v3"}, None, 404),
        ({"language": "xx"}, None, 422),
        ({}, bytes(3000), 422),
        ({"response_format": "text"}, None, 200),
    ],
)
def test_the_openai_dialect_refuses_in_its_own_way(
    openai_server: str, options: dict[str, str], audio: bytes | None, status: int
) -> None:
    files = {"file": ("a.wav", (SAMPLES / SHORTEST).read_bytes() if audio is None else audio)}
    url = f"{openai_server}/v1/audio/transcriptions"
    assert requests.post(url, data=options, files=files, timeout=LIMIT_SECONDS).status_code == status


@pytest.mark.parametrize(
    ("server", "dialect"), [("recogniser", "asr"), ("task_server", "tasks"), ("openai_server", "openai")]
)
def test_the_connection_test_tells_the_dialects_apart(
    request: pytest.FixtureRequest, server: str, dialect: str
) -> None:
    url = request.getfixturevalue(server)
    verdicts = {
        each: run_connection_test(WhisperXSettings(whisperx_url=url, whisperx_dialect=each), "") for each in DIALECTS
    }
    assert verdicts.pop(dialect).ok
    assert {verdict.code for verdict in verdicts.values()} == {"wrong_dialect"}
