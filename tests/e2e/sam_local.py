"""Runs `python -m local sam`, and the commands that it prints, as a user would paste them."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from local.build import ROOT
from testing.waiting import LIMIT_SECONDS, wait_until


@dataclass(frozen=True, slots=True)
class SamLocal:
    """A running stack. `commands`: the printed `sam local invoke` commands; `url` and `key` of the HTTP API."""

    url: str
    key: str
    commands: tuple[str, ...]

    def invoke(self, function: str, event: str) -> Any:
        """Invoke a function with `events/EVENT.json` by the printed command, and return its result."""
        pattern = rf" {function} -e \S+/{event}\.json$"
        (command,) = (command for command in self.commands if re.search(pattern, command))
        process = subprocess.run(
            shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout.splitlines()[-1])

    def request(self, path: str, method: str = "GET", *, key: str | None = None) -> requests.Response:
        """Send a request to the API, with `key` instead of the valid one (empty: without a key)."""
        key = self.key if key is None else key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.url}{path}", headers=headers, timeout=LIMIT_SECONDS)

    def run(self, task: str) -> Any:
        """Run a task through the API, which starts it in another container, and return the finished run."""
        run = self.request(f"/api/scheduler/tasks/{task}/run", "POST").json()

        def get_finished_run() -> Any:
            response = self.request(f"/api/scheduler/runs/{run['id']}")
            # the run does not exist before its container has started, and the first start builds the image
            return response.json() if response.ok and response.json()["status"] != "running" else None

        return run if run["status"] != "running" else wait_until(get_finished_run)


@contextmanager
def sam_local() -> Iterator[SamLocal]:
    """Run the stack within the context, and stop it as by Ctrl-C."""
    command = [sys.executable, "-m", "local", "sam", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout
            output = ""
            for line in process.stdout:
                output += line
                if line.startswith("See docs/sam-local.md"):
                    break
            match = re.search(r'"Authorization: Bearer (\w+)" (http://[\d.:]+)/api', output)
            assert match, output
            commands = tuple(re.findall(r"^  (\S+/sam local invoke .*)$", output, re.MULTILINE))
            yield SamLocal(url=match[2], key=match[1], commands=commands)
        finally:
            process.send_signal(signal.SIGINT)
            remaining_output, _ = process.communicate(timeout=LIMIT_SECONDS)
        assert (process.returncode, remaining_output) == (0, "")
