"""What a simulated day is told, and what it tells. Times are seconds since the beginning of the day."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from functions.process import app as process
from functions.queue import app as queue

MINUTE, DAY = 60, 86_400
BYTES_A_SECOND = 16_000
"""Of audio: 8 kHz, 16 bits, one channel."""
SLOT_BYTES, ADMISSION_BYTES = 60, 40
"""Of who holds a slot, in the one item of all slots; and of that item besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Those of the template. `queue_minutes`, `process_minutes`: how far the ticks of the schedules lie apart."""

    slots: int = 1
    per_run: int = 1
    interval: int = 60
    queue_minutes: float = 10
    process_minutes: float = 1
    dialect: str = "asr"
    batch: int = queue.BATCH
    at_once: int = process.AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """So many recordings at a time, each in `speed` seconds for a second of audio and `each` seconds besides."""

    servers: int = 1
    speed: float = 0.1
    each: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Seconds that the steps take. Assumed: a request from a function of 512 MB to DynamoDB or S3, signed and read."""

    request: float = 0.012
    start: float = 0.3
    to_pending: float = 2.0
    """From the upload to its record: the event, and a run of sync."""
    send: float = 1.0
    """To send the audio of a job; and to read the answer of any poll, `poll`."""
    poll: float = 0.1
    life: float = 900.0
    """Of a run."""

    @property
    def claim(self) -> float:
        """Switches, the line, a slot, the claim."""
        return 4 * self.request

    @property
    def end(self) -> float:
        """The transcript, completion, the slot, how far the run is, the event."""
        return 5 * self.request


ASSUMED = Steps()


@dataclass(slots=True)
class Run:
    """An invocation of process."""

    began: float
    ends: float
    rounds: deque[float]
    left: int = 0
    under_way: int = 0
    free_at: float = 0.0
    slowest: float = 0.0
    ended: float | None = None
    completed: int = 0
    parked: deque[int] = field(default_factory=deque)


@dataclass(slots=True)
class Outcome:
    """What came of the calls. `begun` and `done` are when, by the number of the call; -1 where it has not come to that.

    `minutes`: by what happened, how often in each minute. `busy`: slots held, at the beginning of each minute.
    """

    arrivals: Sequence[float]
    queued: list[float]
    begun: list[float]
    done: list[float]
    runs: list[Run] = field(default_factory=list)
    queue_seconds: float = 0.0
    minutes: dict[str, Counter[int]] = field(default_factory=dict)
    busy: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    oldest: list[float] = field(default_factory=list)
    most_slots: int = 0
    given_up: int = 0
    slot_seconds: float = 0.0
    slot_units: int = 0
    """Write units of the one item of all slots: the more hold one, the larger it is."""

    def happened(self, what: str, at: float, times: int = 1) -> None:
        self.minutes.setdefault(what, Counter())[int(at // MINUTE)] += times

    def total(self, what: str) -> int:
        return self.minutes.get(what, Counter()).total()

    def busiest(self, what: str) -> int:
        """How often in the minute in which it was most."""
        return max(self.minutes.get(what, Counter((0,))).values())
