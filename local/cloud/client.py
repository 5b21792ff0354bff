"""boto3 clients for an AWS-compatible endpoint, with fake credentials and without the user's own AWS configuration."""

import os
from functools import cache
from typing import Any

import botocore.session
from boto3.session import Session
from botocore.config import Config

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
"""Emulators require credentials, and must never receive real ones."""


@cache
def aws_session() -> Session:
    """Return a session that ignores the user's profile and config file. It is shared, because creating one is slow."""
    ignored = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    return Session(
        botocore_session=botocore.session.Session(session_vars=ignored),
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def aws_client(service: str, endpoint: str, config: Config | None = None) -> Any:
    """Return a boto3 client for the endpoint that does not use a proxy."""
    return aws_session().client(service, endpoint_url=endpoint, config=Config(proxies={}).merge(config or Config()))
