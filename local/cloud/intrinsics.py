"""Resolves CloudFormation's intrinsic functions as far as a template allows: parameters, conditions, names.

Attributes that only the endpoint knows (such as the name of a resource that it has yet to create) stay unresolved. moto
could resolve the rest itself, but on updates it ignores parameters in a Sub or a condition, and it creates no secrets.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_NO_VALUE = object()
_SUB_VARIABLE = re.compile(r"\$\{([^}]+)\}")

type Json = Any


def is_list(declaration: Mapping[str, Json]) -> bool:
    """Whether a parameter with this declaration is a list."""
    kind: str = declaration["Type"]
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def split_list(value: str) -> list[str]:
    """Split the value of a list parameter as CloudFormation does: an empty value is a list with one empty item."""
    return [item.strip() for item in value.split(",")]


class Intrinsics:
    """Resolves values of one template. `values`: its parameters and the pseudo parameters.

    `resolve_resource(logical_id, attribute)` returns the value of a reference to a resource, or None to leave it
    unresolved; the attribute of a Ref is None.
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
        """Return `value` with all intrinsic functions replaced that can be resolved."""
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
        """Evaluate a condition of the template by its name."""
        return self._evaluate(self._conditions[condition])

    def rule_violations(self) -> list[str]:
        """The descriptions of the assertions in the template's rules that the parameters violate."""
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
            case "Fn::EachMemberEquals":
                items, item = self.resolve(argument)
                return all(each == item for each in items)
            case "Fn::Not":
                return not self._evaluate(argument[0])
            case "Fn::And":
                return all(self._evaluate(item) for item in argument)
            case "Fn::Or":
                return any(self._evaluate(item) for item in argument)
        raise ValueError(f"{name} is not a condition function")

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
        # re.split with one group alternates between text and variable
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
    """Return one string if all parts are resolved, otherwise a Join of them."""
    if any(isinstance(part, dict) for part in parts):
        return {"Fn::Join": [separator, parts]}
    return separator.join(str(part) for part in parts)
