"""How each example ends: the faults stop, the tasks go on by their schedule, and all work must come to its end."""

from callscribe.recordings.recording import Status
from callscribe.recordings.run import RunStatus, Task
from callscribe.store import runs, settings_overrides, status_counts
from tests.integration.simulation.actors import Actor
from tests.integration.simulation.checks import Checks
from tests.integration.simulation.service import Mode
from tests.integration.simulation.world import World

TICK = 600.0
"""Seconds between two runs of each task. Every minute would find the same, in five times the calls."""

TICKS = 36
"""Six hours: more than a lease, the breaker's longest pause, and all retries after one another; and the time that a job
has, as often as there may be jobs that hang."""

STEPS = 400
"""More than any run takes."""


class Stuck(AssertionError):
    """Something does not come to its end."""


def finish(world: World, checks: Checks, actor: Actor) -> None:
    """Lets a run and its transcriptions go on until it has ended, or waits for time to pass."""
    for _ in range(STEPS):
        ready = [each for each in actor.family if each.ready]
        if actor.ended or not ready:
            return
        for each in ready:
            if each.ready:
                world.go(each)
                checks.after(each)
    raise Stuck(f"{actor.kind} does not end: it stands at {actor.at}")


def come_to_rest(world: World, checks: Checks) -> None:
    """From here on nothing fails. Raises AssertionError where something is left undone."""
    world.service.mode, world.service.lasts = Mode.ANSWERS, 0.0
    for task in Task:
        settings_overrides.set_paused(task, paused=False)
    for tick in range(TICKS):
        for actor in world.living():
            finish(world, checks, actor)
        world.jump(TICK)
        for name in ("sync", "queue", "process"):
            run = world.start(name)
            if run is not None:
                finish(world, checks, run)
        if _at_rest(world, checks):
            world.totals["ticks to rest"] += tick + 1
            break
    else:
        raise Stuck(f"after {TICKS} ticks: {[*checks.tables.recordings.values()]}, {checks.tables.outage}")
    for actor in world.living():  # a run's second round may still be to come
        world.jump(60.0)
        finish(world, checks, actor)
        assert actor.ended, f"{actor.kind} does not end: it stands at {actor.at}"
    world.jump(1200.0)
    _nothing_is_left(world, checks)


def _at_rest(world: World, checks: Checks) -> bool:
    found = checks.tables.recordings.values()
    final = all(
        each.status is Status.COMPLETED or (each.status is Status.FAILED and each.next_attempt_at is None)
        for each in found
    )
    return final and {each.key for each in found} == world.files


def _nothing_is_left(world: World, checks: Checks) -> None:
    tables = checks.tables
    for each in tables.of(Status.FAILED):
        assert each.error is not None
        assert not each.error.retryable or each.attempts == world.setup.max_attempts, "given up too early"
    assert not [lease for lease in tables.slots.values() if not checks.over(lease)], "a slot is held"
    summary_is_exact(checks)
    runs_are_told_as_they_are(world, checks)
    ended = {run.status for run in runs.recent(Task, 1000, world.moment)}
    assert RunStatus.RUNNING not in ended, "a run of nobody is shown as running"


def summary_is_exact(checks: Checks) -> None:
    """What the overview shows is what is there."""
    found = status_counts.load_status_counts().counts
    assert found == {status: len(checks.tables.of(status)) for status in Status}


def runs_are_told_as_they_are(world: World, checks: Checks) -> None:
    """Who died is shown as dead once its time is over, and nobody else."""
    for run in runs.recent(Task, 1000, world.moment):
        actor = checks.owner(run.id)
        if run.status is RunStatus.RUNNING:
            assert run.deadline >= world.moment
        elif run.status is RunStatus.DIED:
            world.totals["runs shown as died"] += 1
            assert actor.ended or world.moment > actor.deadline, "shown as died, but it lives"
