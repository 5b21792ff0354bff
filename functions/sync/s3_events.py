"""S3 upload events: which files an event asks sync to ingest.

An event names an object; everything else is read from the source. Events arrive late, twice, in any order, or not at
all: the scheduled scan finds what they miss.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from callscribe.sidecars import group_key
from callscribe.sources import Source
from callscribe.sources.file_types import FileKind, classify

DETAIL_TYPE = "Object Created"


def is_upload(event: Mapping[str, Any]) -> bool:
    """Whether S3 sent this event. Source: "EventBridge event message structure", Amazon S3 User Guide."""
    return event.get("source") == "aws.s3" and event.get("detail-type") == DETAIL_TYPE


def find_group_keys(event: Mapping[str, Any], source: Source, extensions: frozenset[str]) -> list[str]:
    """Return the group key of the uploaded recording or sidecar; nothing if it is neither, or not in the source.

    EventBridge does not URL-encode keys. In case a key is encoded after all, the decoded key is returned as well.
    """
    detail = event["detail"]
    if f"s3://{detail['bucket']['name']}" != source.location:
        return []
    key: str = detail["object"]["key"]
    return [
        group_key(candidate, extensions)
        for candidate in dict.fromkeys((key, unquote_plus(key)))
        if candidate.startswith(source.prefix)
        and classify(candidate, None, extensions) in (FileKind.AUDIO, FileKind.SIDECAR)
    ]
