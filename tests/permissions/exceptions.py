"""What is granted and never seen at a server of the tests, each with its reason; and what SAM adds by itself.

A statement goes by its Sid or, where it has none (SAM writes such), by its actions.
"""

from collections.abc import Mapping

BY_THE_SERVICE = "Lambda itself uses it, with the function's role; our code does not."

_FAILED = f"{BY_THE_SERVICE} It sends events that failed to their queue by it."
_MOUNT = f"{BY_THE_SERVICE} It mounts EFS by it, which there is not on one's own machine."

UNSEEN: Mapping[tuple[str, str], str] = {
    ("SyncFunction", "MountRecordings"): _MOUNT,
    ("ProcessFunction", "MountRecordings"): _MOUNT,
    ("ApiFunction", "MountRecordings"): _MOUNT,
    ("SyncFunction", "sqs:SendMessage"): _FAILED,
    ("QueueFunction", "sqs:SendMessage"): _FAILED,
    ("ProcessFunction", "sqs:SendMessage"): _FAILED,
}
"""Statements of which nothing is seen."""

_LOGS = "AWSLambdaBasicExecutionRole"
_TRACES = "AWSXrayWriteOnlyAccess"
_NETWORK = "AWSLambdaVPCAccessExecutionRole"

MANAGED: Mapping[str, str] = {
    _LOGS: "logs:CreateLogGroup, CreateLogStream and PutLogEvents, on all log groups: Lambda writes the logs by it.",
    _TRACES: "xray:Put… and three xray:GetSampling…: Lambda sends its traces by it (`Tracing: Active`).",
    _NETWORK: "The same logs, and network interfaces for a VPC. LeaveTheNetworkToLambda denies the latter to our code.",
}
"""AWS's own policies that SAM attaches. They have no resources of ours in them: what they give is on everything."""

ATTACHED: Mapping[str, frozenset[str]] = {
    "SyncFunction": frozenset({_LOGS, _TRACES, _NETWORK}),
    "QueueFunction": frozenset({_LOGS, _TRACES}),
    "ProcessFunction": frozenset({_LOGS, _TRACES, _NETWORK}),
    "ApiFunction": frozenset({_LOGS, _TRACES, _NETWORK}),
}
