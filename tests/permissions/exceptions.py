"""Grants that no test can use, each with its reason, and the policies that SAM adds by itself.

A statement is named by its Sid or, if SAM wrote it without one, by its actions.
"""

from collections.abc import Mapping

BY_THE_SERVICE = "Lambda itself uses it, with the function's role; the code does not."

_FAILED = f"{BY_THE_SERVICE} It sends failed events to their queue."
_MOUNT = f"{BY_THE_SERVICE} It mounts EFS, which does not exist locally."

_DECRYPT = "S3 uses it, in the name of the function, for objects that are encrypted with a key of KMS."

NEVER_USED: Mapping[tuple[str, str], str] = {
    ("SyncFunction", "MountRecordings"): _MOUNT,
    ("ProcessFunction", "MountRecordings"): _MOUNT,
    ("ApiFunction", "MountRecordings"): _MOUNT,
    ("SyncFunction", "DecryptRecordings"): _DECRYPT,
    ("ProcessFunction", "DecryptRecordings"): _DECRYPT,
    ("ApiFunction", "DecryptRecordings"): _DECRYPT,
    ("SyncFunction", "ReceiveUploadEvents"): f"{BY_THE_SERVICE} It polls the queue of uploads.",
    ("SyncFunction", "sqs:SendMessage"): _FAILED,
    ("QueueFunction", "sqs:SendMessage"): _FAILED,
    ("ProcessFunction", "sqs:SendMessage"): _FAILED,
}
"""Reasons by function and statement."""

_LOGS = "AWSLambdaBasicExecutionRole"
_TRACES = "AWSXrayWriteOnlyAccess"
_NETWORK = "AWSLambdaVPCAccessExecutionRole"

MANAGED: Mapping[str, str] = {
    _LOGS: "logs:CreateLogGroup, CreateLogStream and PutLogEvents, on all log groups: Lambda writes the logs.",
    _TRACES: "xray:Put… and three xray:GetSampling…: Lambda sends traces (`Tracing: Active`).",
    _NETWORK: "The same logs, and network interfaces for a VPC. LeaveTheNetworkToLambda denies the latter to the code.",
}
"""AWS managed policies that SAM attaches. They name no resources of the stack: they grant their actions on all."""

ATTACHED: Mapping[str, frozenset[str]] = {
    "SyncFunction": frozenset({_LOGS, _TRACES, _NETWORK}),
    "QueueFunction": frozenset({_LOGS, _TRACES}),
    "ProcessFunction": frozenset({_LOGS, _TRACES, _NETWORK}),
    "ApiFunction": frozenset({_LOGS, _TRACES, _NETWORK}),
}
