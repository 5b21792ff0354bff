"""Runs one built function under AWS's Lambda emulator: without a container, and with only what Lambda can import.

The emulator comes with SAM CLI; awslambdaric, the Python side, is what the managed runtime uses.
"""

import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.build import ARCHITECTURE, ROOT, BuiltFunction
from testing.waiting import LIMIT_SECONDS, wait_until

RUNTIME_DIR = ROOT / ".build" / "runtime"
RUNTIME_LOCK = ROOT / "requirements" / "runtime.txt"
INVOCATIONS = "2015-03-31/functions/function/invocations"

# -S leaves out site-packages, which contains the development environment
PYTHON = (str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"), "-S", "-s")


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running function. `log` contains the output of the function and of the emulator."""

    url: str
    log: Path

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke the function and return its response.

        Raises: AssertionError, when the function raises an exception.
        """
        with requests.Session() as session:
            session.trust_env = False  # no proxy for loopback
            response = session.post(self.url, json=event, timeout=LIMIT_SECONDS).json()
        assert "errorMessage" not in response, f"{response}\n{self.log.read_text()}"
        return dict(response)


def unavailable_reason() -> str | None:
    """Return why the emulator cannot run here, or None if it can."""
    if platform.system() != "Linux" or ARCHITECTURE is None:
        return "the Lambda emulator runs on Linux only, on x86_64 and arm64"
    if not (ROOT / ".venv-sam" / "bin" / "sam").exists():
        return "SAM CLI is not installed: `make test-all` installs it into .venv-sam"
    return None


def install_runtime() -> Path:
    """Install awslambdaric if its lock file has changed, and return its folder."""
    stamp = RUNTIME_DIR / ".sha256"
    digest = hashlib.sha256(RUNTIME_LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(RUNTIME_DIR, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(RUNTIME_DIR), "--require-hashes"]
        subprocess.run([*install, "-r", str(RUNTIME_LOCK)], check=True)
        stamp.write_text(digest)
    return RUNTIME_DIR


def environment(built: BuiltFunction, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the function's environment: `variables`, the import path, and what Lambda sets."""
    return {
        **variables,
        "PYTHONPATH": os.pathsep.join(map(str, (built.folder, built.layer / "python", install_runtime()))),
        "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's code folder is read-only
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(built.timeout),
        "LAMBDA_TASK_ROOT": str(built.folder),
    }


@contextmanager
def emulate(built: BuiltFunction, variables: Mapping[str, str], log: Path) -> Iterator[Emulator]:
    """Run the function until the block ends. Like one Lambda environment, it serves one request at a time."""
    port, runtime_port = _free_port(), _free_port()
    command = [
        str(_emulator_path()),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
        *PYTHON,
        *("-m", "awslambdaric", built.handler),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=built.folder,
            env=environment(built, variables),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for_port(port, process, log)
        yield Emulator(f"http://127.0.0.1:{port}/{INVOCATIONS}", log)
    finally:
        process.terminate()  # the emulator ends the function
        process.wait(LIMIT_SECONDS)


def run_code(built: BuiltFunction, code: str) -> Any:
    """Run `code` in the function's environment without the template's variables, and parse the JSON that it prints."""
    result = subprocess.run(
        [*PYTHON, "-c", code], cwd=built.folder, env=environment(built, {}), stdout=subprocess.PIPE, check=True
    )
    return json.loads(result.stdout)


def _emulator_path() -> Path:
    (path,) = (ROOT / ".venv-sam").glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{ARCHITECTURE}")
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    def is_listening() -> bool:
        assert process.poll() is None, f"The Lambda emulator did not start.\n{log.read_text()}"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(is_listening)
