"""Reads what template.yaml grants to each function, with logical ids instead of names."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.cloud.client import REGION
from local.cloud.intrinsics import Intrinsics
from local.cloud.stack import pseudo_parameters
from local.cloud.template import BUCKET, FUNCTION, SECRET, TABLE, parameter_values, read_template, resolve_resources
from tests.permissions.iam import Statement, parse_statement

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
ACCOUNT = "123456789012"
ROLE = "AWS::IAM::Role"

EXTERNAL_BUCKET = "another-bucket"
"""Represents every bucket outside the stack: it can only be the one in the parameter RecordingsPath."""

_SERVER = {"WhisperXUrl": "http://whisperx.test"}
DEPLOYMENTS: tuple[dict[str, str], ...] = (
    {},
    {
        "RecordingsPath": f"s3://{EXTERNAL_BUCKET}/calls/",
        "RecordingsKmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/recordings",
    },
    {
        "RecordingsPath": "/mnt/recordings",
        "EfsAccessPoint": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0",
        "Subnets": "subnet-0123abcd",
        "SecurityGroups": "sg-0123abcd",
    },
)
"""Parameters on which the policies depend. A permission is granted if one of these deployments grants it."""


def named_arn(service: str, what: str) -> str:
    """Return an ARN in the account and region of the tests."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{what}"


_ARNS = {
    TABLE: lambda name: named_arn("dynamodb", f"table/{name}"),
    FUNCTION: lambda name: named_arn("lambda", f"function:{name}"),
    SECRET: lambda name: named_arn("secretsmanager", f"secret:{name}"),
    BUCKET: lambda name: f"arn:aws:s3:::{name}",
    "AWS::SQS::Queue": lambda name: named_arn("sqs", name),
    "AWS::SNS::Topic": lambda name: named_arn("sns", name),
}
_REF_IS_THE_ARN = (SECRET, "AWS::SNS::Topic")


@cache
def translated() -> dict[str, Any]:
    return read_template(TEMPLATE, _SERVER)


@cache
def _logical_ids() -> Mapping[str, str]:
    return {name.lower(): name for name in translated()["Resources"]}


def logical_id(name: str, otherwise: str | None = None) -> str:
    """Return the logical id in a name that CloudFormation generated: stack, logical id and random suffix, with hyphens.

    Returns `otherwise` for any other name, or the name itself, on which no policy grants anything.
    """
    known = _logical_ids()
    match = next((known[part] for part in name.lower().split("-") if part in known), None)
    return match or otherwise or name


def intrinsics(parameters: Mapping[str, str]) -> Intrinsics:
    """Resolve the template's intrinsic functions as CloudFormation does with these parameters."""
    template = translated()
    pseudo = pseudo_parameters("callscribe", ACCOUNT)

    def placeholder(name: str, attribute: str | None) -> str:
        resource_type = template["Resources"][name]["Type"]
        if resource_type in _ARNS and (attribute == "Arn" or (attribute is None and resource_type in _REF_IS_THE_ARN)):
            return _ARNS[resource_type](name)
        return f"{name}.{attribute}" if attribute else name

    return Intrinsics(template, parameter_values(template, _SERVER | dict(parameters)) | pseudo, placeholder)


def resolved(kind: str, parameters: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type in a deployment with these parameters."""
    return resolve_resources(translated(), intrinsics(parameters), kind)


@cache
def _roles() -> list[dict[str, dict[str, Any]]]:
    """Return each function's role, by the function's logical id, in each of the deployments."""
    deployments = []
    for parameters in DEPLOYMENTS:
        roles = resolved(ROLE, parameters)
        functions = resolved(FUNCTION, parameters)
        deployments.append({name: roles[function["Role"].partition(".")[0]] for name, function in functions.items()})
    return deployments


@cache
def functions() -> frozenset[str]:
    """Return the logical ids of the functions."""
    return frozenset(_roles()[0])


@cache
def statements() -> Mapping[str, frozenset[Statement]]:
    """Return the statements of each function's own policies."""
    return {
        name: frozenset(
            parse_statement(statement)
            for roles in _roles()
            for policy in roles[name].get("Policies", ())
            for statement in policy["PolicyDocument"]["Statement"]
        )
        for name in functions()
    }


@cache
def managed() -> Mapping[str, frozenset[str]]:
    """Return the names of the AWS managed policies that SAM attaches to each function's role."""
    return {
        name: frozenset(
            arn.rpartition("/")[2] for roles in _roles() for arn in roles[name].get("ManagedPolicyArns", ())
        )
        for name in functions()
    }


def other_iam_resource_types() -> set[str]:
    """Return the types of IAM resources in the template other than roles: they could grant permissions, too."""
    types = {resource["Type"] for resource in translated()["Resources"].values()}
    return {name for name in types if name.startswith("AWS::IAM::") and name != ROLE}
