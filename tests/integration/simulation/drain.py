"""How each example ends: faults stop, the tasks run by their schedule, and all work must be finished."""

from callscribe.recordings.recording import Status
from callscribe.recordings.run import RunStatus, Task
from callscribe.store import runs, settings_overrides, status_counts
from tests.integration.simulation.actors import Actor
from tests.integration.simulation.invariants import InvariantChecker
from tests.integration.simulation.service import Mode
from tests.integration.simulation.world import World

TICK_SECONDS = 600.0
"""Between two runs of each task. Every minute would give the same result with five times as many requests."""

MAX_TICKS = 36
"""Six hours: longer than a lease, the circuit breaker's longest backoff and all retries together, and than the timeouts
of as many hanging jobs as there can be."""

MAX_STEPS = 400
"""More than any run needs."""


class NoProgress(AssertionError):
    """A run or a recording is never finished."""


def run_until_blocked(world: World, checker: InvariantChecker, actor: Actor) -> None:
    """Let a run and its transcriptions continue until it has ended or waits for time to pass."""
    for _ in range(MAX_STEPS):
        ready = [member for member in actor.group if member.is_ready]
        if actor.has_ended or not ready:
            return
        for member in ready:
            if member.is_ready:
                world.step(member)
                checker.check_step(member)
    raise NoProgress(f"{actor.kind} does not end: it is paused at {actor.pause_point}")


def drain(world: World, checker: InvariantChecker) -> None:
    """Run all tasks without faults until everything is done.

    Raises: AssertionError, when something is left undone.
    """
    world.service.mode, world.service.job_seconds = Mode.RESPONDS, 0.0
    for task in Task:
        settings_overrides.set_paused(task, paused=False)
    for tick in range(MAX_TICKS):
        for actor in world.active_actors():
            run_until_blocked(world, checker, actor)
        world.advance(TICK_SECONDS)
        for name in ("sync", "queue", "process"):
            run = world.start(name)
            if run is not None:
                run_until_blocked(world, checker, run)
        if _is_drained(world, checker):
            world.totals["ticks to rest"] += tick + 1
            break
    else:
        raise NoProgress(f"after {MAX_TICKS} ticks: {[*checker.tables.recordings.values()]}, {checker.tables.outage}")
    for actor in world.active_actors():  # a run may still wait for its second round
        world.advance(60.0)
        run_until_blocked(world, checker, actor)
        assert actor.has_ended, f"{actor.kind} does not end: it is paused at {actor.pause_point}"
    world.advance(1200.0)
    _assert_nothing_is_left(world, checker)


def _is_drained(world: World, checker: InvariantChecker) -> bool:
    recordings = checker.tables.recordings.values()
    are_terminal = all(
        recording.status is Status.COMPLETED
        or (recording.status is Status.FAILED and recording.next_attempt_at is None)
        for recording in recordings
    )
    return are_terminal and {recording.key for recording in recordings} == world.files


def _assert_nothing_is_left(world: World, checker: InvariantChecker) -> None:
    tables = checker.tables
    for recording in tables.with_status(Status.FAILED):
        assert recording.error is not None
        assert not recording.error.retryable or recording.attempts == world.setup.max_attempts, (
            "failed with attempts left"
        )
    assert not [lease for lease in tables.slots.values() if not checker.has_expired(lease)], "a slot is held"
    assert_status_counts_are_exact(checker)
    assert_run_statuses_are_true(world, checker)
    ended = {run.status for run in runs.recent(Task, 1000, world.current_time)}
    assert RunStatus.RUNNING not in ended, "a dead run is reported as running"


def assert_status_counts_are_exact(checker: InvariantChecker) -> None:
    """The counts of statuses match the records."""
    counts = status_counts.load_status_counts().counts
    assert counts == {status: len(checker.tables.with_status(status)) for status in Status}


def assert_run_statuses_are_true(world: World, checker: InvariantChecker) -> None:
    """A run is reported as died if it died and its deadline has passed, and no other run is."""
    for run in runs.recent(Task, 1000, world.current_time):
        actor = checker.owner(run.id)
        if run.status is RunStatus.RUNNING:
            assert run.deadline >= world.current_time
        elif run.status is RunStatus.DIED:
            world.totals["runs reported as died"] += 1
            assert actor.has_ended or world.current_time > actor.deadline, "reported as died, but it is alive"
