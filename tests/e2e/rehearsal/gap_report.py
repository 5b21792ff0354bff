"""Lists the gaps of ministack in this run: what was worked around, and what the rehearsal therefore does not show."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from tests.e2e.rehearsal.gaps import INSTEAD
from tests.e2e.rehearsal.report import Report
from tests.e2e.rehearsal.stack import Stack


def has_lifecycle(stack: Stack) -> bool:
    """Whether the recordings bucket has the lifecycle rules of the template."""
    try:
        stack.ministack.client("s3").get_bucket_lifecycle_configuration(Bucket=stack.names["RecordingsBucket"])
    except ClientError:
        return False
    return True


def has_expiry(stack: Stack) -> bool:
    """Whether items of the runs table expire."""
    client = stack.ministack.client("dynamodb")
    description = client.describe_time_to_live(TableName=stack.names["RunsTable"])["TimeToLiveDescription"]
    return str(description["TimeToLiveStatus"]) == "ENABLED"


def has_recovery(stack: Stack) -> bool:
    """Whether the recordings table can be restored to a point in time."""
    client = stack.ministack.client("dynamodb")
    backups = client.describe_continuous_backups(TableName=stack.names["RecordingsTable"])
    recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return str(recovery.get("PointInTimeRecoveryStatus")) == "ENABLED"


def has_limits(stack: Stack) -> bool:
    """Whether the HTTP API has the rate limits of the template."""
    (stage,) = stack.ministack.client("apigatewayv2").get_stages(ApiId=stack.names["HttpApi"])["Items"]
    return bool(stage.get("DefaultRouteSettings"))


def has_plain_key(stack: Stack) -> bool:
    """Whether the generated key has no punctuation."""
    return stack.secret("ApiKeySecret")["default"].isalnum()


IGNORED: dict[str, Callable[[Stack], bool]] = {
    "lifecycle rules of the buckets": has_lifecycle,
    "expiry of runs": has_expiry,
    "point-in-time recovery of the tables": has_recovery,
    "rate limits of the HTTP API": has_limits,
    "ExcludePunctuation for the generated key": has_plain_key,
}
"""Properties that ministack may ignore."""

NOT_SHOWN = (
    "permissions are not enforced: tests/permissions compares those used with those granted",
    "functions run as processes of this machine: test_built_functions.py and test_sam_local.py check the builds",
    "no outage, no quota and no delay of AWS; no backup of deleted tables, no recovery of deleted secrets",
)
"""What no run can show."""


def ignored_properties(stack: Stack) -> list[str]:
    """Return the names of the properties that ministack has ignored."""
    return [name for name, is_applied in IGNORED.items() if not is_applied(stack)]


def print_gaps(report: Report, noted: set[str], ignored: list[str]) -> None:
    """Print all gaps of this run, with what the rehearsal did instead."""
    report.step("Gaps of ministack")
    for name in INSTEAD:
        if name in noted:
            report.line(f"worked around: {name}; {INSTEAD[name]}")
    for name in ignored:
        report.line(f"ignored: {name}; tests/unit/test_template.py checks what the template declares")
    for text in NOT_SHOWN:
        report.line(f"not shown: {text}")
