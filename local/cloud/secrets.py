"""Makes the template's secrets, which moto's CloudFormation silently leaves out, and tells the API key."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from local.cloud.client import aws_client

# A fingerprint of the declared value, so that a changed parameter reaches a secret of an earlier run, while
# one that a person changed since is left alone: CloudFormation does the same.
_FINGERPRINT_TAG = "local:declared"


def make_secret(client: Any, name: str, properties: Mapping[str, Any]) -> str:
    """Create or update one secret as its resolved properties say, and give its ARN."""
    name = properties.get("Name", name)
    fingerprint = sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()
    tags = [{"Key": _FINGERPRINT_TAG, "Value": fingerprint}]
    try:
        existing = client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        arn: str = client.create_secret(Name=name, SecretString=_secret_value(client, properties), Tags=tags)["ARN"]
        return arn
    if "SecretString" in properties and tags[0] not in existing.get("Tags", []):
        client.put_secret_value(SecretId=name, SecretString=properties["SecretString"])
        client.tag_resource(SecretId=name, Tags=tags)
    return str(existing["ARN"])


def read_api_key(endpoint: str, arn: str) -> str:
    """The key that was made for the HTTP API, out of its secret at the endpoint."""
    secret = aws_client("secretsmanager", endpoint).get_secret_value(SecretId=arn)["SecretString"]
    key: str = json.loads(secret)["default"]
    return key


def _secret_value(client: Any, properties: Mapping[str, Any]) -> str:
    if "GenerateSecretString" not in properties:
        return str(properties.get("SecretString", ""))
    options = dict(properties["GenerateSecretString"])
    template, key = options.pop("SecretStringTemplate", None), options.pop("GenerateStringKey", None)
    password: str = client.get_random_password(**options)["RandomPassword"]
    return password if key is None else json.dumps(json.loads(template) | {key: password})
