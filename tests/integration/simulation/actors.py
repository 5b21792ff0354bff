"""Actors: runs and requests, each in a thread of its own, of which one at a time goes on, from one call to the next.

Where it goes on, and how, is a decision of the test alone, so that a sequence of decisions always gives the same story.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from testing.waiting import LIMIT_SECONDS


class Killed(BaseException):
    """As `kill -9`: nothing may catch it, and nothing that its way out runs through reaches anything any more."""


class Go(Enum):
    """How an actor goes on from the call that it stands at."""

    ON = auto()
    """The call is made, and its answer is had."""
    REQUEST_LOST = auto()
    """The call is not made; the actor learns that the connection broke."""
    ANSWER_LOST = auto()
    """The call is made; the actor learns that the connection broke."""
    DIE_BEFORE = auto()
    DIE_AFTER = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """What an actor stands at. It can go on when `ready`; `changes` something, elsewhere, or only asks."""

    what: str
    ready: Callable[[], bool] = lambda: True
    remote: bool = True
    changes: bool = False


_here = threading.local()


def current() -> "Actor | None":
    """The actor whose thread this is; None in the test's own."""
    actor: Actor | None = getattr(_here, "actor", None)
    return actor


class Actor:
    """One run or request, or (with a `parent`) one transcription of a run, which lives in the same process as the run.

    It begins with the first `go`. `claimed` is what a transcription is of.
    """

    def __init__(
        self, kind: str, work: Callable[[], Any], deadline: datetime, parent: "Actor | None" = None, claimed: Any = None
    ) -> None:
        self.kind, self.deadline, self.claimed = kind, deadline, claimed
        self.parent = parent
        self.root: Actor = parent.root if parent else self
        self.files: frozenset[str] = frozenset()
        """Which there were when it began."""
        self.family: list[Actor] = []
        self.root.family.append(self)
        self.at: Call | None = Call("begin", remote=False)
        self.killed = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._how = Go.ON
        self._going, self._standing = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, name=kind, daemon=True)

    @property
    def ended(self) -> bool:
        return self.at is None

    @property
    def ready(self) -> bool:
        return self.at is not None and self.at.ready()

    @property
    def alive(self) -> bool:
        """Whether the process that it lives in has work to do."""
        return not self.root.ended

    def go(self, how: Go = Go.ON) -> None:
        """Lets it go on until it stands at its next call, or has ended. For the test's thread."""
        self._how = how
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._going.release()
        if not self._standing.acquire(timeout=LIMIT_SECONDS):
            raise RuntimeError(f"{self.kind} is stuck behind {self.at}")
        if self.killed:
            self.kill()

    def kill(self) -> None:
        """Ends the process that it lives in, with all that goes on there."""
        for each in self.root.family:
            each.killed = True
            if each._thread.ident is None:
                each.at = None
            elif not each.ended:
                each._going.release()
                each._standing.acquire(timeout=LIMIT_SECONDS)

    def stand(self, call: Call) -> Go:
        """Stands at a call until the test lets it go on. For the actor's own thread."""
        if self.killed:
            raise Killed
        self.at = call
        self._standing.release()
        self._going.acquire()
        if self.killed or self._how is Go.DIE_BEFORE:
            self.die()
        return self._how

    def die(self) -> None:
        """Dies here and now. For the actor's own thread."""
        self.killed = True
        raise Killed

    def _live(self) -> None:
        _here.actor = self
        try:
            self.result = self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 — the test judges it
            self.error = error
        finally:
            self.at = None
            self._standing.release()
