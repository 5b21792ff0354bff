"""Transcripts in S3: one JSON document a version, never overwritten; the record points at the current one."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from callscribe.errors import RetryableError, StoreError
from callscribe.s3 import GONE, s3_client


def put(bucket: str, recording_id: str, version: str, document: Mapping[str, Any]) -> None:
    """Raises RetryableError when S3 does not take it: the attempt that made the transcript has failed then."""
    _put(bucket, key_of(recording_id, version), document)


def put_part(bucket: str, recording_id: str, name: str, document: Mapping[str, Any]) -> None:
    """Keeps one channel's transcript until that of the other one is there; the bucket forgets it after 30 days."""
    _put(bucket, _part_key(recording_id, name), document)


def get_part(bucket: str, recording_id: str, name: str) -> Any:
    """The document of a part; None if it is gone. Raises RetryableError when S3 does not hand it out."""
    try:
        return json.loads(s3_client().get_object(Bucket=bucket, Key=_part_key(recording_id, name))["Body"].read())
    except (ClientError, BotoCoreError) as error:
        if _cause(error) in GONE:
            return None
        raise RetryableError(
            f"S3 did not hand out the transcript of the other channel ({_cause(error)}).", code="part_unreadable"
        ) from error


def _put(bucket: str, key: str, document: Mapping[str, Any]) -> None:
    body = json.dumps(document, ensure_ascii=False).encode()
    try:
        s3_client().put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    except (ClientError, BotoCoreError) as error:
        raise RetryableError(
            f"The transcript could not be stored in S3 ({_cause(error)}). "
            "Check the transcripts bucket and the function's role.",
            code="transcript_not_stored",
        ) from error


def get(bucket: str, recording_id: str, version: str) -> str | None:
    """The document as JSON text; None if it is gone. Raises StoreError when S3 does not hand it out."""
    try:
        answer = s3_client().get_object(Bucket=bucket, Key=key_of(recording_id, version))
        return str(answer["Body"].read(), "utf-8")
    except (ClientError, BotoCoreError) as error:
        if _cause(error) in GONE:
            return None
        raise StoreError(f"S3 did not hand out the transcript ({_cause(error)}). Try again.") from error


def key_of(recording_id: str, version: str) -> str:
    """Where a version lies in the bucket."""
    return f"transcripts/{recording_id}/{version}.json"


def _part_key(recording_id: str, name: str) -> str:
    return f"parts/{recording_id}/{name}.json"


def _cause(error: Exception) -> str:
    code: str = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return code
