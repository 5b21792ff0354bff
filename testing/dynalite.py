"""Runs dynalite, a second implementation of DynamoDB, for tests whose result must not depend on moto's.

`make test-all` installs it if npm is available. It runs as a process of its own; S3 and Secrets Manager stay on moto.
"""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.cloud.client import aws_client
from local.cloud.intrinsics import Intrinsics
from local.cloud.stack import Stack
from local.cloud.template import TABLE, parameter_values, read_template, resolve_resources

ENGINES = ("moto", pytest.param("dynalite", marks=pytest.mark.slow))
"""For `parametrize`: tests whose result must not depend on the DynamoDB engine."""

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".build" / "dynalite"
# Keep idle connections open: Node.js would close them after five seconds, which loses requests on a slow machine.
SERVER_SCRIPT = """
const options = {createTableMs: 0, updateTableMs: 0, deleteTableMs: 0};
const server = require(process.argv[1])(options);
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""
TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
THROUGHPUT = {"ProvisionedThroughput": {"ReadCapacityUnits": 1000, "WriteCapacityUnits": 1000}}
"""dynalite requires a throughput for each table, but does not enforce it."""


def unavailable_reason() -> str | None:
    """Return why dynalite cannot run here, or None if it can."""
    if shutil.which("node") is None:
        return "dynalite needs Node.js"
    if not (FOLDER / "node_modules" / "dynalite").exists():
        return "dynalite is not installed: `make test-all` installs it if npm and a network are available"
    return None


@contextmanager
def serve_dynalite() -> Iterator[str]:
    """Run an empty server until the block ends, and yield its URL."""
    command = ["node", "-e", SERVER_SCRIPT, str(FOLDER / "node_modules" / "dynalite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = process.stdout.readline().strip()  # printed as soon as it listens
            assert port, "dynalite did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def read_table_definitions() -> dict[str, dict[str, Any]]:
    """Read keys and indexes of the tables in template.yaml, by logical id."""
    parameters = {"WhisperXUrl": "http://127.0.0.1:9"}
    template = read_template(ROOT / "template.yaml", parameters)
    intrinsics = Intrinsics(template, parameter_values(template, parameters), lambda logical_id, _: logical_id)
    return {
        logical_id: {name: properties[name] for name in TABLE_PROPERTIES if name in properties}
        for logical_id, properties in resolve_resources(template, intrinsics, TABLE).items()
    }


def with_dynalite_tables(stack: Stack, endpoint: str, tables: dict[str, dict[str, Any]]) -> Stack:
    """Create new tables at the endpoint; return the stack with them, and its functions with AWS's endpoint variable."""
    dynamodb = aws_client("dynamodb", endpoint)
    names = {}
    for logical_id, definition in tables.items():
        names[logical_id] = f"{logical_id}-{uuid.uuid4().hex[:8]}"
        indexes = [index | THROUGHPUT for index in definition.get("GlobalSecondaryIndexes", ())]
        extra = {"GlobalSecondaryIndexes": indexes} if indexes else {}
        dynamodb.create_table(TableName=names[logical_id], **definition | THROUGHPUT | extra)
    renamed = {stack.tables[logical_id]: name for logical_id, name in names.items()}
    functions = {
        logical_id: replace(
            function,
            environment={name: renamed.get(value, value) for name, value in function.environment.items()}
            | {"AWS_ENDPOINT_URL_DYNAMODB": endpoint},
        )
        for logical_id, function in stack.functions.items()
    }
    return replace(stack, tables=names, functions=functions)
