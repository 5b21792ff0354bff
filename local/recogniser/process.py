"""Runs the built-in recogniser in its own process, because recognition would block everything else in this one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local import LocalError
from local.build import ROOT
from local.http_server import LOCALHOST
from local.recogniser import ENGINES, ERROR_PREFIX, READY_PREFIX

WHISPER_VENV = ROOT / ".venv-whisper"
"""Whisper is optional and has an environment of its own, which `make setup-whisper` creates."""


@contextmanager
def run_recogniser(
    dialect: str,
    log: Path,
    host: str = LOCALHOST,
    *,
    engine: str = ENGINES[0],
    model_dir: Path | None = None,
    api_key: str | None = None,
    print_line: Callable[[str], None] = print,
) -> Iterator[str]:
    """Run a recogniser with this dialect within the context and yield its URL, once it can transcribe.

    With an `api_key` it accepts no requests without it. Its errors are written to `log`. `print_line` prints what it
    waits for.

    Raises: LocalError, when it does not start.
    """
    # in the other environment, the engine itself says that it is not installed
    has_whisper = engine == "whisper" and (WHISPER_VENV / ".installed").exists()
    command = [
        *(str(WHISPER_VENV / "bin/python") if has_whisper else sys.executable, "-m", "local.recogniser"),
        *("--host", host, "--port", "0", "--dialect", dialect, "--engine", engine),
        *(("--model-dir", str(model_dir)) if model_dir else ()),
        *(("--api-key", api_key) if api_key else ()),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "layers/shared")}
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout
        try:
            for line in process.stdout:
                if line.startswith(READY_PREFIX):
                    yield line.removeprefix(READY_PREFIX).strip()
                    return
                if line.startswith(ERROR_PREFIX):
                    raise LocalError(line.removeprefix(ERROR_PREFIX).strip())
                print_line(line.rstrip())
            raise LocalError(f"The built-in recogniser did not start. See {log}.")
        finally:
            process.terminate()
