"""The S3 client, shared by the rooms that keep something in S3."""

from functools import cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

GONE = ("NoSuchKey", "404")
"""How S3 says that an object is not there."""


_making = Lock()


def s3_client() -> Any:
    """One S3 client a process, made when it is first needed, by whichever thread comes first."""
    with _making:
        return _client()


@cache
def _client() -> Any:
    return boto3.client(
        "s3", config=Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard"}, max_pool_connections=32)
    )
