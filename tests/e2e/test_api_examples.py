"""Run every example of docs/api.md and compare its response with the documented one."""

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
from tests.e2e.served import ROOT, ServedStack, serve

PAGE = (ROOT / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"^```sh(?: (\w+))?\n(.*?)^```\n(?:```json\n(.*?)^```$)?", PAGE, re.MULTILINE | re.DOTALL)
NOT_RUN = ("setup", "manual")
TOOLS = ("bash", "curl")
CURL_HTTP_ERROR = 22
"""Exit status of curl for a response of 400 or more."""


missing = [tool for tool in TOOLS if not shutil.which(tool)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the examples need {', '.join(missing)}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[ServedStack]:
    """A stack with completed, failed (one is queued again by an example) and queued recordings."""
    quick_service.choose_reply = lambda request: reply(status=422 if b"RIFF" not in request.body[:900] else 200)
    with serve(tmp_path_factory.mktemp("state"), quick_service.url) as running:
        running.put("in-*0143-*.wav", "internal-102-101-*.WAV", "external-101-*.wav", "out-*.mp3", "in-*0155-*.wav")
        running.run("sync", "queue", *["process"] * 5)
        running.put("external-102-*.wav")
        running.run("sync", "queue")
        yield running


@pytest.fixture(scope="module")
def variables(served: ServedStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables that the examples use."""
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


def assert_contains(response: Any, documented: Any, path: str = "") -> None:
    """Require that the response has every documented member, with the same type."""
    if isinstance(documented, dict):
        assert isinstance(response, dict), path
        for name, value in documented.items():
            assert name in response, f"{path}.{name}"
            assert_contains(response[name], value, f"{path}.{name}")
    elif isinstance(documented, list):
        assert isinstance(response, list), path
        for item in documented[:1]:
            assert response, path
            assert_contains(response[0], item, f"{path}[0]")
    elif documented is not None and response is not None:
        assert isinstance(response, bool) == isinstance(documented, bool), path
        assert isinstance(response, str) == isinstance(documented, str), path
        fixed = re.match(r"[^…]*", documented)[0] if isinstance(documented, str) and "…" in documented else ""
        assert not isinstance(response, str) or response.startswith(fixed) or path.endswith(".url"), path
        if path.endswith((".code", ".dryRun", ".status", ".transcriptionStatus", ".slug", ".ok", ".trigger")):
            assert response == documented, path


def test_every_documented_example_works_as_shown(variables: dict[str, str], tmp_path: Path) -> None:
    run = 0
    for kind, script, documented in EXAMPLES:
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
        assert done.returncode == (CURL_HTTP_ERROR if kind else 0), (script, done.stdout, done.stderr)
        if kind:
            assert f"error: {kind}" in done.stderr, script
        if documented:
            assert_contains(json.loads(done.stdout.strip().splitlines()[-1]), json.loads(documented), script)
        run += 1
    assert run > 25
    assert (tmp_path / "call.wav").read_bytes()[:4] == b"RIFF"


def test_every_documented_operation_has_an_example(served: ServedStack) -> None:
    documented = re.sub(r"\$(ID|FAILED|UNWANTED)", "{recordingId}", PAGE).replace("$RUN", "{runId}")
    documented = re.sub(r"scheduler/tasks/\w+", "scheduler/tasks/{command}", documented)
    for path, methods in requests.get(f"{served.url}/openapi.json", timeout=LIMIT_SECONDS).json()["paths"].items():
        for method in methods:
            option = r"(?!.*-X )" if method == "get" else rf".*-X {method.upper()} "
            example = rf'curl {option}.*"\$URL{re.escape(path)}(\?[^"]*)?"'
            assert path == "/health" or re.search(example, documented), (method, path)
