"""Whatever happens, in whatever order: no recording is uploaded twice or lost, and all work is finished.

Hypothesis chooses in which order runs and requests continue, from one remote request to the next. They crash, requests
and responses are lost, time passes, and the service misbehaves. Invariants are checked after each step. A failing
example is shrunk to the shortest one; CALLSCRIBE_EXAMPLES=1000 runs that many, with another seed each time.
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
from tests.integration.simulation.actors import Actor, Fault
from tests.integration.simulation.drain import (
    assert_run_statuses_are_true,
    assert_status_counts_are_exact,
    drain,
    run_until_blocked,
)
from tests.integration.simulation.invariants import InvariantChecker
from tests.integration.simulation.service import ENDLESS_SECONDS, Mode
from tests.integration.simulation.world import Setup, World

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("CALLSCRIBE_EXAMPLES", "0"))
MAX_FILES = 6
CLOCK_LAG_SECONDS = 240
USER_STATUSES = (Status.QUEUED, Status.PENDING)
PROCESSABLE = (Status.QUEUED, Status.FAILED)

ALL_WRITES = 40
"""More than any run makes."""

MAX_SHORT_RUN_WRITES = 3
"""For actors other than runs of process, which make more."""

MAX_READS = 8
"""More than any run makes between two writes."""

indexes = st.integers(0, 7)
"""Select one of the actors or recordings, modulo how many there are."""

write_counts = st.integers(0, 8) | st.just(ALL_WRITES)

write_counts_of_polls = st.integers(3, 8) | st.just(ALL_WRITES)
"""At least up to the first poll."""

delays = st.sampled_from([0, 0, 130, 1000])
"""Seconds: none, until a retry is due, until a crashed worker's lease has expired."""

modes = st.sampled_from([Mode.RESPONDS, Mode.RESPONDS, *Mode])

tasks = st.sampled_from(["process", "sync", "queue"])

job_durations = st.sampled_from([100.0, 0.0, 1500.0, ENDLESS_SECONDS])
"""Seconds."""

JOB_EVENT_MODES = {"rejected": Mode.REJECTS, "forgotten": Mode.RESPONDS}

job_events = st.sampled_from(["none", *JOB_EVENT_MODES])

poll_delays = st.sampled_from([3, 3, 60, 400, 1300])
"""Seconds between polls; the last is longer than a slot is held without a poll."""

faults = st.sampled_from(
    [
        Fault.NONE,
        Fault.NONE,
        Fault.NONE,
        Fault.RESPONSE_LOST,
        Fault.REQUEST_LOST,
        Fault.CRASH_BEFORE,
        Fault.CRASH_AFTER,
    ]
)

setups = st.builds(
    Setup,
    slots=st.sampled_from([2, 1, 3]),
    per_run=st.integers(1, 3),
    max_attempts=st.integers(2, 3),
    interval=st.sampled_from([60, 30]),
    clock_lag=st.sampled_from([0, CLOCK_LAG_SECONDS]),
    has_jobs=st.sampled_from([True, False, True]),
)

REQUIRED_EVENTS = (
    "responses lost",
    "requests lost",
    "crashes",
    "uploaded again",
    "without a response",
    "recovered",
    "probes",
    "circuit closed",
    "checkpoints",
    "runs reported as died",
    "completed → queued",
    "failed → processing",
    "awaiting a job",
    "polled",
    "jobs found by name",
    "jobs lost",
    "slots reacquired",
)
"""Events that the examples of `make test-all` must contain."""


