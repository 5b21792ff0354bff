"""Builds the functions with `make build`, for Lambda on this machine, whenever their sources have changed."""

import fcntl
import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local import LocalError

ROOT = Path(__file__).parent.parent
BUILD_DIR = ROOT / ".build" / "functions"
STAMP = ROOT / ".build" / "functions.sha256"
LOG = ROOT / ".build" / "functions.log"
SOURCES = ("template.yaml", "Makefile", "requirements/sam.txt", "deployment", "functions", "layers")
ARCHITECTURE = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
"""Lambda's name for this machine's processor; None if Lambda has none like it."""


@dataclass(frozen=True, slots=True)
class BuiltFunction:
    """One built function. `layer` is the folder that Lambda mounts on /opt; `timeout` is in seconds."""

    name: str
    folder: Path
    layer: Path
    handler: str
    timeout: int


def build_functions() -> dict[str, BuiltFunction]:
    """Build if anything has changed, and return the functions by their names in the template.

    Raises: LocalError, when the build fails.
    """
    STAMP.parent.mkdir(exist_ok=True)
    with STAMP.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes; any of them may be the first
        digest = _digest()
        if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != digest:
            _run_make(digest)
    return read_built_functions(BUILD_DIR)


def read_built_functions(folder: Path) -> dict[str, BuiltFunction]:
    """Return the functions that `sam build` wrote to this folder, by their names in the template."""
    resources: dict[str, Any] = yaml_parse((folder / "template.yaml").read_text(encoding="utf-8"))["Resources"]
    return {
        name: BuiltFunction(
            name=name,
            folder=folder / resource["Properties"]["CodeUri"],
            layer=folder / resources["SharedLayer"]["Properties"]["ContentUri"],
            handler=resource["Properties"]["Handler"],
            timeout=resource["Properties"]["Timeout"],
        )
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _run_make(digest: str) -> None:
    STAMP.unlink(missing_ok=True)
    # an independent make, also when this runs under `make -j test`
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "build", f"BUILD_DIR={BUILD_DIR.relative_to(ROOT)}"]
    if ARCHITECTURE:
        command.append(f"ARCHITECTURE={ARCHITECTURE}")
    with LOG.open("wb") as log:
        exit_code = subprocess.call(command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT)
    if exit_code:
        raise LocalError(f"make build failed:\n{LOG.read_text(errors='replace')}")
    STAMP.write_text(digest, encoding="utf-8")


def _digest() -> str:
    digest = hashlib.sha256(str(ARCHITECTURE).encode())
    for source in SOURCES:
        top = ROOT / source
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
