"""Runs ministack for the rehearsal: on the loopback, on a free port, with its state in a temporary folder."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.build import ROOT
from local.cloud.client import CREDENTIALS, REGION, aws_client
from local.http_server import LOCALHOST
from local.sam.containers import find_free_port
from tests.e2e.rehearsal.gaps import BROKEN_FUNCTION, NOTED_GAPS

VENV = ROOT / ".venv-ministack"
START_SECONDS = 120.0


def unavailable_reason() -> str | None:
    """Return why ministack cannot run, or None if it can."""
    if (VENV / ".installed").exists():
        return None
    return f"{VENV.name} is not installed. `make {VENV.name}/.installed` creates it, and needs the internet"


@dataclass(frozen=True, slots=True)
class Ministack:
    """A running ministack. Its state, temporary files and log are in `folder`."""

    endpoint: str
    folder: Path

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        return aws_client(service, self.endpoint)

    def environment(self) -> dict[str, str]:
        """Return the environment for AWS's tools: with this endpoint, and without the user's account and settings."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "MAKE", "MFLAGS"))
        }
        return inherited | {
            **CREDENTIALS,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,  # otherwise guided mode has no default for the region
            "AWS_ENDPOINT_URL": self.endpoint,
            "NO_PROXY": LOCALHOST,
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self.folder / "sam"),
        }

    @contextmanager
    def broken_function(self, logical_id: str) -> Iterator[None]:
        """Let the creation of one function fail within the context."""
        file = self.folder / BROKEN_FUNCTION
        file.write_text(logical_id, encoding="utf-8")
        yield
        file.unlink()

    def noted_gaps(self) -> set[str]:
        """Return the names of the gaps that ministack had to work around."""
        file = self.folder / NOTED_GAPS
        return set(file.read_text(encoding="utf-8").splitlines()) if file.exists() else set()


@contextmanager
def run_ministack() -> Iterator[Ministack]:
    """Run ministack within the context. Raises: RuntimeError, when it does not start."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as folder:
        port = find_free_port(LOCALHOST)
        log = Path(folder, "ministack.log")
        # the functions inherit this environment
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "TMPDIR": folder,
            "BIND_HOST": LOCALHOST,
            "GATEWAY_PORT": str(port),
            "LAMBDA_EXECUTOR": "local",
            "DOCKER_HOST": f"unix://{folder}/no-docker",  # it would look for containers of its own and stop them
            "IOT_MTLS_ENABLED": "0",  # another listener
            "SFTP_ENABLED": "0",
        }
        command = [str(VENV / "bin/python"), "-m", "tests.e2e.rehearsal.emulator"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        ministack = Ministack(f"http://{LOCALHOST}:{port}", Path(folder))
        try:
            _wait_until_ready(process, ministack.endpoint, log)
            yield ministack
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the processes of its functions; nothing of it is kept
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with requests.Session() as session:
        session.trust_env = False  # no proxy
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(requests.ConnectionError):
                if session.get(f"{endpoint}/_ministack/health", timeout=START_SECONDS).ok:
                    return
            time.sleep(0.1)
    raise RuntimeError(f"ministack did not start:\n{log.read_text(errors='replace')}")
