"""Recordings in an S3 bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from callscribe.errors import ConfigurationError, PermanentError, RetryableError, SourceError
from callscribe.s3 import GONE, s3_client
from callscribe.sources import ADVICE, Audio, Source, SourceFile

LISTING_ADVICE = {
    "NoSuchBucket": "The bucket does not exist: create it, or correct RecordingsPath.",
    "AccessDenied": "The function may not list the bucket: name it in RecordingsPath and deploy again.",
}


class S3Audio:
    """An object's body as it streams in."""

    def __init__(self, response: Any) -> None:
        self.length: int = response["ContentLength"]
        self._body = response["Body"]

    def read(self, size: int = -1, /) -> bytes:
        try:
            chunk: bytes = self._body.read(None if size < 0 else size)
        except BotoCoreError as error:
            raise RetryableError(
                f"Reading the audio from S3 broke off ({type(error).__name__}).", code="audio_unreadable"
            ) from error
        return chunk


class S3Source:
    grows = False
    unreadable = 0

    def __init__(self, path: str) -> None:
        self.bucket, _, prefix = path.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise ConfigurationError(f"The recordings path '{path}' names no bucket. {ADVICE}.")
        self.location = f"s3://{self.bucket}"
        self.prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""

    def files(self) -> Iterator[SourceFile]:
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield SourceFile(
                        key=entry["Key"], size=entry["Size"], modified_at=entry["LastModified"], etag=entry["ETag"]
                    )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            advice = LISTING_ADVICE.get(code, "The next run tries again.")
            raise SourceError(f"S3 did not list the bucket '{self.bucket}' ({code}). {advice}") from error
        except BotoCoreError as error:
            raise SourceError(
                f"S3 could not be reached ({type(error).__name__}). Check credentials, region and network."
            ) from error

    def contains(self, other: Source) -> bool:
        # a key may hold `..` as it is, but whoever asks for one means something else
        return other.prefix.startswith(self.prefix) and ".." not in other.prefix.split("/")

    @contextmanager
    def open(self, key: str) -> Iterator[Audio]:
        try:
            response = s3_client().get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in GONE:
                raise PermanentError(
                    "The audio file is gone from the bucket. Put it back, then retry.", code="audio_missing"
                ) from error
            raise RetryableError(f"S3 did not hand out the audio file ({code}).", code="audio_unreadable") from error
        except BotoCoreError as error:
            raise RetryableError(
                f"S3 could not be reached ({type(error).__name__}).", code="audio_unreadable"
            ) from error
        with response["Body"]:
            yield S3Audio(response)
