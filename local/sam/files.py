"""What `sam local` is told in files: each function's variables, its own options, and events to try."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.build import ARCHITECTURE, BUILD_DIR, ROOT
from local.cloud.stack import Stack

EVENTS = ROOT / "events"
BUCKET, ACCOUNT, REGION, KEY = "callscribe-recordingsbucket-1kq2j8z6a7f0", "123456789012", "eu-central-1", "Bearer KEY"
"""What the example events there hold in place of what each stack has of its own."""


def write_files(folder: Path, stack: Stack, key: str, endpoints: Mapping[str, str], *, skip_pull: bool) -> None:
    """Writes events/ and samconfig.toml, with which sam needs no other option.

    `key` is that of the HTTP API; `endpoints` are variables for every function, over its own.
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
    """The events by the names of their files; `key` is that of the HTTP API."""
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
    """Each function's variables. `sam local` knows functions by their logical ids, so they call each other by these."""
    logical_ids = {function.name: function.logical_id for function in stack.functions.values()}
    return {
        name: {key: logical_ids.get(value, value) for key, value in function.environment.items()} | dict(endpoints)
        for name, function in stack.functions.items()
    }
