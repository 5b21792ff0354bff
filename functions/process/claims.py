"""Which recordings are next, and the claim on one of them."""

import random
from collections.abc import Callable

from callscribe import transitions
from callscribe.breaker import Outage
from callscribe.clock import Clock
from callscribe.recording import Recording, Status
from callscribe.run import Run
from callscribe.store import recordings
from callscribe.store.admission import Slot
from callscribe.telemetry import logger
from callscribe.transitions import Place, RetryPolicy

CANDIDATES = 25
"""Places read at once: a worker that loses one to another takes a further one without asking again."""

LOOKS = 3
"""So often a run that loses every race looks at the line again; the index may lag behind for a moment."""

LOST_AT_ONCE = 25
"""Lost claims that one run puts back."""


def next_places(clock: Clock) -> list[Place]:
    """The oldest queued; when nothing is queued, the failed ones that have been due for longest."""
    return recordings.first(Status.QUEUED, CANDIDATES) or recordings.due(clock(), CANDIDATES)


def in_turn(places: list[Place], outage: Outage | None) -> list[Place]:
    """Each further probe begins with another place: what stands at the head may be what brings the service down."""
    first = outage.failures % len(places) if outage else 0
    return places[first:] + places[:first]


def claim(
    places: list[Place],
    slot: Slot,
    may_claim: Callable[[Place], bool],
    *,
    clock: Clock,
    jitter: random.Random,
    run: Run,
) -> tuple[Place, Recording] | None:
    """Claims the first or, where others are faster, another that `may_claim` allows; None when all are gone."""
    for _ in range(LOOKS):
        while places:
            place = places.pop(0)
            if not may_claim(place):
                continue
            claimed = recordings.apply(place.id, transitions.claim(place, slot.token, clock(), slot.lease_expires_at))
            if claimed is not None:
                return place, claimed
            run.count("lost_races")
            jitter.shuffle(places)  # who lost the same race goes elsewhere next
        places = next_places(clock)
    return None


def recover_lost(policy: RetryPolicy, clock: Clock, run: Run) -> None:
    """Puts back what dead workers left in processing."""
    for place in recordings.lost(clock(), LOST_AT_ONCE):
        lost = recordings.get(place.id)
        if lost is None or lost.position != place.position:
            continue  # its worker, or another run, was faster
        if recordings.apply(lost.id, transitions.recover(lost, policy, clock())):
            run.count("recovered")
            logger.warning("lost claim recovered", recording_id=lost.id, attempts=lost.attempts)