class Simulation(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.has_failed = False
        self.last_overview: Any = None

    @initialize(setup=setups, file_count=st.integers(0, 3), job_seconds=job_durations)
    def start(self, setup: Setup, file_count: int, job_seconds: float) -> None:
        self.world.reset(setup)
        self.world.service.job_seconds = job_seconds
        self.checker = InvariantChecker(self.world)
        self.world.totals["examples"] += 1
        for number in range(file_count):
            self.world.add_file(f"{number}.wav")

    # rules: Hypothesis sorts them by name, so renaming one changes the examples ---------------------------------------

    @rule(task=tasks, delay=delays, writes=write_counts, fault=faults)
    def run_a_task(self, task: str, delay: int, writes: int, fault: Fault) -> None:
        if task == "process":
            self.ensure_work(delay)
        self.proceed(self.world.start(task), writes, fault)

    @rule(mode=modes, delay=delays, writes=write_counts, between=write_counts, rest=write_counts, fault=faults)
    def overlap_two_runs(self, mode: Mode, delay: int, writes: int, between: int, rest: int, fault: Fault) -> None:
        """Two concurrent runs of process: one by the schedule and one by a user, or one event delivered twice."""
        self.ensure_work(delay)
        self.world.service.mode = mode
        first, second = self.world.start("process"), self.world.start("process")
        self.proceed(first, writes)
        self.proceed(second, between, fault)
        self.proceed(first, rest, fault)

    @precondition(lambda self: self.world.setup.clock_lag)
    @rule(mode=modes, delay=delays, writes=st.integers(2, 8), between=write_counts, rest=write_counts)
    def outlive_a_lease(self, mode: Mode, delay: int, writes: int, between: int, rest: int) -> None:
        """A run is still active after its lease has expired, and another one recovers what it had claimed."""
        self.ensure_work(delay)
        self.world.service.mode = mode
        first = self.world.start("process")
        if first:
            self.proceed(first, writes)
            self.advance_to_deadline(first, -90)
            self.proceed(self.world.start("process"), between)
            self.proceed(first, rest)

    @precondition(lambda self: self.checker.tables.recordings)
    @rule(
        index=indexes,
        request_type=st.sampled_from(["transcribe", "force", *USER_STATUSES]),
        writes=write_counts,
        fault=faults,
    )
    def send_a_user_request(self, index: int, request_type: str, writes: int, fault: Fault) -> None:
        tables = self.checker.tables
        completed = [recording.id for recording in tables.with_status(Status.COMPLETED)]
        ids = sorted((completed if request_type == "force" else []) or tables.recordings)
        self.proceed(self.world.send_user_request(ids[index % len(ids)], request_type), writes, fault)

    @precondition(lambda self: self.world.active_actors())
    @rule(index=indexes, writes=write_counts, fault=faults)
    def continue_an_actor(self, index: int, writes: int, fault: Fault) -> None:
        self.proceed(self.select(self.world.active_actors(), index), writes, fault)

    @precondition(lambda self: len(self.world.ready_actors()) > 1)
    @rule(steps=st.lists(st.tuples(indexes, faults), min_size=4, max_size=30))
    def interleave_actors(self, steps: list[tuple[int, Fault]]) -> None:
        for index, fault in steps:
            if actors := self.world.ready_actors():
                self.step(self.select(actors, index), fault)

    @rule(
        mode=modes,
        seconds=st.sampled_from([0, 1, 10, 40, 60, 130, 300, 600, 901, 961, 1300]),
        has_new_file=st.booleans(),
        job_seconds=job_durations,
    )
    def let_time_pass(self, mode: Mode, seconds: int, has_new_file: bool, job_seconds: float) -> None:
        """Time passes, the service changes its mode, and the phone system may add a recording."""
        self.world.advance(seconds)
        self.world.service.mode, self.world.service.job_seconds = mode, job_seconds
        if has_new_file:
            self.add_file()

    @precondition(lambda self: self.checker.jobs_to_poll())
    @rule(event=job_events, mode=modes, seconds=poll_delays, writes=write_counts_of_polls, fault=faults)
    def poll_jobs(self, event: str, mode: Mode, seconds: int, writes: int, fault: Fault) -> None:
        """The service continues, fails or forgets its jobs between two polls."""
        self.world.advance(seconds)
        if event == "forgotten":
            self.world.service.restart()
        self.world.service.mode = JOB_EVENT_MODES.get(event, mode)
        self.proceed(self.world.start("process"), writes, fault)

    @precondition(lambda self: self.world.active_actors())
    @rule(index=indexes, seconds=st.sampled_from([1, 8, 15, 25, 70, -90]), writes=write_counts)
    def approach_a_deadline(self, index: int, seconds: int, writes: int) -> None:
        """An actor has only these seconds left; a negative number is past its deadline."""
        actor = self.select(self.world.active_actors(), index)
        self.advance_to_deadline(actor, seconds)
        self.proceed(actor, writes)

    @precondition(lambda self: self.last_overview is not self.checker.tables)
    @rule(task=st.sampled_from(Task), paused=st.sampled_from([False, False, False, True]))
    def open_the_overview(self, task: Task, paused: bool) -> None:
        """A user reads the overview, and pauses or resumes a task."""
        settings_overrides.set_paused(task, paused=paused)
        self.last_overview = self.checker.tables
        self.attempt(lambda: assert_status_counts_are_exact(self.checker))
        self.attempt(lambda: assert_run_statuses_are_true(self.world, self.checker))

    # steps of the rules -----------------------------------------------------------------------------------------------

    def ensure_work(self, delay: int) -> None:
        """Wait, and queue a new recording if process would have nothing to do: a run without work tests nothing."""
        self.world.advance(delay)
        recordings = self.checker.tables.recordings.values()
        has_work = any(recording.status in PROCESSABLE or recording.is_awaiting_job for recording in recordings)
        if not has_work and self.add_file():
            for task in ("sync", "queue"):
                if run := self.world.start(task):
                    self.finish(run)

    def add_file(self) -> bool:
        if len(self.world.files) < MAX_FILES:
            self.world.add_file(f"{len(self.world.files)}.wav")
            return True
        return False

    def advance_to_deadline(self, actor: Actor, seconds_left: float) -> None:
        remaining = (actor.deadline - self.world.current_time).total_seconds()
        self.world.advance(max(0.0, remaining - seconds_left))

    def proceed(self, actor: Actor | None, writes: int, fault: Fault = Fault.NONE) -> None:
        """Let an actor make this many writes and run up to the next one, which gets the fault if there is one."""
        if actor is None:
            return
        for _ in range(writes if writes == ALL_WRITES or actor.kind == "process" else writes % MAX_SHORT_RUN_WRITES):
            self.proceed_to_write(actor)
            self.step_group(actor)
        self.proceed_to_write(actor)
        if fault is not Fault.NONE:
            self.step_group(actor, fault)

    def proceed_to_write(self, actor: Actor) -> None:
        for _ in range(MAX_READS):
            ready = self.first_ready(actor)
            if not (ready and ready.pause_point and ready.pause_point.is_write):
                self.step_group(actor)

    def step_group(self, actor: Actor, fault: Fault = Fault.NONE) -> None:
        if ready := self.first_ready(actor):
            self.step(ready, fault)

    @staticmethod
    def first_ready(actor: Actor) -> Actor | None:
        """Return the first actor in the process of this one that can continue."""
        return next((member for member in actor.group if member.is_ready), None)

    @staticmethod
    def select(actors: list[Actor], index: int) -> Actor:
        return actors[index % len(actors)]

    def finish(self, actor: Actor) -> None:
        self.attempt(lambda: run_until_blocked(self.world, self.checker, actor))

    def step(self, actor: Actor, fault: Fault = Fault.NONE) -> None:
        def step() -> None:
            self.world.step(actor, fault)
            self.checker.check_step(actor)

        self.attempt(step)

    def attempt(self, work: Callable[[], Any]) -> None:
        """Do some work, and remember when it fails: the example is not drained then."""
        try:
            work()
        except BaseException:
            self.has_failed = True
            raise

    def teardown(self) -> None:
        try:
            if not self.has_failed and hasattr(self, "checker"):
                drain(self.world, self.checker)
        finally:
            for actor in self.world.actors:
                actor.kill()


def test_no_recording_is_uploaded_twice_or_lost_in_any_order_of_events(deployed, monkeypatch, request, capsys):
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
        # Hypothesis also accepts a factory. The source of this line is the seed, so changing it changes the examples.
        run_state_machine_as_test(lambda: Simulation(world), settings=profile)  # type: ignore[arg-type]
    finally:
        totals = ", ".join(f"{name}: {number}" for name, number in sorted(world.totals.items()))
        request.node.add_report_section("call", "totals", totals)
        if EXAMPLES and (reporter := request.config.pluginmanager.get_plugin("terminalreporter")):
            with capsys.disabled():
                reporter.write_line(f"\n{totals}")
    missing = [name for name in REQUIRED_EVENTS if not world.totals[name]]
    assert EXAMPLES or not missing, f"these examples do not contain: {missing}"
