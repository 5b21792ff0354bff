"""Deploys template.yaml to an AWS-compatible endpoint, and describes the resulting stack.

The template is the only description: no table, bucket or variable is named here. Names and environment variables are
read back from the endpoint, so they are those that deployed functions would get.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.cloud.client import REGION, aws_client
from local.cloud.intrinsics import Intrinsics
from local.cloud.secrets import make_secret
from local.cloud.template import (
    BUCKET,
    EVENT_SOURCE,
    FUNCTION,
    QUEUE,
    RULE,
    SECRET,
    TABLE,
    deployable_subset,
    parameter_values,
    read_template,
    resolve_resources,
)


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed Lambda function, with the environment that its handler sees."""

    logical_id: str
    name: str
    arn: str
    handler: str
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """An EventBridge schedule and the name of the function that it invokes; `input` replaces the event if given."""

    arn: str
    schedule: str
    function: str
    input: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """A queue whose messages Lambda passes to a function, at most `batch_size` in one invocation."""

    queue_url: str
    queue_arn: str
    function: str
    batch_size: int
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack. Mappings are by the template's logical ids: names of tables and buckets, ARNs of secrets."""

    endpoint: str
    region: str
    account_id: str
    tables: Mapping[str, str]
    buckets: Mapping[str, str]
    secrets: Mapping[str, str]
    functions: Mapping[str, Function]
    rules: tuple[Rule, ...]
    event_sources: tuple[EventSource, ...] = ()

    def function(self, name: str) -> Function:
        """Find a function by its logical id, name, ARN or the folder of its handler (`sync`). Raises: KeyError."""
        for function in self.functions.values():
            folder = function.handler.split(".")[1:2]
            if name in (function.logical_id, function.name, function.arn, *folder):
                return function
        raise KeyError(name)


def deploy(template_path: Path, endpoint: str, parameters: Mapping[str, str], *, name: str = "callscribe") -> Stack:
    """Create the stack, or update an existing one, which keeps its data.

    Raises: ValueError, when the template or a parameter is invalid, or the declaration of an existing table differs.
    """
    template = read_template(template_path, parameters)
    account_id: str = aws_client("sts", endpoint).get_caller_identity()["Account"]
    values = parameter_values(template, parameters) | pseudo_parameters(name, account_id)
    by_logical_id = Intrinsics(template, values, lambda logical_id, _: logical_id)
    declared_secrets = resolve_resources(template, by_logical_id, SECRET)
    client = aws_client("secretsmanager", endpoint)
    secrets = {
        logical_id: make_secret(client, f"{name}-{logical_id}", properties)
        for logical_id, properties in declared_secrets.items()
    }
    to_create = deployable_subset(template, values, secrets)
    resources = _create_or_update(name, to_create, endpoint)
    _enable_notifications(to_create, resources.get(BUCKET, {}), endpoint)
    functions = _read_functions(resources.get(FUNCTION, {}), endpoint)
    return Stack(
        endpoint=endpoint,
        region=REGION,
        account_id=account_id,
        tables=resources.get(TABLE, {}),
        buckets=resources.get(BUCKET, {}),
        secrets=secrets,
        functions=functions,
        rules=_read_rules(resources.get(RULE, {}), functions, endpoint),
        event_sources=_read_event_sources(
            resolve_resources(template, by_logical_id, EVENT_SOURCE), resources.get(QUEUE, {}), functions, endpoint
        ),
    )


def pseudo_parameters(name: str, account_id: str) -> dict[str, str]:
    """The values of CloudFormation's pseudo parameters for a stack with this name."""
    return {
        "AWS::AccountId": account_id,
        "AWS::Region": REGION,
        "AWS::StackName": name,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
    }


