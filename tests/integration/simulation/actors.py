"""Actors: task runs and API requests, each in its own thread. One of them runs at a time, until its next pause point.

The test alone decides which one runs next and how, so the same sequence of decisions always gives the same result.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from testing.waiting import LIMIT_SECONDS


class Killed(BaseException):
    """Simulates `kill -9`: nothing may catch it, and no cleanup code reaches a remote service any more."""


class Fault(Enum):
    """What goes wrong with the remote request at which an actor is paused."""

    NONE = auto()
    REQUEST_LOST = auto()
    """The request is not carried out; the actor gets a connection error."""
    RESPONSE_LOST = auto()
    """The request is carried out; the actor gets a connection error."""
    CRASH_BEFORE = auto()
    CRASH_AFTER = auto()


@dataclass(frozen=True, slots=True)
class PausePoint:
    """Where an actor is paused. `is_ready` returns whether it can continue; `is_write` marks a request that writes."""

    name: str
    is_ready: Callable[[], bool] = lambda: True
    is_remote: bool = True
    is_write: bool = False


_thread_local = threading.local()


def current_actor() -> "Actor | None":
    """Return the actor that this thread belongs to, or None in the test's own thread."""
    actor: Actor | None = getattr(_thread_local, "actor", None)
    return actor


class Actor:
    """A task run or an API request; or, with a `parent`, one transcription in the process of a run.

    It starts at the first `resume`. `claimed` is the recording of a transcription.
    """

    def __init__(
        self, kind: str, work: Callable[[], Any], deadline: datetime, parent: "Actor | None" = None, claimed: Any = None
    ) -> None:
        self.kind, self.deadline, self.claimed = kind, deadline, claimed
        self.parent = parent
        self.root: Actor = parent.root if parent else self
        self.files_at_start: frozenset[str] = frozenset()
        self.group: list[Actor] = []
        """Of a root: all actors in its process."""
        self.root.group.append(self)
        self.pause_point: PausePoint | None = PausePoint("start", is_remote=False)
        self.is_killed = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._fault = Fault.NONE
        self._may_resume, self._is_paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=kind, daemon=True)

    @property
    def has_ended(self) -> bool:
        return self.pause_point is None

    @property
    def is_ready(self) -> bool:
        return self.pause_point is not None and self.pause_point.is_ready()

    @property
    def is_process_alive(self) -> bool:
        return not self.root.has_ended

    def resume(self, fault: Fault = Fault.NONE) -> None:
        """Let the actor run until its next pause point or its end. Called by the test's thread."""
        self._fault = fault
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._may_resume.release()
        if not self._is_paused.acquire(timeout=LIMIT_SECONDS):
            raise RuntimeError(f"{self.kind} is stuck behind {self.pause_point}")
        if self.is_killed:
            self.kill()

    def kill(self) -> None:
        """Kill the actor's process, with all actors in it."""
        for actor in self.root.group:
            actor.is_killed = True
            if actor._thread.ident is None:
                actor.pause_point = None
            elif not actor.has_ended:
                actor._may_resume.release()
                actor._is_paused.acquire(timeout=LIMIT_SECONDS)

    def pause(self, pause_point: PausePoint) -> Fault:
        """Wait until the test resumes the actor, and return the fault to simulate. Called by the actor's thread."""
        if self.is_killed:
            raise Killed
        self.pause_point = pause_point
        self._is_paused.release()
        self._may_resume.acquire()
        if self.is_killed or self._fault is Fault.CRASH_BEFORE:
            self.crash()
        return self._fault

    def crash(self) -> None:
        """End the process at this point. Called by the actor's thread."""
        self.is_killed = True
        raise Killed

    def _run(self) -> None:
        _thread_local.actor = self
        try:
            self.result = self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 — the test judges it
            self.error = error
        finally:
            self.pause_point = None
            self._is_paused.release()
