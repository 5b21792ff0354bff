"""What `sam package` uploaded, read back: the zip of each function and of the layer, as Lambda would unpack it."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from local.cloud.client import aws_client

CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
UNCHECKED_HASH = (1).to_bytes(4, "little")
"""PEP 552: the flags of a .pyc file that is used without a look at its source."""


def packages(template: Mapping[str, Any], endpoint: str) -> Iterator[tuple[str, zipfile.ZipFile]]:
    """Those that a packaged template names, by their names."""
    for name, resource in template["Resources"].items():
        if resource["Type"] in CODE:
            bucket, _, key = resource["Properties"][CODE[resource["Type"]]].removeprefix("s3://").partition("/")
            content = aws_client("s3", endpoint).get_object(Bucket=bucket, Key=key)["Body"].read()
            yield name, zipfile.ZipFile(io.BytesIO(content))


def without_byte_code(archive: zipfile.ZipFile) -> list[str]:
    """The modules that Lambda would compile at each start."""
    names = set(archive.namelist())

    def compiled(module: str) -> str:
        folder, _, file = module.rpartition("/")
        return f"{folder}/__pycache__/{file.removesuffix('.py')}.cpython-313.pyc".removeprefix("/")

    return [
        module
        for module in names
        if module.endswith(".py")
        and not (compiled(module) in names and archive.read(compiled(module))[4:8] == UNCHECKED_HASH)
    ]
