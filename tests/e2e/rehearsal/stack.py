"""The deployed stack, as a user of the account sees it."""

import json
import re
from dataclasses import dataclass
from typing import Any

from local.api_client import ApiClient
from tests.e2e.rehearsal.ministack import Ministack

RESOURCES = {
    "function": ("lambda", "list_functions", "Functions[].FunctionName"),
    "layer": ("lambda", "list_layers", "Layers[].LayerName"),
    "event source": ("lambda", "list_event_source_mappings", "EventSourceMappings[].FunctionArn"),
    "rule": ("events", "list_rules", "Rules[].Name"),
    "HTTP API": ("apigatewayv2", "get_apis", "Items[].Name"),
    "alarm": ("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    "dashboard": ("cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"),
    "log group": ("logs", "describe_log_groups", "logGroups[].logGroupName"),
    "table": ("dynamodb", "list_tables", "TableNames[]"),
    "bucket": ("s3", "list_buckets", "Buckets[].Name"),
    "secret": ("secretsmanager", "list_secrets", "SecretList[].Name"),
    "queue": ("sqs", "list_queues", "QueueUrls[]"),
    "topic": ("sns", "list_topics", "Topics[].TopicArn"),
    "role": ("iam", "list_roles", "Roles[].RoleName"),
}
"""How to list each kind of resource: service, operation, and where the result has the names."""

SAM_BUCKET = "aws-sam-cli-managed-default"
"""How the names of what SAM CLI creates for itself begin, once for each account."""


def existing_resources(ministack: Ministack) -> set[tuple[str, str]]:
    """Return kind and name of everything in the account, except what SAM CLI creates for itself."""
    return {
        (kind, name)
        for kind, (service, operation, names) in RESOURCES.items()
        for name in ministack.client(service).get_paginator(operation).paginate().search(names)
        if name and not name.startswith(SAM_BUCKET)
    }


@dataclass(frozen=True, slots=True)
class Stack:
    """A complete stack: its outputs, and the physical names of its resources by their logical IDs."""

    ministack: Ministack
    status: str
    outputs: dict[str, str]
    names: dict[str, str]

    @classmethod
    def load(cls, ministack: Ministack, name: str) -> "Stack":
        client = ministack.client("cloudformation")
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
        return cls(
            ministack,
            stack["StackStatus"],
            {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
            {
                resource["LogicalResourceId"]: resource["PhysicalResourceId"]
                for page in pages
                for resource in page["StackResourceSummaries"]
            },
        )

    def secret(self, logical_id: str) -> dict[str, str]:
        """Return the content of a secret."""
        client = self.ministack.client("secretsmanager")
        content: dict[str, str] = json.loads(client.get_secret_value(SecretId=self.names[logical_id])["SecretString"])
        return content

    @property
    def api(self) -> ApiClient:
        """A client of the HTTP API, with the key that the output ApiKeyCommand shows.

        ministack serves the API of the output ApiUrl at a path, because its domain exists only on AWS.
        """
        found = re.match(r"https://(\w+)\.execute-api\.", self.outputs["ApiUrl"])
        assert found, self.outputs["ApiUrl"]
        url = f"{self.ministack.endpoint}/_aws/execute-api/{found[1]}/$default"
        return ApiClient(url, self.secret("ApiKeySecret")["default"])

    def item_counts(self) -> dict[str, int]:
        """Return the number of items or objects in each table and bucket that a deletion must keep."""
        tables = {
            name: self._count("dynamodb", "scan", "Items[]", TableName=self.names[name])
            for name in ("RecordingsTable", "ControlTable")
        }
        buckets = {
            name: self._count("s3", "list_objects_v2", "Contents[]", Bucket=self.names[name])
            for name in ("RecordingsBucket", "TranscriptsBucket")
        }
        return tables | buckets

    def _count(self, service: str, operation: str, items: str, **arguments: Any) -> int:
        pages = self.ministack.client(service).get_paginator(operation).paginate(**arguments)
        return sum(item is not None for item in pages.search(items))
