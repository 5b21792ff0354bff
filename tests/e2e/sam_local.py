"""`python -m local sam`, and the commands that it tells of, as a person pastes them."""

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
    """It is up. `commands` are those of `sam local invoke`; `url` and `key` are of the API in its container."""

    url: str
    key: str
    commands: tuple[str, ...]

    def invoke(self, function: str, event: str) -> Any:
        """What the function answers to `events/EVENT.json`, by the very command that was told."""
        (command,) = (each for each in self.commands if re.search(rf" {function} -e \S+/{event}\.json$", each))
        done = subprocess.run(
            shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def ask(self, path: str, method: str = "GET", *, key: str | None = None) -> requests.Response:
        """What the API answers; `key` in the place of its own, an empty one for none."""
        key = self.key if key is None else key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.url}{path}", headers=headers, timeout=LIMIT_SECONDS)

    def run(self, task: str) -> Any:
        """The run of a task, which the API starts in another container; one may outlast the request."""
        run = self.ask(f"/api/scheduler/tasks/{task}/run", "POST").json()

        def ended() -> Any:
            answer = self.ask(f"/api/scheduler/runs/{run['id']}")
            # it is not there before its container has begun, whose image is made at its first start
            return answer.json() if answer.ok and answer.json()["status"] != "running" else None

        return run if run["status"] != "running" else wait_until(ended)


@contextmanager
def sam_local() -> Iterator[SamLocal]:
    """Up until the block ends, as by Ctrl-C."""
    command = [sys.executable, "-m", "local", "sam", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout
            said = ""
            for line in process.stdout:
                said += line
                if "Ctrl-C" in line:
                    break
            told = re.search(r'"Authorization: Bearer (\w+)" (http://[\d.:]+)/api', said)
            assert told, said
            commands = tuple(re.findall(r"^  (\S+/sam local invoke .*)$", said, re.MULTILINE))
            yield SamLocal(url=told[2], key=told[1], commands=commands)
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=LIMIT_SECONDS)
        assert (process.returncode, rest) == (0, "")
