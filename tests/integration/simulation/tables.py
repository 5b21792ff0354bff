"""Snapshots of the tables, read directly instead of with the store's requests."""

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
from tests.integration.simulation.in_process_aws import InProcessAws


@dataclass(frozen=True, slots=True)
class TablesSnapshot:
    """`holders` are the members of the set of slots; `slots` is the latest lease of each token."""

    recordings: Mapping[str, Recording] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    holders: frozenset[str] = frozenset()
    slots: Mapping[str, str] = field(default_factory=dict)
    outage: Outage | None = None
    probe: str | None = None
    probe_lease: datetime | None = None
    counted_until: str | None = None
    completed_count: int = 0

    def with_status(self, status: Status) -> list[Recording]:
        return [recording for recording in self.recordings.values() if recording.status is status]


class TablesReader:
    """Reads the tables. Items that have not changed since the last time are not parsed again."""

    def __init__(self, aws: InProcessAws) -> None:
        self._aws = aws
        self._parsed: dict[str, tuple[Any, Any]] = {}

    def read(self) -> TablesSnapshot:
        control = self._read_table("ControlTable", "name", ControlModel.from_raw_data)
        admission = control.get(ADMISSION, ControlModel(ADMISSION))
        completed = control.get(COMPLETED_COUNT, ControlModel(COMPLETED_COUNT))
        return TablesSnapshot(
            recordings=self._read_table("RecordingsTable", "id", _parse_recording),
            runs=self._read_table("RunsTable", "run", _parse_run),
            holders=frozenset(admission.slots or ()),
            slots={holder.split()[1]: holder.split()[0] for holder in sorted(admission.slots or ())},
            outage=to_outage(admission),
            probe=admission.probe,
            probe_lease=admission.probe_lease,
            counted_until=completed.counted_until,
            completed_count=int(completed.completed_count or 0),
        )

    def _read_table(self, table: str, key: str, parse: Any) -> dict[str, Any]:
        rows = (raw for raw in self._aws.table(table) if raw.get("task") != {"S": SERVICE_REQUEST_KIND})
        return {raw[key]["S"]: self._parse_if_changed(raw[key]["S"], raw, parse) for raw in rows}

    def _parse_if_changed(self, name: str, raw: Any, parse: Any) -> Any:
        before, parsed = self._parsed.get(name, (None, None))
        if before != raw:
            parsed = parse(raw)
            self._parsed[name] = raw, parsed
        return parsed


def _parse_recording(raw: Any) -> Recording:
    return recordings.to_recording(RecordingModel.from_raw_data(raw))


def _parse_run(raw: Any) -> Run:
    return _to_run(RunModel.from_raw_data(raw))
