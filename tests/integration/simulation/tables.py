"""What stands in the tables at a moment, read past the store's own requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.run import Run
from callscribe.store import recordings
from callscribe.store.admission import to_outage
from callscribe.store.control_items import ADMISSION, COMPLETED_COUNT
from callscribe.store.runs import _to_run
from callscribe.store.tables import SERVICE_REQUEST_KIND, ControlModel, RecordingModel, RunModel
from tests.integration.simulation.remote import Remote


@dataclass(frozen=True, slots=True)
class Tables:
    """`holders` is who holds a slot, as it is written; `slots` are leases by token, the longest of each."""

    recordings: Mapping[str, Recording] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    holders: frozenset[str] = frozenset()
    slots: Mapping[str, str] = field(default_factory=dict)
    outage: Outage | None = None
    probe: str | None = None
    probe_lease: datetime | None = None
    until: str | None = None
    counted: int = 0

    def of(self, status: Status) -> list[Recording]:
        return [each for each in self.recordings.values() if each.status is status]


class Reader:
    """Reads the tables; what has not changed since the last time is not parsed again."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._parsed: dict[str, tuple[Any, Any]] = {}

    def read(self) -> Tables:
        control = self._all("ControlTable", "name", ControlModel.from_raw_data)
        admission = control.get(ADMISSION, ControlModel(ADMISSION))
        completed = control.get(COMPLETED_COUNT, ControlModel(COMPLETED_COUNT))
        return Tables(
            recordings=self._all("RecordingsTable", "id", _recording),
            runs=self._all("RunsTable", "run", _as_run),
            holders=frozenset(admission.slots or ()),
            slots={holder.split()[1]: holder.split()[0] for holder in sorted(admission.slots or ())},
            outage=to_outage(admission),
            probe=admission.probe,
            probe_lease=admission.probe_lease,
            until=completed.counted_until,
            counted=int(completed.completed_count or 0),
        )

    def _all(self, table: str, key: str, parse: Any) -> dict[str, Any]:
        rows = (raw for raw in self._remote.table(table) if raw.get("task") != {"S": SERVICE_REQUEST_KIND})
        return {raw[key]["S"]: self._once(raw[key]["S"], raw, parse) for raw in rows}

    def _once(self, name: str, raw: Any, parse: Any) -> Any:
        before, parsed = self._parsed.get(name, (None, None))
        if before != raw:
            parsed = parse(raw)
            self._parsed[name] = raw, parsed
        return parsed


def _recording(raw: Any) -> Recording:
    return recordings.to_recording(RecordingModel.from_raw_data(raw))


def _as_run(raw: Any) -> Run:
    return _to_run(RunModel.from_raw_data(raw))
