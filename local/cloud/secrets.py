"""Creates the template's secrets, which moto's CloudFormation silently skips, and reads the API key."""

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from callscribe.settings.whisperx import Credentials
from local.cloud.client import aws_client

_FINGERPRINT_TAG = "local:declared"
"""A tag with a fingerprint of the declared properties. As in CloudFormation, a deployment updates an existing secret
only if a parameter has changed, so it keeps a value that a user changed."""


def make_secret(client: Any, name: str, properties: Mapping[str, Any]) -> str:
    """Create or update a secret from its resolved properties, and return its ARN."""
    name = properties.get("Name", name)
    fingerprint = sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()
    tags = [{"Key": _FINGERPRINT_TAG, "Value": fingerprint}]
    try:
        existing = client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        arn: str = client.create_secret(Name=name, Tags=tags, **_secret_value(client, properties))["ARN"]
        return arn
    if tags[0] not in existing.get("Tags", []):
        if "SecretString" in properties:
            client.put_secret_value(SecretId=name, SecretString=properties["SecretString"])
        client.tag_resource(SecretId=name, Tags=tags)
    return str(existing["ARN"])


def read_api_key(endpoint: str, arn: str) -> str:
    """Read the generated key of the HTTP API from its secret at the endpoint."""
    secret = aws_client("secretsmanager", endpoint).get_secret_value(SecretId=arn)["SecretString"]
    key: str = json.loads(secret)["default"]
    return key


def set_headers(endpoint: str, arn: str, headers: Mapping[str, str]) -> None:
    """Store the headers of the WhisperX server next to its key. Raises: ValueError, when the secret is malformed."""
    client = aws_client("secretsmanager", endpoint)
    try:
        text = client.get_secret_value(SecretId=arn)["SecretString"]
    except client.exceptions.ResourceNotFoundException:  # no key was set, so the secret has no value
        text = ""
    credentials = Credentials.from_secret(text)
    client.put_secret_value(SecretId=arn, SecretString=replace(credentials, headers=headers, server="").to_secret())


def _secret_value(client: Any, properties: Mapping[str, Any]) -> dict[str, str]:
    """The argument of `create_secret` with the value; none if the template declares no value."""
    if "GenerateSecretString" not in properties:
        return {"SecretString": properties["SecretString"]} if "SecretString" in properties else {}
    options = dict(properties["GenerateSecretString"])
    template, key = options.pop("SecretStringTemplate", None), options.pop("GenerateStringKey", None)
    password: str = client.get_random_password(**options)["RandomPassword"]
    return {"SecretString": password if key is None else json.dumps(json.loads(template) | {key: password})}
