"""The example events of events/, as a stack would get them: with its own bucket, region and key in them."""

import json
from typing import Any

from local.build import ROOT
from local.cloud.stack import Stack

EVENTS = ROOT / "events"
BUCKET, ACCOUNT, REGION, KEY = "callscribe-recordingsbucket-1kq2j8z6a7f0", "123456789012", "eu-central-1", "Bearer KEY"
"""What stands there for what each stack has of its own."""


def examples(stack: Stack, key: str) -> dict[str, dict[str, Any]]:
    """The events by the names of their files; `key` is that of the HTTP API."""
    ours = {
        BUCKET: stack.buckets["RecordingsBucket"],
        ACCOUNT: stack.account_id,
        REGION: stack.region,
        KEY: f"Bearer {key}",
    }
    events = {}
    for path in sorted(EVENTS.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        for theirs, own in ours.items():
            text = text.replace(theirs, own)
        events[path.stem] = dict(json.loads(text))
    return events
