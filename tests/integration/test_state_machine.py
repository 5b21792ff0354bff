"""Whatever happens, in whatever order: nothing is sent twice, nothing is lost, and all work comes to its end.

Runs and requests go on call by call, in an order that Hypothesis chooses; they die, answers get lost, time passes, and
the service does what it likes. What must hold is checked after each step. An example that fails is shrunk to the
shortest story; CALLSCRIBE_EXAMPLES=1000 tells that many, other ones each time.
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
PLACES = (Status.QUEUED, Status.PENDING)
WORK = (Status.QUEUED, Status.FAILED)

anyone = st.integers(0, 7)
"""Stands for one of those there are."""

END = 40
"""More changes than any run makes."""

FEWER = 3
"""Changes that all make, but for runs of process, which make more."""

few = st.integers(0, 8) | st.just(END)

enough = st.integers(3, 8) | st.just(END)
"""As far as to the first poll, at least."""

READS = 8
"""More than any run reads between two writes."""

laters = st.sampled_from([0, 0, 130, 1000])
"""Seconds: at once, when a retry is due, when a dead worker's lease is over."""

modes = st.sampled_from([Mode.ANSWERS, Mode.ANSWERS, *Mode])

tasks = st.sampled_from(["process", "sync", "queue"])

lasts = st.sampled_from([100.0, 0.0, 1500.0, FOR_EVER])
"""Seconds that jobs take."""

FATES = {"refused": Mode.REFUSES, "forgotten": Mode.ANSWERS}

fates = st.sampled_from(["goes on", *FATES])

pauses = st.sampled_from([3, 3, 60, 400, 1300])
"""Seconds between polls; the last is longer than a slot is held without one."""

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
"""What a test of all that may happen has to have met."""


