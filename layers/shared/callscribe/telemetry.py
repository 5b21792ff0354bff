"""Logs and metrics, in one place. Tracing needs no import: `Tracing: Active` in the template traces without it.

A log line names a recording by its id, never by its file name: names hold phone numbers. The service's name and the
log level come from Powertools' own environment variables (POWERTOOLS_SERVICE_NAME, POWERTOOLS_LOG_LEVEL).
"""

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger(use_rfc3339=True, utc=True)
metrics = Metrics(namespace="Callscribe")


def count(name: str, value: int = 1) -> None:
    """Adds to the metric `name` of this run, a count, in the namespace `Callscribe`."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
