"""A coverage plugin that measures Lambda workers too, although their environment contains only what Lambda provides.

Coverage starts in other processes through an environment variable that they inherit. It loads this plugin in each.
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
