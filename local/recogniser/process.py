"""Runs the built-in recogniser in its own process, because recognition would block everything else in this one."""

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
    """Run a recogniser with this dialect within the context and yield its URL; its errors are written to `log`.

    Raises: LocalError, when it does not start.
    """
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
                raise LocalError(f"The built-in recogniser did not start. See {log}.")
            yield first_line.split()[-1]
        finally:
            process.terminate()
