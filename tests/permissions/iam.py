"""What a policy's statements allow, as IAM decides it: what the template uses of it, and an error for the rest."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class UnsupportedStatementError(Exception):
    """The statement says something that is not understood here."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource (either may be a pattern), as one statement allows it."""

    statement: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Statement:
    """`name` is its Sid or, where it has none, its actions. `conditions` are operator, key and values."""

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


def statement_of(declared: Mapping[str, Any]) -> Statement:
    """Reads one statement of a policy document. Raises UnsupportedStatementError."""
    if unknown := declared.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}:
        raise UnsupportedStatementError(f"{sorted(unknown)} in {declared}")
    if declared["Effect"] not in ("Allow", "Deny") or "${" in str(declared):
        raise UnsupportedStatementError(str(declared))
    actions = _all(declared["Action"])
    conditions = [
        (operator, key, _all(values))
        for operator, keys in declared.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    if unknown := {operator for operator, *_ in conditions} - _OPERATORS.keys():
        raise UnsupportedStatementError(f"{sorted(unknown)} in {declared}")
    return Statement(
        name=declared.get("Sid") or " ".join(actions),
        allows=declared["Effect"] == "Allow",
        actions=actions,
        resources=_all(declared["Resource"]),
        conditions=tuple(conditions),
    )


def allowing(
    statements: Collection[Statement], action: str, resource: str, context: Mapping[str, str] | None = None
) -> set[Grant]:
    """What allows the action on the resource; nothing if none does, or if it is denied. `context` is for conditions."""
    concerned = [
        (statement, Grant(statement.name, action_pattern, resource_pattern))
        for statement in statements
        if all(_holds(condition, context or {}) for condition in statement.conditions)
        for action_pattern in statement.actions
        if _fits(action_pattern.lower(), action.lower())
        for resource_pattern in statement.resources
        if _fits(resource_pattern, resource)
    ]
    if any(not statement.allows for statement, _ in concerned):
        return set()
    return {grant for _, grant in concerned}


def _all(values: Any) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, list) else (str(values),)


def _fits(pattern: str, text: str) -> bool:
    """Whether the text is as the pattern says, in which * is any text and ? any one character."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _arn_fits(pattern: str, arn: str) -> bool:
    """Each of the six parts by itself: a * does not reach over a colon."""
    parts, given = pattern.split(":", 5), arn.split(":", 5)
    return len(parts) == len(given) and all(map(_fits, parts, given))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {"StringEquals": str.__eq__, "ArnLike": _arn_fits}


def _holds(condition: tuple[str, str, tuple[str, ...]], context: Mapping[str, str]) -> bool:
    """Whether one of the values fits; where the request has no such key, none does."""
    operator, key, values = condition
    return key in context and any(_OPERATORS[operator](value, context[key]) for value in values)
