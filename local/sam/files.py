"""What `sam local` is told in files: each function's variables, its own options, and events to try."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.build import ARCHITECTURE, BUILD
from local.cloud.stack import Stack
from local.events import examples


@dataclass(frozen=True, slots=True)
class Files:
    """Where they are. With `config`, sam needs no other option."""

    config: Path
    events: Path


def write(folder: Path, stack: Stack, key: str, endpoints: Mapping[str, str], *, skip_pull: bool) -> Files:
    """`key` is that of the HTTP API; `endpoints` are variables for every function, over its own."""
    files = Files(folder / "samconfig.toml", folder / "events")
    files.events.mkdir(parents=True, exist_ok=True)
    for name, event in examples(stack, key).items():
        _write(files.events / f"{name}.json", json.dumps(event, indent=2, ensure_ascii=False))
    variables = folder / "variables.json"
    _write(variables, json.dumps(environment(stack, endpoints), indent=2))
    _write(files.config, _config(variables, stack.region, skip_pull=skip_pull))
    return files


def environment(stack: Stack, endpoints: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Each function's variables. `sam local` knows functions by their logical ids, so they call each other by these."""
    logical_ids = {function.name: function.logical_id for function in stack.functions.values()}
    return {
        name: {key: logical_ids.get(value, value) for key, value in function.environment.items()} | dict(endpoints)
        for name, function in stack.functions.items()
    }


def _config(variables: Path, region: str, *, skip_pull: bool) -> str:
    options = {
        "template_file": str(BUILD / "template.yaml"),
        "env_vars": str(variables),
        "region": region,
        "parameter_overrides": f"Architecture={ARCHITECTURE}",
        "skip_pull_image": skip_pull,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    return "\n".join(["version = 0.1", "", "[default.global.parameters]", *lines, ""])


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
