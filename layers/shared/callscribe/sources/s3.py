"""Recordings in an S3 bucket."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from callscribe.aws import NOT_FOUND_CODES, s3_client
from callscribe.errors import ConfigurationError, PermanentError, RetryableError, SourceError
from callscribe.sources import PATH_ADVICE, Source, SourceFile

LISTING_ADVICE = {
    "NoSuchBucket": "The bucket does not exist: create it, or correct the recordings path.",
    "AccessDenied": "The functions may not list the bucket: deploy the stack with it as the recordings path.",
}


class S3Audio:
    """An object's body as it streams in."""

    is_local = False

    def __init__(self, bucket: str, key: str) -> None:
        self._object = {"Bucket": bucket, "Key": key}
        response = self._get()
        self._object["IfMatch"] = response["ETag"]  # what is looked into is what is streamed
        self._body = response["Body"]
        self._modified_at = response["LastModified"]
        self.length: int = response["ContentLength"]

    def read(self, size: int = -1, /) -> bytes:
        with _map_read_errors():
            chunk: bytes = self._body.read(None if size < 0 else size)
        return chunk

    def read_at(self, offset: int, size: int) -> bytes:
        if offset >= self.length or size <= 0:
            return b""
        with self._get(Range=f"bytes={offset}-{offset + size - 1}")["Body"] as body, _map_read_errors():
            chunk: bytes = body.read()
        return chunk

    def stat(self, key: str) -> SourceFile:
        return SourceFile(key=key, size=self.length, modified_at=self._modified_at, etag=self._object["IfMatch"])

    def close(self) -> None:
        """Ends the request, however much of the body was read."""
        self._body.close()

    def _get(self, **extra_params: str) -> Any:
        with _map_s3_errors():
            try:
                return s3_client().get_object(**self._object, **extra_params)
            except ClientError as error:
                if error.response["Error"]["Code"] in NOT_FOUND_CODES:
                    raise PermanentError(
                        "The audio file is gone from the bucket. Put it back, then retry.", code="audio_missing"
                    ) from error
                raise


class S3Source:
    may_be_partial = False
    unreadable_count = 0

    def __init__(self, path: str) -> None:
        self.bucket, _, prefix = path.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise ConfigurationError(f"The recordings path '{path}' names no bucket. {PATH_ADVICE}.")
        self.location = f"s3://{self.bucket}"
        self.prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""

    def list_files(self, under: str = "", after: str = "") -> Iterator[SourceFile]:
        params = {"Prefix": max(self.prefix, under, key=len)}
        if after:
            params["StartAfter"] = after
        pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **params)
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

    def stat(self, key: str) -> SourceFile | None:
        with _map_s3_errors():
            try:
                response = s3_client().head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] in NOT_FOUND_CODES:
                    return None
                raise
        return SourceFile(
            key=key, size=response["ContentLength"], modified_at=response["LastModified"], etag=response["ETag"]
        )

    def presigned_url(self, key: str, expires_in: int, *, content_type: str, disposition: str) -> str | None:
        response_headers = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        url: str = s3_client().generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key, **response_headers}, ExpiresIn=expires_in
        )
        return url

    def key_for_path(self, path: str) -> str:
        return path.removeprefix(f"{self.location}/")

    def subsource(self, other: Source) -> Source | None:
        # a key may hold `..` as it is, but whoever asks for one means something else
        is_inside = other.prefix.startswith(self.prefix) and ".." not in other.prefix.split("/")
        return other if is_inside else None

    @contextmanager
    def open(self, key: str) -> Iterator[S3Audio]:
        with closing(S3Audio(self.bucket, key)) as audio:
            yield audio


@contextmanager
def _map_s3_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise RetryableError(f"S3 did not hand out the audio file ({code}).", code="audio_unreadable") from error
    except BotoCoreError as error:
        raise RetryableError(f"S3 could not be reached ({type(error).__name__}).", code="audio_unreadable") from error


@contextmanager
def _map_read_errors() -> Iterator[None]:
    try:
        yield
    except BotoCoreError as error:
        raise RetryableError(
            f"Reading the audio from S3 broke off ({type(error).__name__}).", code="audio_unreadable"
        ) from error
