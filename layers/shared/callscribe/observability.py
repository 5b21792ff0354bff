"""Logs and metrics. Tracing needs no import: `Tracing: Active` in the template is enough.

A log line identifies a recording by its id, never by its file name: names contain phone numbers. The service name and
the log level come from Powertools' environment variables (POWERTOOLS_SERVICE_NAME, POWERTOOLS_LOG_LEVEL).
"""

import os
import traceback
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger(use_rfc3339=True, utc=True)
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Callscribe"))
"""In CloudWatch's embedded metric format. The template gives each stack of an account a namespace of its own."""


def add_count(name: str, value: int = 1) -> None:
    """Add to the count metric `name`."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def add_duration(name: str, *, seconds: float) -> None:
    """Add a duration to the metric `name`."""
    metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=seconds)


def safe_exception_info(error: BaseException) -> dict[str, Any]:
    """What may be logged about an unexpected exception: its class and its traceback, but not its message.

    Libraries quote what they failed on: a header with a key in it, a file name.
    """
    return {"exception_name": type(error).__name__, "frames": traceback.format_tb(error.__traceback__)}
