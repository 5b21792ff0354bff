"""Transcripts in S3: one JSON document a version, never overwritten; the record points at the current one."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callscribe import aws
from callscribe.aws import AwsError, map_aws_errors
from callscribe.errors import RetryableError, StoreError

VERSION_PATTERN = re.compile("[0-9]{8}T[0-9]{12}-[0-9A-Za-z]+")
"""When it was made, UTC to the microsecond, and what tells it from others of that moment."""


@dataclass(frozen=True, slots=True)
class TranscriptVersion:
    """One stored transcript of a recording."""

    name: str
    created_at: datetime


def put(bucket: str, recording_id: str, version: str, document: Mapping[str, Any]) -> None:
    """Raises RetryableError when S3 does not take it: the attempt that made the transcript has failed then."""
    _put(bucket, object_key(recording_id, version), document)


def put_track(bucket: str, recording_id: str, version: str, document: Mapping[str, Any]) -> None:
    """Keeps one channel's transcript until that of the other one is there; the bucket forgets it after 30 days."""
    _put(bucket, _track_key(recording_id, version), document)


def get_track(bucket: str, recording_id: str, version: str) -> Any:
    """The document of a part; None if it is gone. Raises RetryableError when S3 does not hand it out."""
    try:
        with map_aws_errors():
            return json.loads(_read(bucket, _track_key(recording_id, version)))
    except AwsError as error:
        if error.is_not_found:
            return None
        message = f"S3 did not return the transcript of the other channel ({error.code})."
        raise RetryableError(message, code="part_unreadable") from error


def _put(bucket: str, key: str, document: Mapping[str, Any]) -> None:
    body = json.dumps(document, ensure_ascii=False).encode()
    with map_aws_errors(
        lambda error: RetryableError(
            f"The transcript could not be stored in S3 ({error.code}). "
            "Check the transcripts bucket and the function's role.",
            code="transcript_not_stored",
        )
    ):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def get(bucket: str, recording_id: str, version: str) -> str | None:
    """The document as JSON text; None if it is gone. Raises StoreError when S3 does not hand it out."""
    try:
        with map_aws_errors():
            return str(_read(bucket, object_key(recording_id, version)), "utf-8")
    except AwsError as error:
        if error.is_not_found:
            return None
        raise StoreError(f"S3 did not return the transcript ({error.code}). Try again.") from error


def list_versions(bucket: str, recording_id: str) -> list[TranscriptVersion]:
    """All that are stored for a recording, newest first. Raises StoreError when S3 does not list them."""
    prefix = object_key(recording_id, "").removesuffix(".json")
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    with map_aws_errors(lambda error: StoreError(f"S3 did not list the transcripts ({error.code}). Try again.")):
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    names = (key.removeprefix(prefix).removesuffix(".json") for key in keys)
    results = [
        TranscriptVersion(name, version_created_at) for name in names if (version_created_at := parse_created_at(name))
    ]
    return sorted(results, key=lambda version: version.name, reverse=True)


def delete_all(bucket: str, recording_id: str) -> int:
    """Deletes all that is stored for a recording; how many documents those were. Raises StoreError: repeat it."""
    client = aws.client("s3")
    deleted = 0
    for prefix in (object_key(recording_id, ""), _track_key(recording_id, "")):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix.removesuffix(".json"))
        with map_aws_errors(
            lambda error: StoreError(f"S3 did not delete the transcripts ({error.code}). Delete again.")
        ):
            for page in pages:
                if keys := [{"Key": entry["Key"]} for entry in page.get("Contents", ())]:
                    response = client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
                    for error in response.get("Errors", ()):
                        raise StoreError(f"S3 did not delete a transcript ({error['Code']}). Delete again.")
                    deleted += len(keys)
    return deleted


def new_version(timestamp: datetime, token: str) -> str:
    """The name of a version; `token`, of letters and digits, tells it from others of that moment."""
    return f"{timestamp:%Y%m%dT%H%M%S%f}-{token}"


def parse_created_at(version: str) -> datetime | None:
    """When a version was made; None for what cannot be the name of one, and must not become a key."""
    if not VERSION_PATTERN.fullmatch(version):
        return None
    with suppress(ValueError):  # a 31st of February
        return datetime.strptime(f"{version.partition('-')[0]}Z", "%Y%m%dT%H%M%S%f%z")
    return None


def object_key(recording_id: str, version: str) -> str:
    """Where a version lies in the bucket."""
    return f"transcripts/{recording_id}/{version}.json"


def _track_key(recording_id: str, version: str) -> str:
    return f"tracks/{recording_id}/{version}.json"


def _read(bucket: str, key: str) -> bytes:
    content: bytes = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content
