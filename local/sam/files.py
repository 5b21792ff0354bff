"""The files for `sam local`: environment variables of the functions, its own options, and sample events."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.build import ARCHITECTURE, BUILD_DIR, ROOT
from local.cloud.stack import Stack

EVENTS = ROOT / "events"
BUCKET, ACCOUNT, REGION, KEY = "callscribe-recordingsbucket-1kq2j8z6a7f0", "123456789012", "eu-central-1", "Bearer KEY"
"""Placeholders in the sample events, for values that differ from stack to stack."""


def write_files(folder: Path, stack: Stack, key: str, endpoints: Mapping[str, str], *, skip_pull: bool) -> None:
    """Write events/ and samconfig.toml, after which sam needs no other options.

    `key`: the key of the HTTP API. `endpoints`: environment variables for all functions, which replace their own.
    """
    events = folder / "events"
    events.mkdir(parents=True, exist_ok=True)
    for name, event in examples(stack, key).items():
        (events / f"{name}.json").write_text(json.dumps(event, indent=2), encoding="utf-8")
    variables = folder / "variables.json"
    variables.write_text(json.dumps(_environment(stack, endpoints), indent=2), encoding="utf-8")
    options = {
        "template_file": str(BUILD_DIR / "template.yaml"),
        "env_vars": str(variables),
        "region": stack.region,
        "parameter_overrides": f"Architecture={ARCHITECTURE}",
        "skip_pull_image": skip_pull,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    config = "\n".join(["version = 0.1", "", "[default.global.parameters]", *lines, ""])
    (folder / "samconfig.toml").write_text(config, encoding="utf-8")


def examples(stack: Stack, key: str) -> dict[str, dict[str, Any]]:
    """Return the sample events for this stack by file name. `key`: the key of the HTTP API."""
    replacements = {
        BUCKET: stack.buckets["RecordingsBucket"],
        ACCOUNT: stack.account_id,
        REGION: stack.region,
        KEY: f"Bearer {key}",
    }
    events = {}
    for path in sorted(EVENTS.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        for placeholder, value in replacements.items():
            text = text.replace(placeholder, value)
        events[path.stem] = dict(json.loads(text))
    return events


def _environment(stack: Stack, endpoints: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the variables of each function. In `sam local`, functions invoke each other by their logical ids."""
    logical_ids = {function.name: function.logical_id for function in stack.functions.values()}
    return {
        name: {key: logical_ids.get(value, value) for key, value in function.environment.items()} | dict(endpoints)
        for name, function in stack.functions.items()
    }
