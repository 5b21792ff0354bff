"""The budgets, and the rows that compare measured figures with them.

The name of a budget starts with the name of its benchmark. Budgets are agreed limits, not measured values.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit in `unit`; a figure up to `limit` meets it."""

    description: str
    limit: float
    unit: str = ""


BUDGETS = {
    "scan.lists": Budget("scan with nothing new: LIST requests for each 1,000 objects", 1),
    "scan.queries": Budget("scan with nothing new: Queries for each MB of the index", 1),
    "scan.units": Budget("scan with nothing new: read units for each object", 0.013),
    "scan.writes": Budget("scan with nothing new", 0, "writes"),
    "scan.memory": Budget("scan with nothing new: more memory than with a tenth of the objects", 4, "MB"),
    "scan.cpu": Budget("scan with nothing new: CPU, relative to listing alone", 1.5, "×"),
    "scan.puts": Budget("scan with new objects: writes for each of them", 1),
    "scan.reads": Budget("scan with new objects: reads of objects and records", 0),
    "requests.new": Budget("sync of a new object: extra requests", 2, "requests"),
    "requests.updates": Budget("queue: updates for each pending recording", 1),
    "requests.queue": Budget("queue: other requests", 12, "requests"),
    "requests.recording": Budget("process, one recording on `asr`, warm", 12, "requests"),
    "requests.list": Budget("API, list of 100", 1, "requests"),
    "requests.one": Budget("API, one recording", 1, "requests"),
    "requests.summary": Budget("API, status summary", 6, "requests"),
    "claims.queries": Budget("an uncontended claim", 1, "queries"),
    "claims.writes": Budget("an uncontended claim", 2, "writes"),
    "claims.lost": Budget("16 workers that claim at once: failed conditional writes for each claim", 3),
    "bulk.invocations": Budget("10,000 uploads in a minute: invocations of sync", 1100),
    "bulk.at_once": Budget("10,000 uploads in a minute: runs of sync at once", 2),
    "bulk.missing": Budget("10,000 uploads in a minute: recordings without a record", 0),
    "bulk.rejected": Budget("10,000 uploads in a minute: other invocations rejected, of 10 concurrent executions", 0),
    "upload.memory": Budget("process, a large file: additional memory", 8, "MB"),
    "upload.time": Budget("process, a large file: time, relative to a bare GET and POST", 1.3, "×"),
    "start.sync": Budget("import of the built sync: CPU, relative to boto3 with a client", 1.0, "×"),
    "start.queue": Budget("import of the built queue: CPU, relative to boto3 with a client", 1.0, "×"),
    "start.process": Budget("import of the built process: CPU, relative to boto3 with a client", 1.0, "×"),
    "start.api": Budget("import of the built api: CPU, relative to boto3 with a client", 1.4, "×"),
    "size.together": Budget("layer and functions without the decoder, unzipped", 60, "MB"),
    "size.decoder": Budget("packages other than process that contain the decoder", 0),
}
"""In the order of the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table. `figure`: None if it could not be measured.

    `baseline`: the reference figure, or a breakdown. `budget` is its limit and `name` the budget's name; a
    row without a budget is for information.
    """

    description: str
    figure: float | None
    unit: str = ""
    baseline: str = ""
    budget: float | None = None
    name: str = ""

    @property
    def is_met(self) -> bool:
        return self.budget is None or (self.figure is not None and self.figure <= self.budget)


def compare(name: str, figure: float | None, baseline: str, variant: str = "") -> Row:
    """Return the row of a figure that has a budget. `variant` distinguishes several figures with the same budget."""
    budget = BUDGETS[name]
    description = f"{budget.description} ({variant})" if variant else budget.description
    return Row(description, figure, budget.unit, baseline, budget.limit, name)
