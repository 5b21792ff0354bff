"""Resolves what a CloudFormation template already says about itself: parameters, conditions, names.

What only the endpoint can know (the name of a resource that it is still to make) stays as it is. moto would
resolve the rest itself, but on an update it overlooks parameters used in a Sub or a condition, and it makes
no secrets at all.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_NO_VALUE = object()
_SUB_VARIABLE = re.compile(r"\$\{([^}]+)\}")

type Json = Any


def is_list(declaration: Mapping[str, Json]) -> bool:
    """Whether a parameter that is declared so holds several values."""
    kind: str = declaration["Type"]
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def split_list(value: str) -> list[str]:
    """What CloudFormation makes of such a parameter's value. Of an empty one, a list of one empty item."""
    return [item.strip() for item in value.split(",")]


class Intrinsics:
    """`values` are parameters and pseudo parameters; `resources` says what stands for a resource.

    `resources(logical_id, attribute)` gets None as the attribute of a Ref, and gives back a value, or None to
    leave it.
    """

    def __init__(
        self,
        template: Mapping[str, Json],
        values: Mapping[str, str],
        resolve_resource: Callable[[str, str | None], str | None],
    ) -> None:
        self._conditions: Mapping[str, Json] = template.get("Conditions", {})
        self._rules: Mapping[str, Json] = template.get("Rules", {})
        self._list_parameters = {
            name for name, declaration in template.get("Parameters", {}).items() if is_list(declaration)
        }
        self._values = values
        self._resolve_resource = resolve_resource

    def resolve(self, value: Json) -> Json:
        """Give `value` with every intrinsic function replaced that can be."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if function := self._FUNCTIONS.get(name):
                return function(self, argument)
        resolved = {name: self.resolve(item) for name, item in value.items()}
        return {name: item for name, item in resolved.items() if item is not _NO_VALUE}

    def is_condition_true(self, condition: str) -> bool:
        """Whether the template's condition of this name is true."""
        return self._evaluate(self._conditions[condition])

    def rule_violations(self) -> list[str]:
        """What the template's rules have against the parameters, in the words of their assertions."""
        return [
            assertion["AssertDescription"]
            for rule in self._rules.values()
            if "RuleCondition" not in rule or self._evaluate(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._evaluate(assertion["Assert"])
        ]

    def _evaluate(self, condition: Json) -> bool:
        (name, argument), *_ = condition.items()
        match name:
            case "Condition":
                return self.is_condition_true(argument)
            case "Fn::Equals":
                left, right = self.resolve(argument)
                return str(left) == str(right)
            case "Fn::Contains":
                items, item = self.resolve(argument)
                return item in items
            case "Fn::Not":
                return not self._evaluate(argument[0])
            case "Fn::And":
                return all(self._evaluate(item) for item in argument)
            case "Fn::Or":
                return any(self._evaluate(item) for item in argument)
        raise ValueError(f"{name} is no condition")

    def _ref(self, name: str) -> Json:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._values:
            return split_list(self._values[name]) if name in self._list_parameters else self._values[name]
        value = self._resolve_resource(name, None)
        return {"Ref": name} if value is None else value

    def _get_att(self, argument: Json) -> Json:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        value = self._resolve_resource(logical_id, attribute)
        return {"Fn::GetAtt": [logical_id, attribute]} if value is None else value

    def _sub(self, argument: Json) -> Json:
        text, variables = (argument, {}) if isinstance(argument, str) else argument
        parts: list[Json] = []
        # re.split with one group gives text and variable in turn.
        for index, part in enumerate(_SUB_VARIABLE.split(text)):
            if index % 2 == 0:
                parts.append(part)
            elif part.startswith("!"):
                parts.append(f"${{{part[1:]}}}")
            elif part in variables:
                parts.append(self.resolve(variables[part]))
            else:
                parts.append(self._get_att(part) if "." in part else self._ref(part))
        return _join_parts("", parts)

    def _join(self, argument: Json) -> Json:
        return _join_parts(argument[0], self.resolve(argument[1]))

    def _if(self, argument: Json) -> Json:
        condition, if_true, if_false = argument
        return self.resolve(if_true if self.is_condition_true(condition) else if_false)

    def _split(self, argument: Json) -> Json:
        separator, text = self.resolve(argument)
        return text.split(separator) if isinstance(text, str) else {"Fn::Split": [separator, text]}

    def _select(self, argument: Json) -> Json:
        index, items = self.resolve(argument)
        return items[int(index)] if isinstance(items, list) else {"Fn::Select": [index, items]}

    _FUNCTIONS: Mapping[str, Callable[["Intrinsics", Json], Json]] = {
        "Ref": _ref,
        "Fn::GetAtt": _get_att,
        "Fn::Sub": _sub,
        "Fn::Join": _join,
        "Fn::If": _if,
        "Fn::Split": _split,
        "Fn::Select": _select,
    }


def _join_parts(separator: str, parts: list[Json]) -> Json:
    """One string if all parts are known, else the Join that is left."""
    if any(isinstance(part, dict) for part in parts):
        return {"Fn::Join": [separator, parts]}
    return separator.join(str(part) for part in parts)
