"""The stack that the built template declares, on a moto server, and the environment that each function gets from it."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

REGION = "eu-central-1"
API_KEY = "the-key-of-this-test"
SECRETS = {"ApiKeySecret": {"default": API_KEY}, "WhisperXSecret": {"apiKey": ""}}
MISSING_FROM_MOTO = (
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
    "AWS::SecretsManager::Secret",
)


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


def create(template: Path, endpoint: str, parameters: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Creates everything that moto's CloudFormation knows, and the secrets; the functions' variables by their names."""

    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=endpoint, region_name=REGION)

    source = yaml_parse(template.read_text())
    for resource in source["Resources"].values():
        for where in {"CodeUri", "ContentUri"} & resource["Properties"].keys():
            resource["Properties"][where] = "s3://code/code.zip"
    _put_placeholder_code(client("s3"))
    plain = transform(source, {}, _NoManagedPolicies())
    functions = [name for name, each in plain["Resources"].items() if each["Type"] == "AWS::Lambda::Function"]
    names = {name: name for name, each in plain["Resources"].items() if each["Type"] in MISSING_FROM_MOTO} | {
        name: client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(value))["ARN"]
        for name, value in SECRETS.items()
    }
    resources = {name: each for name, each in plain["Resources"].items() if each["Type"] not in MISSING_FROM_MOTO}
    body = {**plain, "Resources": _with(names, resources), "Outputs": {}}
    stack = client("cloudformation").create_stack(
        StackName="callscribe",
        TemplateBody=json.dumps(body),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    common = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    variables: dict[str, dict[str, str]] = {}
    for name in functions:
        physical = client("cloudformation").describe_stack_resource(
            StackName=stack["StackId"], LogicalResourceId=name
        )["StackResourceDetail"]["PhysicalResourceId"]
        found = client("lambda").get_function_configuration(FunctionName=physical)["Environment"]["Variables"]
        variables[name] = {**{key: str(value) for key, value in found.items()}, **common, "AWS_ENDPOINT_URL": endpoint}
    return variables


def _put_placeholder_code(s3: Any) -> None:
    """The transform takes no folder, and moto no missing object; what runs is what was built."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as code:
        code.writestr("placeholder", "")
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="code", Key="code.zip", Body=file.getvalue())


def _with(names: Mapping[str, str], value: Any) -> Any:
    """The template with names and ARNs in the place of references to what is not there."""
    match value:
        case {"Ref": str(name)} if name in names:
            return names[name]
        case dict():
            return {key: _with(names, each) for key, each in value.items()}
        case list():
            return [_with(names, each) for each in value]
        case _:
            return value
