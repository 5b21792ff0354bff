"""Evaluates policy statements as IAM does. Supports what the template uses, and raises an error for the rest."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class UnsupportedStatementError(Exception):
    """The statement contains something that this module does not support."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource that a statement allows; either may be a pattern."""

    statement: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Statement:
    """`name` is the Sid or, if there is no Sid, the actions. `conditions` are operator, key and values."""

    name: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @property
    def grants(self) -> Iterator[Grant]:
        for action in self.actions if self.allows else ():
            for resource in self.resources:
                yield Grant(self.name, action, resource)


def parse_statement(declared: Mapping[str, Any]) -> Statement:
    """Parse one statement of a policy document.

    Raises: UnsupportedStatementError, when it contains something that is not supported.
    """
    if unknown := declared.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}:
        raise UnsupportedStatementError(f"{sorted(unknown)} in {declared}")
    if declared["Effect"] not in ("Allow", "Deny") or "${" in str(declared):
        raise UnsupportedStatementError(str(declared))
    actions = _as_tuple(declared["Action"])
    conditions = [
        (operator, key, _as_tuple(values))
        for operator, keys in declared.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    if unknown := {operator for operator, *_ in conditions} - _OPERATORS.keys():
        raise UnsupportedStatementError(f"{sorted(unknown)} in {declared}")
    return Statement(
        name=declared.get("Sid") or " ".join(actions),
        allows=declared["Effect"] == "Allow",
        actions=actions,
        resources=_as_tuple(declared["Resource"]),
        conditions=tuple(conditions),
    )


def find_grants(
    statements: Collection[Statement], action: str, resource: str, context: Mapping[str, str] | None = None
) -> set[Grant]:
    """Return the grants that allow the action on the resource: none if it is denied. `context` is for conditions."""
    matching = [
        (statement, Grant(statement.name, action_pattern, resource_pattern))
        for statement in statements
        if all(_holds(condition, context or {}) for condition in statement.conditions)
        for action_pattern in statement.actions
        if _matches(action_pattern.lower(), action.lower())
        for resource_pattern in statement.resources
        if _matches(resource_pattern, resource)
    ]
    if any(not statement.allows for statement, _ in matching):
        return set()
    return {grant for _, grant in matching}


def _as_tuple(values: Any) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, list) else (str(values),)


def _matches(pattern: str, text: str) -> bool:
    """Whether the text matches a pattern with the wildcards * and ?."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _arn_matches(pattern: str, arn: str) -> bool:
    """Match each of the six parts separately: a * does not match a colon."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_matches, patterns, parts))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {"StringEquals": str.__eq__, "ArnLike": _arn_matches}


def _holds(condition: tuple[str, str, tuple[str, ...]], context: Mapping[str, str]) -> bool:
    """Whether one of the values matches; none does if the request does not have the key."""
    operator, key, values = condition
    return key in context and any(_OPERATORS[operator](value, context[key]) for value in values)
