"""Delivers S3 upload events to functions, for the buckets of the simulated AWS in this process.

moto has the buckets, the rules and their patterns, but sends no events to functions; and its upload event differs from
that of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends
from moto.s3 import notifications

from callscribe.clock import utc_now

EVENT_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}
"""The S3 API operation that created the object, by moto's event name."""


@contextmanager
def deliver_upload_events(
    invoke: Callable[[str, Any], object], clock: Callable[[], datetime] = utc_now
) -> Iterator[None]:
    """Within the context, call `invoke(function ARN, event)` for each upload that matches a rule.

    `invoke` must not wait for the function, which sends requests to the server that is calling. If it raises KeyError
    (unknown function) or RuntimeError (stopped), the event is dropped.
    """

    def deliver(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        if event_name not in EVENT_REASONS:
            return
        event = _upload_event(account_id, bucket, event_name, key, clock())
        for bus in events_backends[account_id][bucket.region_name].event_buses.values():
            for rule in bus.rules.values():
                if rule.state == "ENABLED" and _is_match(rule, event):
                    for target in rule.targets:
                        with suppress(KeyError, RuntimeError):
                            invoke(target["Arn"], event)

    # moto has no public hook
    original = notifications._send_event_bridge_message  # noqa: SLF001
    notifications._send_event_bridge_message = deliver  # noqa: SLF001
    try:
        yield
    finally:
        notifications._send_event_bridge_message = original  # noqa: SLF001


def _is_match(rule: Any, event: Mapping[str, Any]) -> bool:
    # moto matches every event with a rule without a pattern, but such a rule is a schedule
    return bool(rule.event_pattern.get_pattern()) and rule.event_pattern.matches_event(event)


def _upload_event(account_id: str, bucket: Any, event_name: str, key: Any, now: datetime) -> dict[str, Any]:
    """Build the event that S3 sends to EventBridge; unlike in older notifications, the key is not percent-encoded."""
    s3_object = {
        "key": key.name,
        "size": key.size,
        "etag": key.etag.strip('"'),
        "sequencer": f"{int(now.timestamp() * 1_000_000):018X}",
    }
    if bucket.is_versioned:
        s3_object["version-id"] = key.version_id
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account_id,
        "time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": s3_object,
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account_id,
            "source-ip-address": "127.0.0.1",
            "reason": EVENT_REASONS[event_name],
        },
    }
