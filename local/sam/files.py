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
        (files.events / f"{name}.json").write_text(json.dumps(event, indent=2), encoding="utf-8")
    variables = folder / "variables.json"
    variables.write_text(json.dumps(_environment(stack, endpoints), indent=2), encoding="utf-8")
    options = {
        "template_file": str(BUILD / "template.yaml"),
        "env_vars": str(variables),
        "region": stack.region,
        "parameter_overrides": f"Architecture={ARCHITECTURE}",
        "skip_pull_image": skip_pull,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    config = "\n".join(["version = 0.1", "", "[default.global.parameters]", *lines, ""])
    files.config.write_text(config, encoding="utf-8")
    return files


def _environment(stack: Stack, endpoints: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Each function's variables. `sam local` knows functions by their logical ids, so they call each other by these."""
    logical_ids = {function.name: function.logical_id for function in stack.functions.values()}
    return {
        name: {key: logical_ids.get(value, value) for key, value in function.environment.items()} | dict(endpoints)
        for name, function in stack.functions.items()
    }
