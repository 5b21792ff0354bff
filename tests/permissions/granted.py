"""What template.yaml grants to each function, with logical ids in the place of names."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.cloud.client import REGION
from local.cloud.intrinsics import Intrinsics
from local.cloud.stack import pseudo_parameters
from local.cloud.template import BUCKET, FUNCTION, SECRET, TABLE, parameter_values, read_template, resolve_resources
from tests.permissions.iam import Statement, statement_of

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
ACCOUNT = "123456789012"
ROLE = "AWS::IAM::Role"

ANOTHER_BUCKET = "another-bucket"
"""Stands for every bucket that is not of the stack: such a one has to be the parameter RecordingsPath."""

_SERVER = {"WhisperXUrl": "http://whisperx.test"}
DEPLOYMENTS: tuple[dict[str, str], ...] = (
    {},
    {"RecordingsPath": f"s3://{ANOTHER_BUCKET}/calls/"},
    {
        "RecordingsPath": "/mnt/recordings",
        "EfsAccessPoint": f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0",
        "Subnets": "subnet-0123abcd",
        "SecurityGroups": "sg-0123abcd",
    },
)
"""Parameters that make a difference to the policies. What is granted is what any of these deployments grants."""


def named_arn(service: str, what: str) -> str:
    """The ARN of something in the account and region of the tests."""
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
    """That of a name which CloudFormation has made: stack, logical id, something random, with hyphens between.

    Of any other name it is `otherwise`, or the name itself, which no policy grants anything on.
    """
    known = _logical_ids()
    found = next((known[part] for part in name.lower().split("-") if part in known), None)
    return found or otherwise or name


def intrinsics(parameters: Mapping[str, str]) -> Intrinsics:
    """What CloudFormation makes of the template's functions with these parameters."""
    template = translated()
    pseudo = pseudo_parameters("callscribe", ACCOUNT)

    def stand_in(name: str, attribute: str | None) -> str:
        its_kind = template["Resources"][name]["Type"]
        if its_kind in _ARNS and (attribute == "Arn" or (attribute is None and its_kind in _REF_IS_THE_ARN)):
            return _ARNS[its_kind](name)
        return f"{name}.{attribute}" if attribute else name

    return Intrinsics(template, parameter_values(template, _SERVER | dict(parameters)) | pseudo, stand_in)


def resolved(kind: str, parameters: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type that a deployment with these parameters has."""
    return resolve_resources(translated(), intrinsics(parameters), kind)


@cache
def _roles() -> list[dict[str, dict[str, Any]]]:
    """The role of each function by the function's logical id, in each of the deployments."""
    deployments = []
    for parameters in DEPLOYMENTS:
        roles = resolved(ROLE, parameters)
        functions = resolved(FUNCTION, parameters)
        deployments.append({name: roles[each["Role"].partition(".")[0]] for name, each in functions.items()})
    return deployments


@cache
def functions() -> frozenset[str]:
    """Their logical ids."""
    return frozenset(_roles()[0])


@cache
def statements() -> Mapping[str, frozenset[Statement]]:
    """Those of each function's own policies."""
    return {
        name: frozenset(
            statement_of(each)
            for roles in _roles()
            for policy in roles[name].get("Policies", ())
            for each in policy["PolicyDocument"]["Statement"]
        )
        for name in functions()
    }


@cache
def managed() -> Mapping[str, frozenset[str]]:
    """The names of AWS's own policies that each function's role has, which SAM has added."""
    return {
        name: frozenset(
            arn.rpartition("/")[2] for roles in _roles() for arn in roles[name].get("ManagedPolicyArns", ())
        )
        for name in functions()
    }


def other_ways_in() -> set[str]:
    """The types of resources beside roles by which a template can grant something to a function's role."""
    kinds = {each["Type"] for each in translated()["Resources"].values()}
    return {kind for kind in kinds if kind.startswith("AWS::IAM::") and kind != ROLE}
