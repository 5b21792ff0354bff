"""The functions as `make build` builds them for Lambda, once for each state of their sources."""

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".build" / "functions"
STAMP = ROOT / ".build" / "functions.sha256"
LOG = ROOT / ".build" / "functions.log"
SOURCES = ("template.yaml", "samconfig.toml", "Makefile", "requirements/sam.txt", "functions", "layers")
ARCHITECTURE = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
"""What Lambda calls this machine's processor."""


@dataclass(frozen=True, slots=True)
class Built:
    """One built function. `layer` is what Lambda mounts on /opt; `timeout` is in seconds."""

    name: str
    folder: Path
    layer: Path
    handler: str
    timeout: int


def why_not() -> str | None:
    """Why the functions cannot be built and run here, or None."""
    if platform.system() != "Linux" or ARCHITECTURE is None:
        return "the Lambda emulator runs on Linux only, on x86_64 and arm64"
    if not (ROOT / ".venv-sam" / "bin" / "sam").exists():
        return "SAM CLI is not installed: `make test` installs it into .venv-sam"
    return None


def build() -> dict[str, Built]:
    """Builds what has changed since the last time; the functions by their names in the template."""
    digest = _digest()
    if not STAMP.exists() or STAMP.read_text() != digest:
        STAMP.parent.mkdir(exist_ok=True)
        STAMP.unlink(missing_ok=True)
        # a make of its own, even where this runs under `make -j test`
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        arguments = [f"BUILD_DIR={BUILD.relative_to(ROOT)}", f"ARCHITECTURE={ARCHITECTURE}"]
        with LOG.open("wb") as log:
            command = ["make", "build", *arguments]
            failed = subprocess.call(command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT)
        assert not failed, LOG.read_text()
        STAMP.write_text(digest)
    resources: dict[str, Any] = yaml_parse((BUILD / "template.yaml").read_text())["Resources"]
    return {
        name: Built(
            name=name,
            folder=BUILD / resource["Properties"]["CodeUri"],
            layer=BUILD / resources["SharedLayer"]["Properties"]["ContentUri"],
            handler=resource["Properties"]["Handler"],
            timeout=resource["Properties"]["Timeout"],
        )
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _digest() -> str:
    digest = hashlib.sha256(str(ARCHITECTURE).encode())
    for source in SOURCES:
        top = ROOT / source
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
