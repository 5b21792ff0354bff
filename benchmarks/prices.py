"""What AWS asks for each thing, in one table: list prices of us-east-1, in dollars, without the free tier."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

OF_MONTH = "November 2026"
"""The month that these are of. docs/cost.md says which of them were looked up, and which were only remembered."""

MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Per unit: one request, one unit, one GB-second; `_gb_month` and `_month` for what is kept that long."""

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

    def gb_second(self, architecture: str) -> float:
        """Of a function's memory, on that processor."""
        return self.lambda_gb_second_arm64 if architecture == "arm64" else self.lambda_gb_second_x86_64


def read(path: Path) -> Prices:
    """Those of another region or month: a JSON object with the names above. Raises ValueError for any other name."""
    given = json.loads(path.read_text("utf-8"))
    if unknown := given.keys() - {each.name for each in fields(Prices)}:
        raise ValueError(f"there are no such prices: {', '.join(sorted(unknown))}")
    return replace(Prices(), **given)
