"""Recordings in an S3 bucket."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any

from callscribe import aws
from callscribe.aws import AwsError, map_aws_errors
from callscribe.errors import (
    AudioRefused,
    ConfigurationError,
    PermanentError,
    RetryableError,
    SourceError,
    TranscriptionError,
)
from callscribe.sources import ARCHIVED, AUDIO_MISSING, PATH_ADVICE, Source, SourceFile

LISTING_ADVICE = {
    "NoSuchBucket": "The bucket does not exist. Create it, or correct the recordings path.",
    "AccessDenied": "The functions have no permission to list the bucket. Deploy the stack with this recordings path.",
}
"""What to do when a listing fails, by S3's error code."""

ARCHIVE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes from which an object must be restored. GLACIER_IR is not one. The archive tiers of
INTELLIGENT_TIERING are not listed: S3 names them only when the object is requested (`ARCHIVED_CODE`)."""

ARCHIVED_CODE = "InvalidObjectState"
CHANGED_CODES = ("PreconditionFailed", "412", "InvalidRange", "416")

ROLES = "the roles SyncFunctionRole, ProcessFunctionRole and ApiFunctionRole of the stack"
KMS_ADVICE = (
    f"{{role}} may not use the KMS key of the object. Allow kms:Decrypt to {ROLES} in the policy of the key. For a key "
    "of another account, also set RecordingsKmsKeyArn."
)
ACCESS_ADVICE = (
    f"{{role}} may not read it. Allow s3:GetObject on the objects of the bucket to {ROLES}. If another account uploads "
    'the recordings, also set the object ownership of the bucket to "Bucket owner enforced".'
)
CREDENTIALS_ADVICE = "{role} has credentials that S3 does not accept. Check them, and the clock."
REFUSAL_ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("AccessDenied", "403", "Forbidden", "AllAccessDisabled"), ACCESS_ADVICE),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed"),
        CREDENTIALS_ADVICE,
    ),
    "AccountProblem": "AWS has suspended the account of the bucket.",
    "NoSuchBucket": "The bucket does not exist. Create it, or correct the recordings path.",
}
"""Why S3 refuses to return an object, and what to do, by its error code. {role} is the role of the function."""


class S3Audio:
    """An open object in S3, streamed from its beginning."""

    is_local = False

    def __init__(self, bucket: str, key: str) -> None:
        self._object = {"Bucket": bucket, "Key": key}
        response = self._get()
        self._object["IfMatch"] = response["ETag"]  # `read_at` reads the same version as `read`
        self._body = response["Body"]
        self._modified_at = response["LastModified"]
        self.length: int = response["ContentLength"]

    def read(self, size: int = -1, /) -> bytes:
        with map_aws_errors(_to_read_error):
            chunk: bytes = self._body.read(None if size < 0 else size)
        return chunk

    def read_at(self, offset: int, size: int) -> bytes:
        if offset >= self.length or size <= 0:
            return b""
        with self._get(Range=f"bytes={offset}-{offset + size - 1}")["Body"] as body, map_aws_errors(_to_read_error):
            chunk: bytes = body.read()
        return chunk

    def stat(self, key: str) -> SourceFile:
        return SourceFile(key=key, size=self.length, modified_at=self._modified_at, etag=self._object["IfMatch"])

    def close(self) -> None:
        """End the request, even if the body was not read completely."""
        self._body.close()

    def _get(self, **extra_params: str) -> Any:
        with map_aws_errors(_to_audio_error):
            return aws.client("s3").get_object(**self._object, **extra_params)


class S3Source:
    """Recordings in a bucket, below a prefix."""

    may_be_partial = False
    unreadable_count = 0

    def __init__(self, path: str) -> None:
        self.bucket, _, prefix = path.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise ConfigurationError(f"The recordings path '{path}' names no bucket. {PATH_ADVICE}.")
        self.location = f"s3://{self.bucket}"
        self.prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""

    def list_files(self, under: str = "", after: str = "") -> Iterator[SourceFile]:
        # the storage class stays the same when an object is restored, so the listing must contain the restore status
        params: dict[str, Any] = {
            "Prefix": max(self.prefix, under, key=len),
            "OptionalObjectAttributes": ["RestoreStatus"],
        }
        if after:
            params["StartAfter"] = after
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **params)
        with map_aws_errors(self._to_listing_error):
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield SourceFile(
                        key=entry["Key"],
                        size=entry["Size"],
                        modified_at=entry["LastModified"],
                        etag=entry["ETag"],
                        is_archived=entry.get("StorageClass") in ARCHIVE_CLASSES and not _is_restored(entry),
                    )

    def stat(self, key: str) -> SourceFile | None:
        try:
            with map_aws_errors():
                response = aws.client("s3").head_object(Bucket=self.bucket, Key=key)
        except AwsError as error:
            if error.is_not_found:
                return None
            audio_error = _to_audio_error(error)
            if isinstance(audio_error, AudioRefused):
                # S3 also refuses when a missing object is requested, if the role may list only a prefix of the bucket
                with suppress(SourceError):
                    return next((file for file in islice(self.list_files(key), 1) if file.key == key), None)
            raise audio_error from error
        has_copy = 'ongoing-request="false"' in response.get("Restore", "")
        return SourceFile(
            key=key,
            size=response["ContentLength"],
            modified_at=response["LastModified"],
            etag=response["ETag"],
            is_archived=response.get("StorageClass") in ARCHIVE_CLASSES and not has_copy,
        )

    def read_at(self, file: SourceFile, offset: int, size: int) -> bytes | None:
        byte_range = f"bytes={offset}-{offset + size - 1}"
        try:
            with map_aws_errors():
                response = aws.client("s3").get_object(
                    Bucket=self.bucket, Key=file.key, IfMatch=file.etag, Range=byte_range
                )
                with response["Body"] as body:
                    part: bytes = body.read()
        except AwsError as error:
            if error.code in CHANGED_CODES:
                return None
            raise _to_audio_error(error) from error
        return part

    def presigned_url(self, key: str, expires_in: int, *, content_type: str, disposition: str) -> str | None:
        response_headers = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        url: str = aws.client("s3").generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key, **response_headers}, ExpiresIn=expires_in
        )
        return url

    def key_for_path(self, path: str) -> str:
        return path.removeprefix(f"{self.location}/")

    def subsource(self, other: Source) -> Source | None:
        # `..` is allowed in a key, but a user who enters it means the parent folder
        is_inside = other.prefix.startswith(self.prefix) and ".." not in other.prefix.split("/")
        return other if is_inside else None

    @contextmanager
    def open(self, key: str) -> Iterator[S3Audio]:
        with closing(S3Audio(self.bucket, key)) as audio:
            yield audio

    def _to_listing_error(self, error: AwsError) -> SourceError:
        if not error.has_response:
            return SourceError(f"S3 could not be reached ({error.code}). Check credentials, region and network.")
        advice = LISTING_ADVICE.get(error.code, "The next run tries again.")
        return SourceError(f"S3 did not list the bucket '{self.bucket}' ({error.code}). {advice}")


def _is_restored(entry: Mapping[str, Any]) -> bool:
    """Whether S3 lists a temporary copy of an archived object."""
    status = entry.get("RestoreStatus", {})
    return "RestoreExpiryDate" in status and not status.get("IsRestoreInProgress")


def _to_audio_error(error: AwsError) -> TranscriptionError:
    if error.is_not_found:
        return PermanentError("The file does not exist any more. Restore it, then retry.", code=AUDIO_MISSING)
    if error.code == ARCHIVED_CODE:
        message = "S3 has archived the recording. Restore it: it is then transcribed within an hour."
        return AudioRefused(message, code=ARCHIVED)
    is_kms = error.mentions_kms or error.code.startswith("KMS.")
    if advice := KMS_ADVICE if is_kms else REFUSAL_ADVICE.get(error.code):
        role = f"The role of {os.environ.get('AWS_LAMBDA_FUNCTION_NAME', 'the function')}"
        return AudioRefused(f"S3 does not return the recording ({error.code}). {advice.format(role=role)}")
    if error.has_response:
        return RetryableError(f"S3 did not return the audio file ({error.code}).", code="audio_unreadable")
    return RetryableError(f"S3 could not be reached ({error.code}).", code="audio_unreadable")


def _to_read_error(error: AwsError) -> RetryableError:
    return RetryableError(f"Reading the audio from S3 was interrupted ({error.code}).", code="audio_unreadable")
