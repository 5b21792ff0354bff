"""A day of calls through the rules of the code, without the code: who is put in line when, who begins what, who waits.

The rules are those of functions/queue/app.py, functions/process/dispatcher.py, line.py and time_left.py and of
store/admission.py; their constants are taken from there. What is assumed of AWS and of the server is in `Steps` and
`Service`. Times are seconds since the beginning of the day.
"""

import heapq
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from math import ceil

from benchmarks.capacity import WRITE_UNIT
from callscribe import transitions
from functions.process import app as process
from functions.process import line, parts, time_left
from functions.queue import app as queue

MINUTE, DAY = 60, 86_400
BYTES_A_SECOND = 16_000
"""Of audio: 8 kHz, 16 bits, one channel."""
SLOT_BYTES, ADMISSION_BYTES = 60, 40
"""Of who holds a slot, in the one item of all slots; and of that item besides."""
RETRIED_AFTER = 45
"""Seconds, on the average, after a first failed attempt."""


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
    too_slow: int = 0
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


class Simulation:
    """Of the calls that `arrive` then, of these `lengths` in seconds."""

    def __init__(
        self,
        arrive: Sequence[float],
        lengths: Sequence[float],
        parameters: Parameters,
        service: Service,
        steps: Steps = ASSUMED,
        *,
        ticks: Sequence[float] | None = None,
        queue_ticks: Sequence[float] | None = None,
        until: float = DAY,
    ) -> None:
        self._lengths = lengths
        self._of = parameters
        self._service = service
        self._steps = steps
        self._until = until
        none = [-1.0] * len(arrive)
        self.outcome = Outcome(arrive, none, none.copy(), none.copy())
        self._events: list[tuple[float, int, str, Run | None, int]] = []
        self._order = count()
        self._servers = [0.0] * service.servers
        self._pending = self._head = self._tail = 0
        self._held, self._held_since = 0, 0.0
        self._retries: list[tuple[float, int]] = []
        self._jobs: list[tuple[float, int]] = []
        self._job_ends: dict[int, tuple[float, float]] = {}
        self._running = 0
        self._limit = max(line.CANDIDATES, parameters.slots)
        for at in _every(queue_ticks, parameters.queue_minutes, until):
            self._at(at, "queue")
        for at in _every(ticks, parameters.process_minutes, until):
            self._at(at, "process")
        for minute in range(int(until // MINUTE)):
            self._at(minute * MINUTE, "look")

    def run(self) -> Outcome:
        """Until the day is over; what is under way then comes to its end, and nothing more is begun."""
        does = {"queue": self._queue, "process": self._process, "round": self._round, "done": self._done}
        does |= {"polled": self._polled}
        while self._events:
            at, _, what, run, number = heapq.heappop(self._events)
            if what == "look":
                self._look(at)
            elif run is not None and run.free_at > at:  # its one thread is at something else
                self._at(run.free_at, what, run, number)
            else:
                does[what](at, run, number)
        return self.outcome

    def _at(self, at: float, what: str, run: Run | None = None, number: int = -1) -> None:
        heapq.heappush(self._events, (at, next(self._order), what, run, number))

    def _look(self, at: float) -> None:
        out = self.outcome
        out.busy.append(self._held)
        out.running.append(self._running)
        waiting = self._head < len(out.arrivals) and out.arrivals[self._head] <= at
        out.oldest.append(at - out.arrivals[self._head] if waiting else 0.0)

    # queue ------------------------------------------------------------------------------------------------------------

    def _queue(self, at: float, _run: Run | None, _number: int) -> None:
        """The first 1,000 that are pending when it looks, one update after the other, as far as its time goes."""
        out, began = self.outcome, at + self._steps.start
        out.happened("queue", at)
        now = began + 7 * self._steps.request
        last = min(self._pending + self._of.batch, len(out.arrivals))
        while self._pending < last and out.arrivals[self._pending] + self._steps.to_pending <= began:
            now += self._steps.request
            if now - began > 300 - queue.RESERVE.total_seconds():
                break
            out.queued[self._pending] = now
            out.happened("queued", now)
            self._pending += 1
        self._tail = self._pending
        out.queue_seconds += now - began

    # process ----------------------------------------------------------------------------------------------------------

    def _process(self, at: float, _run: Run | None, _number: int) -> None:
        began = at + self._steps.start
        number = MINUTE // self._of.interval
        rounds = deque(began + each * self._of.interval for each in range(number))
        run = Run(began, began + self._steps.life, rounds, free_at=began)
        self.outcome.runs.append(run)
        self.outcome.happened("process", at)
        self._running += 1
        for each in rounds:
            self._at(each, "round", run)

    def _round(self, at: float, run: Run | None, _number: int) -> None:
        assert run is not None
        run.rounds.popleft()
        run.left = self._of.per_run
        now = at + 5 * self._steps.request
        most = max(self._limit, line.OVERDUE_AT_ONCE)
        while self._jobs and self._jobs[0][0] < at and len(run.parked) < most:
            run.parked.append(heapq.heappop(self._jobs)[1])
        self._begin(run, now)

    def _begin(self, run: Run, now: float) -> None:
        """Polls first, then what is next in line: `Dispatcher._begin`."""
        at_once = min(self._of.slots, self._of.at_once)
        while run.left or run.parked:
            if run.ends - now < time_left.LEAST.total_seconds() or now >= self._until:
                self._no_more(run)
            elif run.under_way >= at_once:
                break
            elif run.parked:
                now += 3 * self._steps.request
                run.under_way += 1
                self._at(now + self._steps.poll, "polled", run, run.parked.popleft())
            else:
                now += self._steps.request * 2
                number = self._next(now)
                if number is None:
                    self.outcome.happened("nothing", now)
                elif not self._can_finish(run, number, now):
                    self._no_more(run)
                    break
                elif self._held < self._of.slots:
                    now = self._claim(run, number, now)
                    continue
                else:
                    self._slots(0, now)
                    self.outcome.happened("refused", now)
                    now += 2 * self._steps.request
                if run.under_way:
                    break
                self._no_more(run)
        run.free_at = now
        if not run.under_way and not run.rounds and run.ended is None:
            run.ended = now + self._steps.request
            self._running -= 1

    def _no_more(self, run: Run) -> None:
        run.left = 0
        while run.parked:
            heapq.heappush(self._jobs, (0.0, run.parked.popleft()))

    def _next(self, now: float) -> int | None:
        """The oldest in line; when nobody is, who is due to be tried again. It stays there until it is claimed."""
        if self._head < self._tail and self.outcome.queued[self._head] <= now:
            return self._head
        if self._retries and self._retries[0][0] <= now:
            return self._retries[0][1]
        return None

    def _size(self, number: int) -> float:
        return max(self._lengths[number] * BYTES_A_SECOND, time_left.MEASURABLE)

    def _can_finish(self, run: Run, number: int, now: float) -> bool:
        fresh_until = run.ends - time_left.FRESH_PART * (run.ends - run.began)
        seconds = run.slowest * self._size(number)
        return now <= fresh_until or 0 < seconds <= run.ends - time_left.RESERVE.total_seconds() - now

    def _claim(self, run: Run, number: int, now: float) -> float:
        if number == self._head:
            self._head += 1
        else:
            heapq.heappop(self._retries)
        out = self.outcome
        now += 2 * self._steps.request
        self._slots(+1, now)
        run.left -= 1
        run.under_way += 1
        out.begun[number] = now
        out.happened("begun", now)
        if self._of.dialect == "tasks":
            sent = now + self._steps.send
            self._job_ends[number] = sent, self._served(sent, number)
            self._at(sent, "done", run, number)
            return now
        done, latest = self._served(now, number), run.ends - time_left.RESERVE.total_seconds()
        patience = parts.LEAST_SECONDS + parts.SECONDS_A_SECOND * self._lengths[number]
        self.outcome.too_slow += done - now > patience
        if done <= latest:
            self._at(done, "done", run, number)
        else:
            self._at(latest, "done", run, -2 - number)
        return now

    def _served(self, now: float, number: int) -> float:
        """When the server has done it: it takes one after the other."""
        begins = max(now, heapq.heappop(self._servers))
        ends = begins + self._service.each + self._service.speed * self._lengths[number]
        heapq.heappush(self._servers, ends)
        return ends

    def _done(self, at: float, run: Run | None, number: int) -> None:
        assert run is not None
        run.under_way -= 1
        now = at + self._steps.end
        if number < -1:
            number = -2 - number
            self._given_up(number, now)
        elif self._of.dialect == "tasks":
            self._park(number, now)
        else:
            run.slowest = max(run.slowest, (at - self.outcome.begun[number]) / self._size(number))
            self._complete(run, number, now)
        self._begin(run, now)

    def _given_up(self, number: int, now: float) -> None:
        self._slots(-1, now)
        self.outcome.given_up += 1
        heapq.heappush(self._retries, (now + RETRIED_AFTER, number))

    def _complete(self, run: Run, number: int, now: float) -> None:
        self._slots(-1, now)
        run.completed += 1
        self.outcome.done[number] = now
        self.outcome.happened("done", now)

    def _park(self, number: int, now: float) -> None:
        since, _ = self._job_ends[number]
        soonest, latest = transitions.POLL_SOONEST.total_seconds(), transitions.POLL_LATEST.total_seconds()
        heapq.heappush(self._jobs, (now + min(max(transitions.POLL_PART * (now - since), soonest), latest), number))

    def _polled(self, at: float, run: Run | None, number: int) -> None:
        assert run is not None
        run.under_way -= 1
        self.outcome.happened("polled", at)
        now = at + self._steps.end
        if self._job_ends[number][1] <= at:
            del self._job_ends[number]
            self._complete(run, number, now)
        else:
            self._park(number, now)
        self._begin(run, now)

    def _slots(self, more: int, now: float) -> None:
        """Asks for a slot, or gives one back: a write, whether or not there is one."""
        out = self.outcome
        out.slot_seconds += self._held * (now - self._held_since)
        self._held, self._held_since = self._held + more, now
        out.slot_units += ceil((ADMISSION_BYTES + SLOT_BYTES * self._held) / WRITE_UNIT)
        out.most_slots = max(out.most_slots, self._held)


def _every(given: Sequence[float] | None, minutes: float, until: float) -> Sequence[float]:
    if given is not None:
        return given
    return [number * minutes * MINUTE for number in range(int(until / (minutes * MINUTE)) + 1)]
