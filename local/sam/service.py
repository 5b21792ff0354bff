"""Runs `sam local start-api` and `start-lambda` as child processes."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import LocalError
from local.build import ROOT
from local.sam.containers import SAM

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0
"""Includes the time to stop its containers."""
PAUSE_SECONDS = 0.05
ISOLATED_ENVIRONMENT = {
    "SAM_CLI_TELEMETRY": "0",
    # SAM CLI would send requests with the user's own AWS credentials, and pass them on to the containers
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def run_sam_service(name: str, config: Path, host: str, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `sam local NAME` within the context, and wait until it listens. It starts containers on demand.

    Its output, and that of the functions, is written to `log`. Raises: LocalError, when it does not start.
    """
    if not SAM.exists():
        raise LocalError("SAM CLI is not installed. `make sam-local` installs it into .venv-sam.")
    arguments = ["--config-file", str(config), "--host", host, "--port", str(port), "--warm-containers", "LAZY"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SAM), "local", name, *arguments],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            | ISOLATED_ENVIRONMENT,
            stdout=output,
            stderr=output,
            process_group=0,  # no Ctrl-C from the terminal: with a second signal, it would leave its containers running
        )
    try:
        _wait_for_port(host, port, process, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_port(host: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise LocalError(f"sam local did not start on {host}:{port}. Its output:\n{log.read_text(errors='replace')}")
