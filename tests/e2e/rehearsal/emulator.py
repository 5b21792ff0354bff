"""The process of ministack, in its own environment, with what works around its gaps."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.app import main
from ministack.services import dynamodb
from ministack.services.cloudformation import handlers, provisioners
from samtranslator.translator import transform as translator

from tests.e2e.rehearsal.gaps import BROKEN_FUNCTION, LEFT_RESOURCES, NOTED_GAPS, PROTECTED_TABLES, WORKED_AROUND

_FOLDER = Path(os.environ["TMPDIR"])


def note(name: str) -> None:
    """Record for the rehearsal that a gap had to be worked around."""
    with (_FOLDER / NOTED_GAPS).open("a", encoding="utf-8") as file:
        print(name, file=file)


def transform(expand: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Expand a SAM template, then work around the gaps, and break the function that the rehearsal wants to fail."""
    template = expand(*args)
    for gap in WORKED_AROUND:
        if gap.work_around(template):
            note(gap.name)
    broken = _FOLDER / BROKEN_FUNCTION
    function = template["Resources"].get(broken.read_text(encoding="utf-8")) if broken.exists() else None
    if function:
        function["Properties"]["Layers"] = ["arn:aws:lambda:us-east-1:000000000000:layer:missing:1"]
    return template


def delete_table(delete: Callable[..., None], name: str, properties: dict[str, Any]) -> None:
    """Delete a table, unless it is protected."""
    if dynamodb._tables.get(name, {}).get("DeletionProtectionEnabled"):
        note(PROTECTED_TABLES)
        raise ValueError("Resource cannot be deleted as it is currently protected against deletion.")
    delete(name, properties)


def list_stack_resources(list_resources: Callable[..., Any], params: dict[str, Any]) -> Any:
    """List the resources of a stack, also those that a rollback could not delete."""
    name = params["StackName"][0]
    stack = handlers._resolve_stack(name)
    left = (stack or {}).get("_rollback_failed", {})
    if left and not stack["_resources"]:
        note(LEFT_RESOURCES)
        failed = {"ResourceStatus": "DELETE_FAILED", "Timestamp": datetime.now(UTC).isoformat()}
        stack["_resources"] = {name: record | failed for name, record in left.items()}
    return list_resources(params)


def replace(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Replace a function, in a module or a dictionary, by one that gets the original as its first argument."""
    functions = owner if isinstance(owner, dict) else vars(owner)
    original = functions[name]
    functions[name] = lambda *args: replacement(original, *args)


if __name__ == "__main__":
    replace(translator, "transform", transform)
    replace(provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"], "delete", delete_table)
    replace(handlers._ACTION_HANDLERS, "ListStackResources", list_stack_resources)
    main()
