"""template.yaml as the local stack needs it: CloudFormation, resolved, and only the resources that handlers use."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.cloud.client import aws_session
from local.cloud.intrinsics import Intrinsics, Json, is_list, split_list

TABLE, BUCKET, SECRET = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret"
FUNCTION, RULE, QUEUE, _ROLE = "AWS::Lambda::Function", "AWS::Events::Rule", "AWS::SQS::Queue", "AWS::IAM::Role"
EVENT_SOURCE = "AWS::Lambda::EventSourceMapping"
_DEPLOYED_TYPES = {TABLE, BUCKET, FUNCTION, RULE, QUEUE, _ROLE}
"""What handlers use at run time, and what starts them. moto silently ignores most other types. Event sources are left
out because moto would run the function in a container for them: event_sources.py polls the queues."""
_CODE_PROPERTIES, _NO_CODE = ("CodeUri", "ContentUri"), "s3://local/unused"
"""The translator requires code in S3, and the endpoint code that exists; but the local stack runs the sources."""
_INLINE_CODE = {"ZipFile": "pass"}
"""moto requires Python when a function is created, and base64 when it is updated; this is both."""


class ParameterError(ValueError):
    """A parameter of the template has an invalid value. `reason` does not contain the value, which may be a key."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter} {reason}")
        self.parameter = parameter
        self.reason = reason


def read_template(path: Path, parameters: Mapping[str, str]) -> dict[str, Json]:
    """Read a SAM template and transform it into CloudFormation as AWS does. Raises: ValueError, when it is invalid."""
    template = yaml_parse(path.read_text("utf-8"))
    if unknown := parameters.keys() - template.get("Parameters", {}).keys():
        raise ValueError(f"{path} declares no parameter {', '.join(sorted(unknown))}")
    resource_properties = [resource.get("Properties", {}) for resource in template["Resources"].values()]
    for properties in [*resource_properties, template.get("Globals", {}).get("Function", {})]:
        for name in _CODE_PROPERTIES:
            if name in properties:
                properties[name] = _NO_CODE
    try:
        return transform(template, parameters)
    except InvalidDocumentException as error:
        raise ValueError(f"{path}: {error.message}: {[cause.message for cause in error.causes]}") from error


def transform(template: dict[str, Json], parameters: Mapping[str, str]) -> dict[str, Json]:
    """Transform a SAM template into CloudFormation as AWS does. Its code is in S3, as after `sam package`."""
    # with its own session and an empty map of managed policies, the translator sends no requests
    translator = Translator({}, Parser(), boto_session=aws_session())
    try:
        translated: dict[str, Any] = translator.translate(
            template, dict(parameters), get_managed_policy_map=dict[str, str]
        )
        return translated
    finally:
        # otherwise its destructor prints a warning about unpublished metrics
        translator.metrics.publish()


def parameter_values(template: Mapping[str, Json], overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every parameter: its override or its default.

    Raises: ParameterError, when a value is not allowed; ValueError, when a value is missing or a rule of the template
    is violated.
    """
    values = {name: declaration.get("Default") for name, declaration in template.get("Parameters", {}).items()}
    values |= overrides
    if missing := [name for name, value in values.items() if value is None]:
        raise ValueError(f"these parameters have no default and need a value: {', '.join(missing)}")
    for name, value in values.items():
        check_parameter(name, str(value), template["Parameters"][name])
    texts = {name: str(value) for name, value in values.items()}
    if violations := Intrinsics(template, texts, lambda logical_id, _: logical_id).rule_violations():
        raise ValueError(" ".join(violations))
    return texts


def check_parameter(name: str, value: str, declaration: Mapping[str, Json]) -> None:
    """Check a value as CloudFormation does; of a list, each item. Raises: ParameterError, when it is not allowed."""
    for item in split_list(value) if is_list(declaration) else [value]:
        if reason := _find_violation(item, declaration):
            raise ParameterError(name, declaration.get("ConstraintDescription", reason))


def _find_violation(value: str, declaration: Mapping[str, Json]) -> str | None:
    """Return the constraint that the value violates, or None."""
    pattern, allowed = declaration.get("AllowedPattern"), declaration.get("AllowedValues")
    if pattern and not re.fullmatch(pattern, value):
        return f"must match {pattern}"
    if allowed and value not in list(map(str, allowed)):
        return f"must be one of {', '.join(str(each) or '(empty)' for each in allowed)}"
    is_number = declaration["Type"] == "Number"
    if is_number and not re.fullmatch(r"-?[0-9]+", value):  # CloudFormation also allows 1.5, but no function does
        return "must be a whole number"
    size, kind = (float(value), "Value") if is_number else (len(value), "Length")
    for word, limit, sign in (("least", f"Min{kind}", 1), ("most", f"Max{kind}", -1)):
        if limit in declaration and sign * size < sign * declaration[limit]:
            text = f"at {word} {declaration[limit]}"
            return f"must be {text}" if is_number else f"must have {text} characters"
    return None


def resolve_resources(
    template: Mapping[str, Json], intrinsics: Intrinsics, resource_type: str
) -> dict[str, dict[str, Json]]:
    """Return the resolved properties, by logical id, of all resources of one type that the conditions include."""
    return {
        logical_id: intrinsics.resolve(resource.get("Properties", {}))
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == resource_type
        and ("Condition" not in resource or intrinsics.is_condition_true(resource["Condition"]))
    }


def deployable_subset(
    template: Mapping[str, Json], values: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, dict[str, Json]]:
    """Return the template to deploy: the needed resources, in which only references to each other are unresolved.

    `secrets`: the ARNs by logical id. A reference to a resource that is left out is replaced by its logical id.
    """
    resource_definitions: Mapping[str, Mapping[str, Json]] = template["Resources"]

    def resolve_resource(logical_id: str, _attribute: str | None) -> str | None:
        if logical_id in secrets:
            return secrets[logical_id]
        if logical_id not in resource_definitions:
            raise ValueError(f"the template declares no {logical_id}")
        return None if resource_definitions[logical_id]["Type"] in _DEPLOYED_TYPES else logical_id

    intrinsics = Intrinsics(template, values, resolve_resource)
    resources: dict[str, Json] = {}
    for resource_type in sorted(_DEPLOYED_TYPES):
        for logical_id, properties in resolve_resources(template, intrinsics, resource_type).items():
            if resource_type == FUNCTION:
                # workers have the code of functions and layers on their path
                properties["Code"] = dict(_INLINE_CODE)
                properties.pop("Layers", None)
            resources[logical_id] = {"Type": resource_type, "Properties": properties}
    return {"Resources": resources}
