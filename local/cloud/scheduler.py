"""Fires the functions when their rules say, with the event that EventBridge would send."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any, Self

from callscribe.clock import utc_now
from functions.api.schedule import Schedule, parse_schedule
from local.cloud.stack import Rule, Stack

# How late a change of the clock (a laptop that slept) may be noticed.
_MAX_WAIT_SECONDS = 1.0


@dataclass(slots=True)
class _Timer:
    rule: Rule
    schedule: Schedule
    due: datetime | None


def scheduled_event(rule: Rule, scheduled_at: datetime, stack: Stack) -> Any:
    """Give the event that the rule sends at that time: EventBridge's own, or the template's `Input`."""
    if rule.input is not None:
        return json.loads(rule.input)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": stack.account_id,
        "time": scheduled_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": stack.region,
        "resources": [rule.arn],
        "detail": {},
    }


class Scheduler:
    """Calls `fire(function name, event)` for each rule of the stack that is due.

    A context manager, which runs until its end. `fire` must not wait for the function.
    Raises `ValueError` for a schedule that cannot be read.
    """

    def __init__(
        self,
        stack: Stack,
        invoke: Callable[[str, Any], object],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._stack = stack
        self._invoke = invoke
        self._clock = clock
        now = clock()
        self._timers = []
        for rule in stack.rules:
            schedule = parse_schedule(rule.schedule)
            self._timers.append(_Timer(rule, schedule, schedule.next_run_after(now)))
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="scheduler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Fire nothing more. What was fired continues."""
        self._stopping.set()
        self._thread.join()

    def tick(self) -> datetime | None:
        """Fire what is due, and tell when the next is. What was missed several times is fired once."""
        now = self._clock()
        for timer in self._timers:
            if timer.due is None or timer.due > now:
                continue
            self._invoke(timer.rule.function, scheduled_event(timer.rule, timer.due, self._stack))
            due: datetime | None = timer.due
            while due is not None and due <= now:
                due = timer.schedule.next_run_after(due)
            timer.due = due
        return min((timer.due for timer in self._timers if timer.due is not None), default=None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            due = self.tick()
            if due is None:
                return
            wait = (due - self._clock()).total_seconds()
            self._stopping.wait(min(max(wait, 0), _MAX_WAIT_SECONDS))
