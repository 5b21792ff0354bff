"""What ministack does not support, and how the rehearsal works around it.

It imports only the standard library, because the process of ministack imports it, too.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Template = dict[str, Any]

NOTED_GAPS = "gaps"
"""The file in the folder of ministack to which it appends the name of each gap that it had to work around."""
BROKEN_FUNCTION = "broken-function"
"""The file there with the logical ID of a function that it must not create."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that ministack does not do as AWS does, and what the rehearsal does instead.

    `work_around` changes an expanded template, in place, so that ministack accepts it. It returns whether it had to.
    """

    name: str
    instead: str
    work_around: Callable[[Template], bool]


def resolve_conditions(template: Template) -> bool:
    """Replace each Fn::Select of an Fn::Split in the conditions by its value, with the defaults of the parameters."""
    defaults = {name: parameter.get("Default", "") for name, parameter in template.get("Parameters", {}).items()}
    conditions = template.get("Conditions", {})
    resolved = {name: _resolve(condition, defaults) for name, condition in conditions.items()}
    changed = bool(resolved != conditions)
    conditions.update(resolved)
    return changed


def _resolve(value: Any, defaults: dict[str, Any]) -> Any:
    match value:
        case {"Fn::Select": [index, {"Fn::Split": [separator, {"Fn::Sub": text}]}]}:
            return re.sub(r"\$\{(\w+)\}", lambda found: str(defaults[found[1]]), text).split(separator)[index]
        case dict():
            return {name: _resolve(item, defaults) for name, item in value.items()}
        case list():
            return [_resolve(item, defaults) for item in value]
    return value


def simplify_alarms(template: Template) -> bool:
    """Let an alarm with metric math watch the first of its metrics."""
    resources = template["Resources"].values()
    alarms = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::CloudWatch::Alarm"]
    computed = [alarm for alarm in alarms if "Metrics" in alarm]
    for alarm in computed:
        metric = next(item["MetricStat"] for item in alarm.pop("Metrics") if "MetricStat" in item)
        alarm.update(metric["Metric"], Period=metric["Period"], Statistic=metric["Stat"])
    return bool(computed)


def add_routes(template: Template) -> bool:
    """Declare the routes of an OpenAPI body as resources."""
    resources = template["Resources"]
    routes = [
        (name, path, method["x-amazon-apigateway-integration"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::ApiGatewayV2::Api"
        for path, methods in resource["Properties"].get("Body", {}).get("paths", {}).items()
        for method in methods.values()
    ]
    for number, (name, path, integration) in enumerate(routes):
        api = {"ApiId": {"Ref": name}}
        resources[f"{name}Integration{number}"] = {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": api
            | {
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": integration["uri"],
                "PayloadFormatVersion": integration["payloadFormatVersion"],
            },
        }
        resources[f"{name}Route{number}"] = {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": api
            | {"RouteKey": path, "Target": {"Fn::Sub": f"integrations/${{{name}Integration{number}}}"}},
        }
    return bool(routes)


WORKED_AROUND = (
    Gap(
        "it cannot evaluate Fn::Select of Fn::Split in Conditions",
        "the conditions are evaluated with the defaults of the parameters, which are the values here",
        resolve_conditions,
    ),
    Gap(
        "it refuses alarms with metric math",
        "each is created as an alarm on the first of its metrics",
        simplify_alarms,
    ),
    Gap(
        "it ignores the routes in the OpenAPI body of an HTTP API",
        "they are declared as resources",
        add_routes,
    ),
)
"""Gaps in what a template may contain."""

PROTECTED_TABLES = "its CloudFormation deletes tables that are protected against deletion"
LEFT_RESOURCES = "it does not list the resources that a rollback could not delete"

INSTEAD = {gap.name: gap.instead for gap in WORKED_AROUND} | {
    PROTECTED_TABLES: "it is made to refuse that, as AWS does",
    LEFT_RESOURCES: "it is made to list them, as AWS does",
}
"""What the rehearsal does about each gap that it works around."""
