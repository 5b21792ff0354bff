"""Compares the permissions that the functions used with those that are granted: none missing, none unused."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.permissions.granted import named_arn
from tests.permissions.iam import Grant, Statement, find_grants
from tests.permissions.requests import UsedPermission

_KIND = re.compile("^(table/|function:|secret:)")

type Exceptions = Mapping[tuple[str, str], str]
"""Reasons by function and statement."""


@dataclass(frozen=True, slots=True)
class Row:
    """One grant of a function; how many requests used it, or the reason why none can."""

    function: str
    grant: Grant
    count: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All grants, and the problems. `unused` is only meaningful after all tests have run."""

    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def compare(
    granted: Mapping[str, Iterable[Statement]], used: Mapping[UsedPermission, int], exceptions: Exceptions
) -> Comparison:
    """Compare grants with used permissions.

    An exception is reported as unused, too, if its statement does not exist or was used.
    """
    usage: Counter[tuple[str, Grant]] = Counter()
    missing = []
    for permission, count in sorted(used.items()):
        context = {"lambda:SourceFunctionArn": named_arn("lambda", f"function:{permission.function}")}
        grants = find_grants(list(granted[permission.function]), permission.action, permission.resource, context)
        usage.update({(permission.function, grant): count for grant in grants})
        if not grants:
            missing.append(
                f"{permission.function} used {permission.action} on {short(permission.resource)} {count} times, "
                "but has no permission for it"
            )
    rows = sorted(
        {
            Row(function, grant, usage[function, grant], exceptions.get((function, grant.statement), ""))
            for function, statements in granted.items()
            for statement in statements
            for grant in statement.grants
        },
        key=lambda row: (row.function, row.grant.statement, row.grant.action, row.grant.resource),
    )
    unused = [f"{_named(row)} is granted, but never used" for row in rows if not row.count and not row.reason]
    unused += [f"{_named(row)} is an exception, but was used" for row in rows if row.count and row.reason]
    existing = {(row.function, row.grant.statement) for row in rows}
    unused += [
        f"{function}, {name}: an exception for a statement that does not exist"
        for function, name in exceptions.keys() - existing
    ]
    return Comparison(tuple(rows), tuple(missing), tuple(unused))


def short(arn: str) -> str:
    """Return an ARN without the parts that are always the same."""
    return _KIND.sub("", arn.split(":", 5)[5])


def table(rows: Iterable[Row]) -> str:
    """Format rows for the terminal."""
    lines = [("function", "action", "on", "statement", "used")]
    for row in rows:
        grant = row.grant
        count = f"{row.count:,}" if row.count else row.reason or "never"
        lines.append((row.function, grant.action, short(grant.resource), grant.statement, count))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[4]]) for line in lines
    )


def _named(row: Row) -> str:
    return f"{row.function}, {row.grant.statement}: {row.grant.action} on {short(row.grant.resource)}"
