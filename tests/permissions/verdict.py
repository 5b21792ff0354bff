"""Compares what the functions were seen to ask for with what they may: nothing missing, nothing unused."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.permissions.calls import Call
from tests.permissions.granted import named_arn
from tests.permissions.iam import Grant, Statement, allowing

_KIND = re.compile("^(table/|function:|secret:)")

type Exceptions = Mapping[tuple[str, str], str]
"""Reasons by function and statement."""


@dataclass(frozen=True, slots=True)
class Row:
    """One grant of a function; how many calls needed it, or why none is seen."""

    function: str
    grant: Grant
    times: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All grants, and what is wrong. `unused` can be judged only where all tests have run."""

    rows: tuple[Row, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def judge(granted: Mapping[str, Iterable[Statement]], seen: Mapping[Call, int], exceptions: Exceptions) -> Verdict:
    """An exception is wrong, too, where there is no such statement, or where something of it was seen."""
    used: Counter[tuple[str, Grant]] = Counter()
    missing = []
    for call, times in sorted(seen.items()):
        context = {"lambda:SourceFunctionArn": named_arn("lambda", f"function:{call.function}")}
        grants = allowing(list(granted[call.function]), call.action, call.resource, context)
        used.update({(call.function, grant): times for grant in grants})
        if not grants:
            missing.append(
                f"{call.function} may not {call.action} on {short(call.resource)}, which it did {times} times"
            )
    rows = sorted(
        {
            Row(function, grant, used[function, grant], exceptions.get((function, grant.statement), ""))
            for function, statements in granted.items()
            for statement in statements
            for grant in statement.grants
        },
        key=lambda row: (row.function, row.grant.statement, row.grant.action, row.grant.resource),
    )
    unused = [f"{_named(row)} is granted, and nothing asked for it" for row in rows if not row.times and not row.reason]
    unused += [f"{_named(row)} is an exception, and was asked for" for row in rows if row.times and row.reason]
    there = {(row.function, row.grant.statement) for row in rows}
    unused += [
        f"{function}, {name}: there is no such statement to be excepted" for function, name in exceptions.keys() - there
    ]
    return Verdict(tuple(rows), tuple(missing), tuple(unused))


def short(arn: str) -> str:
    """Without what is the same everywhere."""
    return _KIND.sub("", arn.split(":", 5)[5])


def table(rows: Iterable[Row]) -> str:
    """For a terminal."""
    lines = [("function", "action", "on", "statement", "seen")]
    for row in rows:
        grant = row.grant
        times = f"{row.times:,}" if row.times else row.reason or "never"
        lines.append((row.function, grant.action, short(grant.resource), grant.statement, times))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[4]]) for line in lines
    )


def _named(row: Row) -> str:
    return f"{row.function}, {row.grant.statement}: {row.grant.action} on {short(row.grant.resource)}"
