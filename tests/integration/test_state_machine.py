"""Whatever happens in whatever order: nothing is sent twice, nothing is lost, and all work is finished.

Hypothesis chooses the order in which concurrent runs and requests call AWS. They die, responses get lost, time passes,
and the service misbehaves. The invariants are checked after each step. A failing example is shrunk to the shortest
story; CALLSCRIBE_EXAMPLES=1000 runs that many examples, different ones each time.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from callscribe.recordings.recording import Status
from callscribe.recordings.run import Task
from callscribe.store import settings_overrides
from tests.integration.simulation.actors import Actor, Go
from tests.integration.simulation.checks import Checks
from tests.integration.simulation.ending import come_to_rest, finish, runs_are_told_as_they_are, summary_is_exact
from tests.integration.simulation.service import FOR_EVER, Mode
from tests.integration.simulation.world import Setup, World

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("CALLSCRIBE_EXAMPLES", "0"))
FILES = 6
LATE = 240
USER_STATUSES = (Status.QUEUED, Status.PENDING)
OPEN_STATUSES = (Status.QUEUED, Status.FAILED)

anyone = st.integers(0, 7)
"""Selects one of the existing actors or recordings, modulo their number."""

END = 40
"""More writes than any run makes."""

FEWER = 3
"""The most writes that an actor other than a process run makes."""

few = st.integers(0, 8) | st.just(END)

enough = st.integers(3, 8) | st.just(END)
"""At least up to the first poll."""

READS = 8
"""More reads than any run makes between two writes."""

laters = st.sampled_from([0, 0, 130, 1000])
"""Seconds: immediately, when a retry is due, when the lease of a dead worker has expired."""

modes = st.sampled_from([Mode.ANSWERS, Mode.ANSWERS, *Mode])

tasks = st.sampled_from(["process", "sync", "queue"])

lasts = st.sampled_from([100.0, 0.0, 1500.0, FOR_EVER])
"""How many seconds jobs take."""

FATES = {"refused": Mode.REFUSES, "forgotten": Mode.ANSWERS}

fates = st.sampled_from(["continues", *FATES])

pauses = st.sampled_from([3, 3, 60, 400, 1300])
"""Seconds between polls; the last is longer than a slot is held without a poll."""

hows = st.sampled_from([Go.ON, Go.ON, Go.ON, Go.ANSWER_LOST, Go.REQUEST_LOST, Go.DIE_BEFORE, Go.DIE_AFTER])

setups = st.builds(
    Setup,
    slots=st.sampled_from([2, 1, 3]),
    per_run=st.integers(1, 3),
    max_attempts=st.integers(2, 3),
    interval=st.sampled_from([60, 30]),
    late=st.sampled_from([0, LATE]),
    jobs=st.sampled_from([True, False, True]),
)


HAPPENS = (
    "answers lost",
    "requests lost",
    "crashes",
    "sent again",
    "without an answer",
    "recovered",
    "probes",
    "breaker closed",
    "checkpoints",
    "runs shown as died",
    "completed → queued",
    "failed → processing",
    "parked",
    "polled",
    "found again",
    "jobs lost",
    "slots held again",
)
"""The events that the examples must cover."""


class Stories(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.has_failed = False
        self.last_seen_tables: Any = None

    @initialize(setup=setups, files=st.integers(0, 3), lasting=lasts)
    def begin(self, setup: Setup, files: int, lasting: float) -> None:
        self.world.begin(setup)
        self.world.service.lasts = lasting
        self.checks = Checks(self.world)
        self.world.totals["examples"] += 1
        for number in range(files):
            self.world.add_file(f"{number}.wav")

    # events -----------------------------------------------------------------------------------------------------------

    @rule(task=tasks, later=laters, changes=few, how=hows)
    def run(self, task: str, later: int, changes: int, how: Go) -> None:
        if task == "process":
            self.ensure_work(later)
        self.advance(self.world.start(task), changes, how)

    @rule(mode=modes, later=laters, changes=few, between=few, rest=few, how=hows)
    def two_runs(self, mode: Mode, later: int, changes: int, between: int, rest: int, how: Go) -> None:
        """Two concurrent process runs: a scheduled one and a user's, or one event delivered twice."""
        self.ensure_work(later)
        self.world.service.mode = mode
        first, second = self.world.start("process"), self.world.start("process")
        self.advance(first, changes)
        self.advance(second, between, how)
        self.advance(first, rest, how)

    @precondition(lambda self: self.world.setup.late)
    @rule(mode=modes, later=laters, changes=st.integers(2, 8), between=few, rest=few)
    def late_worker(self, mode: Mode, later: int, changes: int, between: int, rest: int) -> None:
        """A run is still active when its lease expires, and another run recovers its recordings."""
        self.ensure_work(later)
        self.world.service.mode = mode
        first = self.world.start("process")
        if first:
            self.advance(first, changes)
            self.leave_time(first, -90)
            self.advance(self.world.start("process"), between)
            self.advance(first, rest)

    @precondition(lambda self: self.checks.tables.recordings)
    @rule(which=anyone, request=st.sampled_from(["transcribe", "force", *USER_STATUSES]), changes=few, how=hows)
    def request_transition(self, which: int, request: str, changes: int, how: Go) -> None:
        tables = self.checks.tables
        completed = [recording.id for recording in tables.of(Status.COMPLETED)] if request == "force" else []
        ids = sorted(completed or tables.recordings)
        self.advance(self.world.ask(ids[which % len(ids)], request), changes, how)

    @precondition(lambda self: self.world.living())
    @rule(who=anyone, changes=few, how=hows)
    def continue_one(self, who: int, changes: int, how: Go) -> None:
        self.advance(self.select(self.world.living(), who), changes, how)

    @precondition(lambda self: len(self.world.standing()) > 1)
    @rule(turns=st.lists(st.tuples(anyone, hows), min_size=4, max_size=30))
    def interleave(self, turns: list[tuple[int, Go]]) -> None:
        for who, how in turns:
            if standing := self.world.standing():
                self.step(self.select(standing, who), how)

    @rule(
        mode=modes,
        seconds=st.sampled_from([0, 1, 10, 40, 60, 130, 300, 600, 901, 961, 1300]),
        file=st.booleans(),
        lasting=lasts,
    )
    def meanwhile(self, mode: Mode, seconds: int, file: bool, lasting: float) -> None:
        """Time passes, the service changes its behaviour, and the phone system writes another recording."""
        self.world.jump(seconds)
        self.world.service.mode, self.world.service.lasts = mode, lasting
        if file:
            self.add_file()

    @precondition(lambda self: self.checks.parked())
    @rule(fate=fates, mode=modes, seconds=pauses, changes=enough, how=hows)
    def jobs(self, fate: str, mode: Mode, seconds: int, changes: int, how: Go) -> None:
        """The service continues a job between polls, gives it up, or is restarted; then a run polls."""
        self.world.jump(seconds)
        if fate == "forgotten":
            self.world.service.restart()
        self.world.service.mode = FATES.get(fate, mode)
        self.advance(self.world.start("process"), changes, how)

    @precondition(lambda self: self.world.living())
    @rule(who=anyone, seconds=st.sampled_from([1, 8, 15, 25, 70, -90]), changes=few)
    def run_out_of_time(self, who: int, seconds: int, changes: int) -> None:
        """Only `seconds` are left to an active actor, or its time is already over."""
        actor = self.select(self.world.living(), who)
        self.leave_time(actor, seconds)
        self.advance(actor, changes)

    @precondition(lambda self: self.last_seen_tables is not self.checks.tables)
    @rule(task=st.sampled_from(Task), paused=st.sampled_from([False, False, False, True]))
    def overview(self, task: Task, paused: bool) -> None:
        """A user reads the overview, and pauses or resumes a task."""
        settings_overrides.set_paused(task, paused=paused)
        self.last_seen_tables = self.checks.tables
        self.guarded(lambda: summary_is_exact(self.checks))
        self.guarded(lambda: runs_are_told_as_they_are(self.world, self.checks))

    # steps ------------------------------------------------------------------------------------------------------------

    def ensure_work(self, later: int) -> None:
        """Ensure that a recording is queued or due for a retry: a run without work proves nothing."""
        self.world.jump(later)
        recordings = self.checks.tables.recordings.values()
        if (
            not any(recording.status in OPEN_STATUSES or recording.awaiting_job for recording in recordings)
            and self.add_file()
        ):
            for task in ("sync", "queue"):
                self.finish(self.world.start(task))

    def add_file(self) -> bool:
        if len(self.world.files) < FILES:
            self.world.add_file(f"{len(self.world.files)}.wav")
            return True
        return False

    def leave_time(self, actor: Actor, seconds: float) -> None:
        left = (actor.deadline - self.world.moment).total_seconds()
        self.world.jump(max(0.0, left - seconds))

    def advance(self, actor: Actor | None, changes: int, how: Go = Go.ON) -> None:
        """Advance an actor past `changes` writes and up to the next one, which then goes as `how` says."""
        for _ in range(changes if changes == END or (actor and actor.kind == "process") else changes % FEWER):
            self.advance_to_write(actor)
            self.step_family(actor)
        self.advance_to_write(actor)
        if how is not Go.ON:
            self.step_family(actor, how)

    def advance_to_write(self, actor: Actor | None) -> None:
        for _ in range(READS):
            if not any(member.at and member.at.changes for member in self.family(actor)[:1]):
                self.step_family(actor)

    def step_family(self, actor: Actor | None, how: Go = Go.ON) -> None:
        for member in self.family(actor)[:1]:
            self.step(member, how)

    def family(self, actor: Actor | None) -> list[Actor]:
        return [member for member in actor.family if member.ready] if actor else []

    def finish(self, actor: Actor | None) -> None:
        if actor is not None:
            self.guarded(lambda: finish(self.world, self.checks, actor))

    @staticmethod
    def select(actors: list[Actor], who: int) -> Actor:
        return actors[who % len(actors)]

    def step(self, actor: Actor, how: Go = Go.ON) -> None:
        def go() -> None:
            self.world.go(actor, how)
            self.checks.after(actor)

        self.guarded(go)

    def guarded(self, work: Callable[[], Any]) -> None:
        """After a failed check, the example is not run to its end."""
        try:
            work()
        except BaseException:
            self.has_failed = True
            raise

    def teardown(self) -> None:
        try:
            if not self.has_failed and hasattr(self, "checks"):
                come_to_rest(self.world, self.checks)
        finally:
            for actor in self.world.actors:
                actor.kill()


def test_nothing_is_sent_twice_or_lost_in_any_interleaving(deployed, monkeypatch, request, capsys):
    world = World(deployed, monkeypatch)
    profile = settings(
        max_examples=EXAMPLES or 10,
        stateful_step_count=44,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        # Hypothesis also accepts a factory. The source of this line seeds the examples, which change with it.
        run_state_machine_as_test(lambda: Stories(world), settings=profile)  # type: ignore[arg-type]
    finally:
        figures = ", ".join(f"{name}: {number}" for name, number in sorted(world.totals.items()))
        request.node.add_report_section("call", "figures", figures)
        if EXAMPLES and (reporter := request.config.pluginmanager.get_plugin("terminalreporter")):
            with capsys.disabled():
                reporter.write_line(f"\n{figures}")
    missing = [name for name in HAPPENS if not world.totals[name]]
    assert EXAMPLES or not missing, f"the examples do not cover: {missing}"
