"""The deployment packages that `sam package` uploaded: a zip file for each function and for the layer."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from local.cloud.client import aws_client

CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
UNCHECKED_HASH = (1).to_bytes(4, "little")
"""PEP 552: the flags of a .pyc file that Python uses without checking its source."""


def packages(template: Mapping[str, Any], endpoint: str) -> Iterator[tuple[str, zipfile.ZipFile]]:
    """Yield the logical id and the zip file of each package in a packaged template."""
    for name, resource in template["Resources"].items():
        if resource["Type"] in CODE:
            bucket, _, key = resource["Properties"][CODE[resource["Type"]]].removeprefix("s3://").partition("/")
            content = aws_client("s3", endpoint).get_object(Bucket=bucket, Key=key)["Body"].read()
            yield name, zipfile.ZipFile(io.BytesIO(content))


def without_byte_code(archive: zipfile.ZipFile) -> list[str]:
    """Return the source files that Lambda would compile at each cold start."""
    names = set(archive.namelist())

    def byte_code(source: str) -> str:
        folder, _, file = source.rpartition("/")
        return f"{folder}/__pycache__/{file.removesuffix('.py')}.cpython-313.pyc".removeprefix("/")

    return [
        source
        for source in names
        if source.endswith(".py")
        and not (byte_code(source) in names and archive.read(byte_code(source))[4:8] == UNCHECKED_HASH)
    ]
