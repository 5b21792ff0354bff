"""docs/api.md: each example is run as it stands there, and its answer has what is shown of it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from testing.waiting import LIMIT_SECONDS
from tests.e2e.served import ROOT, Served, serve

PAGE = (ROOT / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"^```sh(?: (\w+))?\n(.*?)^```\n(?:```json\n(.*?)^```$)?", PAGE, re.MULTILINE | re.DOTALL)
NOT_RUN = ("setup", "manual")
TOOLS = ("bash", "curl")
REFUSED = 22
"""How curl ends for an answer of 400 or more."""


missing = [tool for tool in TOOLS if not shutil.which(tool)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the examples want {', '.join(missing)}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[Served]:
    """With recordings that are completed, failed (one of which an example queues again) and queued."""
    quick_service.choose_reply = lambda request: reply(status=422 if b"RIFF" not in request.body[:900] else 200)
    with serve(tmp_path_factory.mktemp("state"), quick_service.url) as running:
        running.put("in-*0143-*.wav", "internal-102-101-*.WAV", "external-101-*.wav", "out-*.mp3", "in-*0155-*.wav")
        running.run("sync", "queue", *["process"] * 5)
        running.put("external-102-*.wav")
        running.run("sync", "queue")
        yield running


@pytest.fixture(scope="module")
def variables(served: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the page calls the recordings and the API."""
    folder = tmp_path_factory.mktemp("curl")
    (folder / ".curlrc").write_text('fail-with-body\nsilent\nshow-error\nmax-time = 120\nwrite-out = "\\n"\n')
    items = requests.get(
        f"{served.url}/api/call-recordings", headers={"Authorization": f"Bearer {served.key}"}, timeout=LIMIT_SECONDS
    ).json()["items"]

    def one(status: str, name: str = "") -> str:
        return str(next(i["id"] for i in items if i["transcriptionStatus"] == status and name in i["path"]))

    served.put("in-*0107-*.wav")
    bucket = served.stack.buckets["RecordingsBucket"]
    return {
        "PATH": os.environ["PATH"],
        "CURL_HOME": str(folder),
        "HOME": str(folder),
        "no_proxy": "*",
        "URL": served.url,
        "KEY": served.key,
        "AUTH": f"Authorization: Bearer {served.key}",
        "ID": one("completed", "0143"),
        "FAILED": one("failed"),
        "UNWANTED": one("completed", "internal"),
        "FILE": f"s3://{bucket}/2026/11/18/in-2025550100-2025550107-20261118-173045-1795041044.66.wav",
    }


def has(answer: Any, shown: Any, where: str = "") -> None:
    """Asserts that the answer has every member that is shown, of the same kind."""
    if isinstance(shown, dict):
        assert isinstance(answer, dict), where
        for name, value in shown.items():
            assert name in answer, f"{where}.{name}"
            has(answer[name], value, f"{where}.{name}")
    elif isinstance(shown, list):
        assert isinstance(answer, list), where
        for each in shown[:1]:
            assert answer, where
            has(answer[0], each, f"{where}[0]")
    elif shown is not None and answer is not None:
        assert isinstance(answer, bool) == isinstance(shown, bool), where
        assert isinstance(answer, str) == isinstance(shown, str), where
        fixed = re.match(r"[^…]*", shown)[0] if isinstance(shown, str) and "…" in shown else ""
        assert not isinstance(answer, str) or answer.startswith(fixed) or where.endswith(".url"), where
        if where.endswith((".code", ".dryRun", ".status", ".transcriptionStatus", ".slug", ".ok", ".trigger")):
            assert answer == shown, where


def test_each_example_of_the_page_does_what_the_page_says(variables: dict[str, str], tmp_path: Path) -> None:
    run = 0
    for kind, script, shown in EXAMPLES:
        if kind in NOT_RUN:
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (REFUSED if kind else 0), (script, done.stdout, done.stderr)
        if kind:
            assert f"error: {kind}" in done.stderr, script
        if shown:
            has(json.loads(done.stdout.strip().splitlines()[-1]), json.loads(shown), script)
        run += 1
    assert run > 25
    assert (tmp_path / "call.wav").read_bytes()[:4] == b"RIFF"


def test_every_route_of_the_specification_is_on_the_page(served: Served) -> None:
    shown = re.sub(r"\$(ID|FAILED|UNWANTED)", "{recordingId}", PAGE).replace("$RUN", "{runId}")
    shown = re.sub(r"scheduler/tasks/\w+", "scheduler/tasks/{command}", shown)
    for path, methods in requests.get(f"{served.url}/openapi.json", timeout=LIMIT_SECONDS).json()["paths"].items():
        for method in methods:
            asked = rf"-X {method.upper()} " if method != "get" else r"(?!.*-X )"
            called = rf'curl {asked if method == "get" else ".*" + asked}.*"\$URL{re.escape(path)}(\?[^"]*)?"'
            assert path == "/health" or re.search(called, shown), (method, path)
