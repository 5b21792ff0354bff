"""What `sam package` uploaded, read back: the zip of each function and of the layer, as Lambda would unpack it."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.cloud.client import aws_client

CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
UNCHECKED_HASH = (1).to_bytes(4, "little")
"""PEP 552: the flags of a .pyc file that is used without a look at its source."""


@dataclass(frozen=True, slots=True)
class Package:
    """Sizes are in bytes. `folders` are those on top; `without_byte_code` what Lambda would compile at each start."""

    name: str
    zipped: int
    unzipped: int
    files: int
    modules: int
    folders: tuple[str, ...]
    without_byte_code: tuple[str, ...]


def packages(template: Mapping[str, Any], endpoint: str) -> Iterator[Package]:
    """Those that a packaged template names."""
    for name, resource in template["Resources"].items():
        if resource["Type"] in CODE:
            bucket, _, key = resource["Properties"][CODE[resource["Type"]]].removeprefix("s3://").partition("/")
            yield read(name, aws_client("s3", endpoint).get_object(Bucket=bucket, Key=key)["Body"].read())


def read(name: str, content: bytes) -> Package:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = [each for each in archive.infolist() if not each.is_dir()]
        names = {each.filename for each in files}
        modules = [each for each in names if each.endswith(".py")]

        def has_byte_code(module: str) -> bool:
            folder, _, file = module.rpartition("/")
            compiled = f"{folder}/__pycache__/{file.removesuffix('.py')}.cpython-313.pyc".removeprefix("/")
            return compiled in names and archive.read(compiled)[4:8] == UNCHECKED_HASH

        return Package(
            name=name,
            zipped=len(content),
            unzipped=sum(each.file_size for each in files),
            files=len(files),
            modules=len(modules),
            folders=tuple(sorted({each.partition("/")[0] for each in names if "/" in each})),
            without_byte_code=tuple(sorted(each for each in modules if not has_byte_code(each))),
        )
