"""Schemathesis tests the API against /openapi.json, with valid and invalid requests."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from testing.waiting import LIMIT_SECONDS
from tests.e2e.served import ROOT, ServedStack, serve

pytestmark = pytest.mark.slow

CONFIG = ROOT / "tests" / "schemathesis.toml"
EXAMPLES = "8"
"""For each operation and phase. docs/api.md has the command for more."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any) -> Iterator[ServedStack]:
    with serve(tmp_path_factory.mktemp("state"), quick_service.url) as running:
        running.put("in-2025550100-2025550143-*.wav", "internal-102-101-*.WAV")
        running.run("sync", "queue", "process")
        yield running


def check(served: ServedStack, config: Path, folder: Path, *arguments: str) -> str:
    """Run schemathesis, require that it finds no error, and return its output."""
    done = subprocess.run(
        [
            *(ROOT / ".venv/bin/schemathesis", "--config-file", config, "run", f"{served.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {served.key}", "--checks", "all", "--max-examples", EXAMPLES),
            *arguments,
        ],
        cwd=folder,  # it writes a cache there
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\d{2,} generated, \d{2,} passed", done.stdout), done.stdout[-2000:]
    return done.stdout


def test_existing_resources_respond_as_documented(served: ServedStack, tmp_path: Path) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {served.key}"
    recording = session.get(f"{served.url}/api/call-recordings", timeout=LIMIT_SECONDS).json()["items"][0]["id"]
    run = session.get(f"{served.url}/api/scheduler/runs", timeout=LIMIT_SECONDS).json()["items"][0]["id"]
    config = tmp_path / "with-ids.toml"
    ids = f'\n[parameters]\n"path.recordingId" = "{recording}"\n"path.runId" = "{run}"\n'
    config.write_text(CONFIG.read_text() + ids)
    check(
        *(served, config, tmp_path, "--phases", "fuzzing", "--include-path-regex", "Id}"),
        *("--exclude-operation-id", "deleteRecording"),
    )


def test_every_operation_responds_only_as_documented(served: ServedStack, tmp_path: Path) -> None:
    output = check(served, CONFIG, tmp_path)
    paths = requests.get(f"{served.url}/openapi.json", timeout=LIMIT_SECONDS).json()["paths"].values()
    assert f"Tested: {sum(map(len, paths))}" in output


def test_logs_contain_no_key_and_no_phone_number(served: ServedStack) -> None:
    logs = "".join(path.read_text() for path in (served.state / "logs").glob("*.log"))
    assert '"message":"request"' in logs
    for planted in (served.key, "2025550143", "hello there"):
        assert planted not in logs
