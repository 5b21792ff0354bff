"""Makes moto's DynamoDB fast enough for tens of thousands of recordings; a change in the form of a patch of moto.

For each Query, moto 5.2 sorts the whole table, compares every item, and copies every match. With 20,000 recordings, the
status summary took longer than the 30 seconds of API Gateway, and the memory passed 1 GB. `queries` keeps the items
sorted, and `responses` writes results as JSON directly. `python -m benchmarks.local_stack` measures both.
"""

from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoResult

from local.cloud.dynamodb import queries, responses

PATCHES: tuple[tuple[Any, str, Any], ...] = (
    (Table, "query", queries.query),
    (Table, "put_item", queries.put_item),
    (Table, "delete_item", queries.delete_item),
    (DynamoDBBackend, "update_item", queries.update_item),
    (DynamoResult, "execute_result", responses.execute_result),
)
"""The methods to replace: class, name, function."""


def patch_moto() -> None:
    """Replace the methods. They work on tables that exist already, too."""
    for owner, name, function in PATCHES:
        setattr(owner, name, function)
