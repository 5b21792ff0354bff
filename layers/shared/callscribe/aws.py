"""The S3 client, shared by the rooms that keep something in S3."""

import os
from datetime import datetime
from functools import cache
from threading import Lock
from typing import Any

from botocore.config import Config
from botocore.utils import parse_timestamp

NOT_FOUND_CODES = ("NoSuchKey", "404")
"""How S3 says that an object is not there."""


_client_lock = Lock()


def s3_client() -> Any:
    """One S3 client a process, made when it is first needed, by whichever thread comes first."""
    with _client_lock:
        return _client()


@cache
def _client() -> Any:
    import boto3  # here, for it costs a cold start a tenth
    import botocore.session

    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_timestamp)
    custom_endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard"},
        max_pool_connections=32,
        signature_version="s3v4",  # of addresses that are given out; otherwise botocore signs them by the old way
        # and gives them a host for all regions, which knows neither the younger regions nor, for a day, a new bucket
        s3=None if custom_endpoint else {"addressing_style": "virtual"},
    )
    return boto3.Session(botocore_session=session).client("s3", config=config)


def _parse_timestamp(text: str) -> datetime:
    """botocore's own way takes more than half of what it costs to list a bucket; it is for times in headers."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parse_timestamp(text)  # type: ignore[no-any-return]