class Stories(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.whole = True
        self.seen: Any = None

    @initialize(setup=setups, files=st.integers(0, 3), lasting=lasts)
    def begin(self, setup: Setup, files: int, lasting: float) -> None:
        self.world.begin(setup)
        self.world.service.lasts = lasting
        self.checks = Checks(self.world)
        self.world.totals["examples"] += 1
        for number in range(files):
            self.world.add_file(f"{number}.wav")

    # what happens -----------------------------------------------------------------------------------------------------

    @rule(task=tasks, later=laters, changes=few, how=hows)
    def run(self, task: str, later: int, changes: int, how: Go) -> None:
        if task == "process":
            self.there_is_work(later)
        self.onwards(self.world.start(task), changes, how)

    @rule(mode=modes, later=laters, changes=few, between=few, rest=few, how=hows)
    def two_runs(self, mode: Mode, later: int, changes: int, between: int, rest: int, how: Go) -> None:
        """Of the task that has most to lose: the schedule's and a person's, or one event delivered twice."""
        self.there_is_work(later)
        self.world.service.mode = mode
        first, second = self.world.start("process"), self.world.start("process")
        self.onwards(first, changes)
        self.onwards(second, between, how)
        self.onwards(first, rest, how)

    @precondition(lambda self: self.world.setup.late)
    @rule(mode=modes, later=laters, changes=st.integers(2, 8), between=few, rest=few)
    def late_worker(self, mode: Mode, later: int, changes: int, between: int, rest: int) -> None:
        """A run is still there when its lease is over, and another takes up what it had begun."""
        self.there_is_work(later)
        self.world.service.mode = mode
        first = self.world.start("process")
        if first:
            self.onwards(first, changes)
            self.time_is_left(first, -90)
            self.onwards(self.world.start("process"), between)
            self.onwards(first, rest)

    @precondition(lambda self: self.checks.tables.recordings)
    @rule(which=anyone, wish=st.sampled_from(["transcribe", "force", *PLACES]), changes=few, how=hows)
    def person(self, which: int, wish: str, changes: int, how: Go) -> None:
        found = self.checks.tables
        completed = [each.id for each in found.of(Status.COMPLETED)] if wish == "force" else []
        ids = sorted(completed or found.recordings)
        self.onwards(self.world.ask(ids[which % len(ids)], wish), changes, how)

    @precondition(lambda self: self.world.living())
    @rule(who=anyone, changes=few, how=hows)
    def goes_on(self, who: int, changes: int, how: Go) -> None:
        self.onwards(self.one_of(self.world.living(), who), changes, how)

    @precondition(lambda self: len(self.world.standing()) > 1)
    @rule(turns=st.lists(st.tuples(anyone, hows), min_size=4, max_size=30))
    def in_turns(self, turns: list[tuple[int, Go]]) -> None:
        for who, how in turns:
            if standing := self.world.standing():
                self.step(self.one_of(standing, who), how)

    @rule(
        mode=modes,
        seconds=st.sampled_from([0, 1, 10, 40, 60, 130, 300, 600, 901, 961, 1300]),
        file=st.booleans(),
        lasting=lasts,
    )
    def meanwhile(self, mode: Mode, seconds: int, file: bool, lasting: float) -> None:
        """Time passes, the service changes its mind, and the phone system leaves another recording."""
        self.world.jump(seconds)
        self.world.service.mode, self.world.service.lasts = mode, lasting
        if file:
            self.another_file()

    @precondition(lambda self: self.checks.parked())
    @rule(fate=fates, mode=modes, seconds=pauses, changes=enough, how=hows)
    def jobs(self, fate: str, mode: Mode, seconds: int, changes: int, how: Go) -> None:
        """The service works on while nobody looks, gives up, or is restarted; then a run asks."""
        self.world.jump(seconds)
        if fate == "forgotten":
            self.world.service.restart()
        self.world.service.mode = FATES.get(fate, mode)
        self.onwards(self.world.start("process"), changes, how)

    @precondition(lambda self: self.world.living())
    @rule(who=anyone, seconds=st.sampled_from([1, 8, 15, 25, 70, -90]), changes=few)
    def time_gets_short(self, who: int, seconds: int, changes: int) -> None:
        """So many seconds are left to one of the living, or should be."""
        actor = self.one_of(self.world.living(), who)
        self.time_is_left(actor, seconds)
        self.onwards(actor, changes)

    @precondition(lambda self: self.seen is not self.checks.tables)
    @rule(task=st.sampled_from(Task), paused=st.sampled_from([False, False, False, True]))
    def overview(self, task: Task, paused: bool) -> None:
        """A person looks, and turns something off or on."""
        settings_overrides.set_paused(task, paused=paused)
        self.seen = self.checks.tables
        self.guarded(lambda: summary_is_exact(self.checks))
        self.guarded(lambda: runs_are_told_as_they_are(self.world, self.checks))

    # how --------------------------------------------------------------------------------------------------------------

    def there_is_work(self, later: int) -> None:
        """Something is queued, or due for its retry by then: a run without work tells nothing."""
        self.world.jump(later)
        recordings = self.checks.tables.recordings.values()
        if not any(each.status in WORK or each.awaiting_job for each in recordings) and self.another_file():
            for task in ("sync", "queue"):
                self.to_its_end(self.world.start(task))

    def another_file(self) -> bool:
        if len(self.world.files) < FILES:
            self.world.add_file(f"{len(self.world.files)}.wav")
            return True
        return False

    def time_is_left(self, actor: Actor, seconds: float) -> None:
        left = (actor.deadline - self.world.moment).total_seconds()
        self.world.jump(max(0.0, left - seconds))

    def onwards(self, actor: Actor | None, changes: int, how: Go = Go.ON) -> None:
        """On until it has changed something so many times, and is about to again; then, if not just on, how it goes."""
        for _ in range(changes if changes == END or (actor and actor.kind == "process") else changes % FEWER):
            self.to_a_change(actor)
            self.a_step(actor)
        self.to_a_change(actor)
        if how is not Go.ON:
            self.a_step(actor, how)

    def to_a_change(self, actor: Actor | None) -> None:
        for _ in range(READS):
            if not any(each.at and each.at.changes for each in self.family(actor)[:1]):
                self.a_step(actor)

    def a_step(self, actor: Actor | None, how: Go = Go.ON) -> None:
        for each in self.family(actor)[:1]:
            self.step(each, how)

    def family(self, actor: Actor | None) -> list[Actor]:
        return [each for each in actor.family if each.ready] if actor else []

    def to_its_end(self, actor: Actor | None) -> None:
        if actor is not None:
            self.guarded(lambda: finish(self.world, self.checks, actor))

    @staticmethod
    def one_of(actors: list[Actor], who: int) -> Actor:
        return actors[who % len(actors)]

    def step(self, actor: Actor, how: Go = Go.ON) -> None:
        def go() -> None:
            self.world.go(actor, how)
            self.checks.after(actor)

        self.guarded(go)

    def guarded(self, work: Callable[[], Any]) -> None:
        """What has failed once is not told to its end."""
        try:
            work()
        except BaseException:
            self.whole = False
            raise

    def teardown(self) -> None:
        try:
            if self.whole and hasattr(self, "checks"):
                come_to_rest(self.world, self.checks)
        finally:
            for actor in self.world.actors:
                actor.kill()


def test_whatever_happens_nothing_is_sent_twice_or_lost(deployed, monkeypatch, request, capsys):
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
        # Hypothesis also takes a factory. The source of this line seeds the stories, so they change with it.
        run_state_machine_as_test(lambda: Stories(world), settings=profile)  # type: ignore[arg-type]
    finally:
        figures = ", ".join(f"{name}: {number}" for name, number in sorted(world.totals.items()))
        request.node.add_report_section("call", "figures", figures)
        if EXAMPLES and (reporter := request.config.pluginmanager.get_plugin("terminalreporter")):
            with capsys.disabled():
                reporter.write_line(f"\n{figures}")
    missing = [name for name in HAPPENS if not world.totals[name]]
    assert EXAMPLES or not missing, f"these stories tell nothing of: {missing}"
