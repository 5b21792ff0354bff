"""Transcripts in S3: one JSON document a version, never overwritten; the record points at the current one."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from callscribe.errors import RetryableError, StoreError
from callscribe.s3 import GONE, s3_client


def put(bucket: str, recording_id: str, version: str, document: dict[str, Any]) -> None:
    """Raises RetryableError when S3 does not take it: the attempt that made the transcript has failed then."""
    try:
        s3_client().put_object(
            Bucket=bucket,
            Key=key_of(recording_id, version),
            Body=json.dumps(document, ensure_ascii=False).encode(),
            ContentType="application/json",
        )
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


def _cause(error: Exception) -> str:
    code: str = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return code
