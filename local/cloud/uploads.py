"""Fires the functions that wait for uploads, when something is put into a bucket of the AWS that this process serves.

moto knows the bucket, its rules and their patterns, but sends no event to a function; and its event for an upload is
not as S3's is: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
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
"""The S3 API that created the object, by what moto calls it."""


@contextmanager
def deliver_upload_events(
    invoke: Callable[[str, Any], object], clock: Callable[[], datetime] = utc_now
) -> Iterator[None]:
    """As long as it lasts, calls `fire(function ARN, event)` for each upload that a rule waits for.

    `fire` must not wait for the function, which talks to the very server that calls it. A function that it does not
    know (`KeyError`), or takes no events any more (`RuntimeError`), is passed over.
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

    # moto has no other place for it
    original = notifications._send_event_bridge_message  # noqa: SLF001
    notifications._send_event_bridge_message = deliver  # noqa: SLF001
    try:
        yield
    finally:
        notifications._send_event_bridge_message = original  # noqa: SLF001


def _is_match(rule: Any, event: Mapping[str, Any]) -> bool:
    # for moto, every event fits a rule without a pattern; such a rule is a schedule
    return bool(rule.event_pattern.get_pattern()) and rule.event_pattern.matches_event(event)


def _upload_event(account_id: str, bucket: Any, event_name: str, key: Any, now: datetime) -> dict[str, Any]:
    """As S3 tells EventBridge of it: the key as it is, which is percent-encoded only in the older notifications."""
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
