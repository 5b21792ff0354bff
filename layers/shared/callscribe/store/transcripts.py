"""Transcripts in S3: one JSON document per version, never overwritten. The record refers to the current version."""

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
"""The time of creation, UTC to the microsecond, and a token against collisions."""


@dataclass(frozen=True, slots=True)
class TranscriptVersion:
    """One stored transcript of a recording."""

    name: str
    created_at: datetime


def put(bucket: str, recording_id: str, version: str, document: Mapping[str, Any]) -> None:
    """Store a transcript.

    Raises: RetryableError, when S3 fails: then the attempt that made the transcript has failed.
    """
    _put(bucket, object_key(recording_id, version), document)


def put_track(bucket: str, recording_id: str, version: str, document: Mapping[str, Any]) -> None:
    """Store the transcript of one channel until the other one is finished; the bucket deletes it after 30 days."""
    _put(bucket, _track_key(recording_id, version), document)


def get_track(bucket: str, recording_id: str, version: str) -> Any:
    """Read the transcript of one channel; None if it is gone.

    Raises: RetryableError, when S3 fails.
    """
    try:
        with map_aws_errors():
            return json.loads(_read(bucket, _track_key(recording_id, version)))
    except AwsError as error:
        if error.is_not_found:
            return None
        message = f"S3 did not return the transcript of the other channel ({error.code})."
        raise RetryableError(message, code="track_unreadable") from error


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
    """Read a transcript as JSON text; None if it is gone.

    Raises: StoreError, when S3 fails.
    """
    try:
        with map_aws_errors():
            return str(_read(bucket, object_key(recording_id, version)), "utf-8")
    except AwsError as error:
        if error.is_not_found:
            return None
        raise StoreError(f"S3 did not return the transcript ({error.code}). Try again.") from error


def list_versions(bucket: str, recording_id: str) -> list[TranscriptVersion]:
    """List the stored transcripts of a recording, the newest first.

    Raises: StoreError, when S3 fails.
    """
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
    """Delete everything that is stored for a recording; returns the number of documents.

    Raises: StoreError, when S3 fails: repeat the call.
    """
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
    """The name of a version; `token`, letters and digits, distinguishes versions of the same time."""
    return f"{timestamp:%Y%m%dT%H%M%S%f}-{token}"


def parse_created_at(version: str) -> datetime | None:
    """When a version was created; None if this is no valid version name, and must not be used as a key."""
    if not VERSION_PATTERN.fullmatch(version):
        return None
    with suppress(ValueError):  # a 31st of February
        return datetime.strptime(f"{version.partition('-')[0]}Z", "%Y%m%dT%H%M%S%f%z")
    return None


def object_key(recording_id: str, version: str) -> str:
    """The S3 key of a version."""
    return f"transcripts/{recording_id}/{version}.json"


def _track_key(recording_id: str, version: str) -> str:
    return f"tracks/{recording_id}/{version}.json"


def _read(bucket: str, key: str) -> bytes:
    content: bytes = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content