def _create_or_update(name: str, template: Mapping[str, Any], endpoint: str) -> dict[str, dict[str, str]]:
    """Create or update the stack and return its physical ids: type → logical id → physical id."""
    client = aws_client("cloudformation", endpoint)
    request = {"StackName": name, "TemplateBody": json.dumps(template), "Capabilities": ["CAPABILITY_IAM"]}
    try:
        client.create_stack(**request)
        client.get_waiter("stack_create_complete").wait(StackName=name)
    except client.exceptions.AlreadyExistsException:
        body = client.get_template(StackName=name)["TemplateBody"]
        previous: dict[str, Any] = json.loads(body) if isinstance(body, str) else body
        if previous != template:
            _reject_changed_tables(name, previous["Resources"], template["Resources"])
            try:
                client.update_stack(**request)
                client.get_waiter("stack_update_complete").wait(StackName=name)
            except ClientError as error:
                if "No updates are to be performed" not in str(error):
                    raise
    physical_ids: dict[str, dict[str, str]] = {}
    for page in client.get_paginator("list_stack_resources").paginate(StackName=name):
        for resource in page["StackResourceSummaries"]:
            ids = physical_ids.setdefault(resource["ResourceType"], {})
            ids[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
    return physical_ids


def _enable_notifications(template: Mapping[str, Any], buckets: Mapping[str, str], endpoint: str) -> None:
    """Enable EventBridge notifications on the buckets that declare them; moto's CloudFormation ignores them."""
    client = aws_client("s3", endpoint)
    for logical_id, bucket in buckets.items():
        configuration = template["Resources"][logical_id]["Properties"].get("NotificationConfiguration", {})
        if configuration.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
            client.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )


def _reject_changed_tables(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Reject an update that changes a table, which moto cannot do: it would remove the table from the stack."""
    for logical_id, resource in before.items():
        if resource["Type"] == TABLE and resource != after.get(logical_id):
            raise ValueError(
                f"{logical_id} in the stack {name!r} differs from its declaration in the template; "
                "delete the stack, or use a new endpoint"
            )


def _read_functions(names: Mapping[str, str], endpoint: str) -> dict[str, Function]:
    client = aws_client("lambda", endpoint)
    functions = {}
    for logical_id, name in names.items():
        configuration = client.get_function_configuration(FunctionName=name)
        variables = configuration.get("Environment", {}).get("Variables", {})
        functions[logical_id] = Function(
            logical_id=logical_id,
            name=name,
            arn=configuration["FunctionArn"],
            handler=configuration["Handler"],
            timeout_seconds=int(configuration["Timeout"]),
            memory_mb=int(configuration["MemorySize"]),
            environment={key: str(value) for key, value in variables.items()},
        )
    return functions


def _read_rules(names: Mapping[str, str], functions: Mapping[str, Function], endpoint: str) -> tuple[Rule, ...]:
    """Return the enabled schedules. Rules that match events are not schedules, and are left out."""
    client = aws_client("events", endpoint)
    by_arn = {function.arn: function.name for function in functions.values()}
    rules = []
    for name in names.values():
        description = client.describe_rule(Name=name)
        if description.get("State", "ENABLED") != "ENABLED" or not description.get("ScheduleExpression"):
            continue
        for target in client.list_targets_by_rule(Rule=name)["Targets"]:
            if function := by_arn.get(target["Arn"]):
                schedule = description["ScheduleExpression"]
                rules.append(Rule(description["Arn"], schedule, function, target.get("Input")))
    return tuple(rules)


def _read_event_sources(
    declarations: Mapping[str, Mapping[str, Any]],
    queue_urls: Mapping[str, str],
    functions: Mapping[str, Function],
    endpoint: str,
) -> tuple[EventSource, ...]:
    """Return the enabled event sources. `declarations`: their properties, in which logical ids replace references."""
    client = aws_client("sqs", endpoint)
    event_sources = []
    for properties in declarations.values():
        if not properties.get("Enabled", True):
            continue
        url = queue_urls[properties["EventSourceArn"]]
        attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        event_sources.append(
            EventSource(
                queue_url=url,
                queue_arn=attributes["QueueArn"],
                function=functions[properties["FunctionName"]].name,
                batch_size=properties["BatchSize"],
                max_concurrency=properties["ScalingConfig"]["MaximumConcurrency"],
            )
        )
    return tuple(event_sources)
