"""The S3 client, shared by the rooms that keep something in S3."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

GONE = ("NoSuchKey", "404")
"""How S3 says that an object is not there."""


@cache
def s3_client() -> Any:
    """One S3 client a process, made when it is first needed."""
    return boto3.client(
        "s3", config=Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard"}, max_pool_connections=32)
    )
