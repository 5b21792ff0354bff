"""AWS list prices of us-east-1 in dollars, without the free tier, and the lines of a bill."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from pathlib import Path

PRICE_MONTH = "November 2026"
"""The month of these prices. docs/cost.md says which of them were looked up, and which are from memory."""

MILLION = 1_000_000

BILL_LINES = {
    "Lambda: time": ("lambda_gb_second", "lambda_storage_gb_second"),
    "Lambda: requests": ("lambda_request",),
    "DynamoDB: writes": ("dynamodb_write_unit",),
    "DynamoDB: reads": ("dynamodb_read_unit",),
    "DynamoDB: storage": ("dynamodb_gb_month",),
    "DynamoDB: point-in-time recovery": ("dynamodb_recovery_gb_month",),
    "S3: requests": ("s3_put_or_list", "s3_get"),
    "S3: transcripts": ("s3_gb_month",),
    "EventBridge": ("events_event",),
    "SQS": ("sqs_request",),
    "API Gateway": ("api_request",),
    "Secrets Manager": ("secret_month", "secret_request"),
    "CloudWatch: logs": ("logs_gb", "logs_gb_month"),
    "CloudWatch: metrics, alarms, dashboard": ("metric_month", "alarm_month", "dashboard_month"),
    "X-Ray": ("trace",),
    "audio out to the server": ("out_gb",),
}
"""The prices summed in each line of the bill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices per request, capacity unit or GB-second; `_gb_month` and `_month` for storing or having it for a month."""

    lambda_request: float = 0.20 / MILLION
    lambda_gb_second_x86_64: float = 0.0000166667
    lambda_gb_second_arm64: float = 0.0000133334
    lambda_storage_gb_second: float = 0.0000000309
    dynamodb_write_unit: float = 0.625 / MILLION
    dynamodb_read_unit: float = 0.125 / MILLION
    dynamodb_gb_month: float = 0.25
    dynamodb_recovery_gb_month: float = 0.20
    s3_put_or_list: float = 0.005 / 1000
    s3_get: float = 0.0004 / 1000
    s3_gb_month: float = 0.023
    events_event: float = 1.00 / MILLION
    sqs_request: float = 0.40 / MILLION
    api_request: float = 1.00 / MILLION
    secret_month: float = 0.40
    secret_request: float = 0.05 / 10_000
    logs_gb: float = 0.50
    logs_gb_month: float = 0.03
    metric_month: float = 0.30
    alarm_month: float = 0.10
    dashboard_month: float = 3.00
    trace: float = 5.00 / MILLION
    out_gb: float = 0.09

    def bill(self, usage: Mapping[str, float], architecture: str) -> dict[str, float]:
        """Return the dollars of each line for these quantities; `lambda_gb_second` is charged by architecture."""
        price = asdict(self)
        price["lambda_gb_second"] = price[f"lambda_gb_second_{architecture}"]
        return {line: sum(usage[name] * price[name] for name in names) for line, names in BILL_LINES.items()}


def load(path: Path) -> Prices:
    """Load prices of another region or month from a JSON object with the names above.

    Raises: ValueError, when it has another name or shape.
    """
    overrides = json.loads(path.read_text("utf-8"))
    names = {field.name for field in fields(Prices)}
    for name, price in overrides.items() if isinstance(overrides, dict) else [("the document", overrides)]:
        if name not in names:
            raise ValueError(f"{name} is not the name of a price")
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < inf:
            raise ValueError(f"{name} must be a number of 0 or more, not {price!r}")
    return replace(Prices(), **overrides)
