"""Starts the local recogniser, and sends it requests as a client of each dialect does."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from testing.waiting import LIMIT_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
EXPECTED: dict[str, list[str]] = json.loads((SAMPLES / "expected.json").read_text())
SHORTEST = "in-2025550100-2025550143-20261118-093012-1795012210.17.wav"
COMMAND = (sys.executable, "-m", "local.recogniser")


@contextmanager
def run_recogniser(
    *options: str, command: Sequence[str] = COMMAND, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a recogniser within the context, and yield its URL."""
    with subprocess.Popen(
        [*command, "--port", "0", *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            lines = []
            for line in server.stdout:
                if match := re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line):
                    yield match[1]
                    return
                lines.append(line)
            raise AssertionError(f"the recogniser did not start: {lines}")
        finally:
            server.terminate()
            server.wait(timeout=LIMIT_SECONDS)


def post(url: str, name: str, audio: bytes | None = None, **options: str) -> requests.Response:
    """Send a sample, or `audio` under this name, in the dialect `asr`."""
    body = (SAMPLES / name).read_bytes() if audio is None else audio
    query = {"output": "json", "language": "en"} | options
    return requests.post(
        f"{url}/asr", params=query, files={"audio_file": (Path(name).name, body)}, timeout=LIMIT_SECONDS
    )


def parse_transcript(response: requests.Response) -> dict[str, Any]:
    """Return the JSON of a successful response in the dialect `asr`."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    return dict(json.loads(response.text))


def words(result: dict[str, Any]) -> set[str]:
    return {word["word"] for word in result["word_segments"]}


def submit(url: str, name: str = "a.wav", audio: bytes | None = None, **options: str) -> requests.Response:
    """Submit a job in the dialect `tasks`."""
    body = (SAMPLES / SHORTEST).read_bytes() if audio is None else audio
    return requests.post(f"{url}/speech-to-text", params=options, files={"file": (name, body)}, timeout=LIMIT_SECONDS)


def wait_for_job(url: str, identifier: str) -> dict[str, Any]:
    """Poll a job until it has ended, and return it."""

    def poll() -> dict[str, Any] | None:
        job: dict[str, Any] = requests.get(f"{url}/task/{identifier}", timeout=LIMIT_SECONDS).json()
        if job["status"] not in ("queued", "processing"):
            return job
        assert job["result"] is None
        return None

    return wait_until(poll)


def post_openai(url: str, audio: bytes | None = None, **fields: str) -> requests.Response:
    """Send audio in the dialect `openai`."""
    files = {"file": ("a.wav", (SAMPLES / SHORTEST).read_bytes() if audio is None else audio)}
    return requests.post(f"{url}/v1/audio/transcriptions", data=fields, files=files, timeout=LIMIT_SECONDS)
