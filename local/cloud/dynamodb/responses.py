"""Responses of DynamoDB to requests for items, written as JSON directly.

moto 5.2 converts a result to JSON value by value, along the description of the response in botocore: a thousand calls
for one recording. The result is in DynamoDB's JSON already; only binary values have to be encoded.
"""

import base64
import json
from typing import Any

from moto.core.responses import ActionContext, ActionResult
from moto.dynamodb.responses import DynamoResult

ITEM_OPERATIONS = {
    *("GetItem", "PutItem", "UpdateItem", "DeleteItem"),
    *("BatchGetItem", "BatchWriteItem", "Query", "Scan"),
}
"""The operations whose results have items. Those of other operations have times, which need the description."""
CONTENT_TYPE = "application/x-amz-json-1.0"


def execute_result(result: DynamoResult, context: ActionContext) -> Any:
    """`DynamoResult.execute_result`: the status, the headers and the body."""
    content = result.result
    if context.operation_model.name not in ITEM_OPERATIONS or not isinstance(content, dict):
        return ActionResult.execute_result(result, context)
    members = {name: value for name, value in content.items() if value is not None}
    return 200, {"Content-Type": CONTENT_TYPE}, json.dumps(members, default=_encode_binary)


def _encode_binary(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} is not a value of DynamoDB")
