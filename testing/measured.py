"""A plugin for coverage: Lambda workers are measured too, although their environment holds only what Lambda provides.

Coverage reaches other processes through a variable of the environment that they inherit. It loads this in each of them.
"""

import os
import subprocess
from collections.abc import Mapping
from functools import wraps
from typing import Any

VARIABLE = "COVERAGE_PROCESS_CONFIG"
_original_init: Any = subprocess.Popen.__init__


@wraps(_original_init)
def _start_measured(
    process: "subprocess.Popen[Any]", *args: Any, env: Mapping[str, str] | None = None, **options: Any
) -> None:
    if env is not None and "_HANDLER" in env and VARIABLE in os.environ:
        env = {**env, VARIABLE: os.environ[VARIABLE]}
    _original_init(process, *args, env=env, **options)


def coverage_init(*_: object) -> None:
    subprocess.Popen.__init__ = _start_measured  # type: ignore[method-assign,assignment]
