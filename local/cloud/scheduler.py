"""Invokes the functions on their schedules, with the event that EventBridge would send."""

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

_MAX_WAIT_SECONDS = 1.0
"""Maximum seconds between clock checks, so that a jump (laptop sleep) is noticed."""


@dataclass(slots=True)
class _Timer:
    rule: Rule
    schedule: Schedule
    due: datetime | None


def scheduled_event(rule: Rule, scheduled_at: datetime, stack: Stack) -> Any:
    """Build the event that the rule sends at this time: EventBridge's own, or the template's `Input`."""
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
    """Calls `invoke(function name, event)` when a rule of the stack is due. A context manager.

    `invoke` must not wait for the function. Raises: ValueError, when a schedule cannot be parsed.
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
        """Stop invoking. Functions that were invoked continue."""
        self._stopping.set()
        self._thread.join()

    def tick(self) -> datetime | None:
        """Invoke what is due and return when the next rule is. A rule that missed several times is invoked once."""
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
