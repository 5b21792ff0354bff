"""What an event of the bucket tells: an object was created, so its family is to be looked at. No more of it counts.

Events come late, twice, in any order, or not at all: the sweep finds what they leave out.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from callscribe.sidecars import group_key
from callscribe.sources import Source
from callscribe.sources.file_types import FileKind, classify

DETAIL_TYPE = "Object Created"


def is_upload(event: Mapping[str, Any]) -> bool:
    """Whether it is such an event. Source: "EventBridge event message structure", Amazon S3 User Guide."""
    return event.get("source") == "aws.s3" and event.get("detail-type") == DETAIL_TYPE


def extract_keys(event: Mapping[str, Any], source: Source) -> list[str]:
    """The key of the object, if it lies in the source.

    Keys come as they are; should one come URL-encoded after all, the other way to read it counts as well.
    """
    detail = event["detail"]
    if f"s3://{detail['bucket']['name']}" != source.location:
        return []
    key: str = detail["object"]["key"]
    return [each for each in dict.fromkeys((key, unquote_plus(key))) if each.startswith(source.prefix)]


def find_group_keys(keys: Iterable[str], extensions: frozenset[str]) -> list[str]:
    """The stems of the families that are to be looked at: of recordings, and of what lies beside one."""
    kinds = (FileKind.AUDIO, FileKind.SIDECAR)
    return [group_key(key, extensions) for key in keys if classify(key, None, extensions) in kinds]
