"""Logs and metrics, in one place. Tracing needs no import: `Tracing: Active` in the template traces without it.

A log line names a recording by its id, never by its file name: names hold phone numbers. The service's name and the
log level come from Powertools' own environment variables (POWERTOOLS_SERVICE_NAME, POWERTOOLS_LOG_LEVEL).
"""

import os
import traceback
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger(use_rfc3339=True, utc=True)
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Callscribe"))
"""By CloudWatch's embedded metric format. The template's namespace tells two stacks in one account apart."""


def add_count(name: str, value: int = 1) -> None:
    """Adds to the metric `name` of this run, a count."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def add_duration(name: str, *, seconds: float) -> None:
    """Adds a duration to the metric `name` of this run."""
    metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=seconds)


def safe_exception_info(error: BaseException) -> dict[str, Any]:
    """What a log line may say of an unexpected exception: its kind and where, but not its text.

    Libraries put into their texts what they choked on: a header with a key in it, a file's name.
    """
    return {"fault": type(error).__name__, "frames": traceback.format_tb(error.__traceback__)}
