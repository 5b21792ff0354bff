"""Talks to the AWS-compatible endpoint with made-up keys, and nothing of the user's own AWS set-up."""

import os
from functools import cache
from typing import Any

import botocore.session
from boto3.session import Session
from botocore.config import Config

REGION = "us-east-1"
# An emulator asks for some, and real ones must never be sent to it.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@cache
def aws_session() -> Session:
    """Give a session without the user's profile and settings; one for all clients, for it takes time."""
    ignored = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    return Session(
        botocore_session=botocore.session.Session(session_vars=ignored),
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def aws_client(service: str, endpoint: str, config: Config | None = None) -> Any:
    """Give a boto3 client for the endpoint, which goes through no proxy."""
    return aws_session().client(service, endpoint_url=endpoint, config=Config(proxies={}).merge(config or Config()))
