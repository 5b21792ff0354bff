"""The built-in recogniser in a process of its own: recognition would hold up everything else in this one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import LocalError
from local.build import ROOT
from local.http_server import LOCALHOST


@contextmanager
def run_recogniser(dialect: str, log: Path, host: str = LOCALHOST) -> Iterator[str]:
    """The URL of a recogniser that speaks `dialect`, until the block ends. What it complains of is in `log`."""
    command = [sys.executable, "-m", "local.recogniser", "--host", host, "--port", "0", "--dialect", dialect]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout
        try:
            first_line = process.stdout.readline()
            if "http" not in first_line:
                raise LocalError(f"The built-in recogniser did not start: {log} says why.")
            yield first_line.split()[-1]
        finally:
            process.terminate()
