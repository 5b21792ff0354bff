"""The line of recordings: who is next, and the claim on one of them."""

import random
from itertools import takewhile

from callscribe import transitions
from callscribe.breaker import Outage
from callscribe.clock import Clock
from callscribe.recording import Recording, Status
from callscribe.run import Run
from callscribe.store import admission, recordings
from callscribe.store.admission import Slot
from callscribe.telemetry import logger
from callscribe.transitions import Place, RetryPolicy

CANDIDATES = 10
"""Places read at once, or as many as there are slots: who loses one to another goes on without asking again."""

LOOKS = 3
"""So often a run that loses every race looks at the line again; the index may lag behind for a moment."""

OVERDUE_AT_ONCE = 25
"""So many lost claims are put back, and jobs polled, each time that a run looks; or as many as there are slots."""


class Line:
    """As one run sees it. `slots`: how many transcriptions may be under way at once, over all runs."""

    def __init__(self, slots: int, clock: Clock, jitter: random.Random, run: Run) -> None:
        self._limit = max(CANDIDATES, slots)
        self._clock = clock
        self._jitter = jitter
        self._run = run

    def next(self, *, beside_others: bool) -> list[Place]:
        """The oldest queued; when nothing is queued, the failed ones that have been due for longest.

        Beside others, only as far as the first that must be sent alone.
        """
        places = recordings.first(Status.QUEUED, self._limit) or recordings.due(self._clock(), self._limit)
        return list(takewhile(lambda place: not place.alone, places)) if beside_others else places

    @staticmethod
    def in_turn(places: list[Place], outage: Outage | None) -> list[Place]:
        """Each further probe begins with another place: what stands at the head may be what brings the service down."""
        first = outage.failures % len(places) if outage else 0
        return places[first:] + places[:first]

    def claim(self, places: list[Place], slot: Slot, *, beside_others: bool) -> tuple[Place, Recording] | None:
        """Claims the first or, where others are faster, another; None when all are gone."""
        losses = 0
        for _ in range(LOOKS):
            while places:
                place = places.pop(0)
                claim = transitions.claim(place, slot.token, self._clock(), slot.lease_expires_at)
                if claimed := recordings.apply(place.id, claim):
                    return place, claimed
                self._run.count("lost_races")
                losses += 1
                if losses == 1:  # to the one of those who asked at this moment; each other goes to a place of its own
                    apart = slot.number % max(len(places), 1)
                    places = places[apart:] + places[:apart]
                else:
                    self._jitter.shuffle(places)
            places = self.next(beside_others=beside_others)
        return None

    def overdue(self) -> tuple[list[Recording], list[Recording]]:
        """What dead workers left in processing, and what the service works on by itself and is to be polled for."""
        lost: list[Recording] = []
        parked: list[Recording] = []
        for place in recordings.overdue(self._clock(), max(self._limit, OVERDUE_AT_ONCE)):
            found = recordings.get(place.id)
            if found is not None and found.position == place.position:  # no worker and no other run was faster
                (parked if found.parked else lost).append(found)
        return lost, parked

    def recover(self, lost: Recording, policy: RetryPolicy) -> Recording | None:
        """Puts back what a dead worker left; as it is then, if nobody else did."""
        recovered = recordings.apply(lost.id, transitions.recover(lost, policy, self._clock()))
        if recovered:
            if lost.slot:
                admission.free(Slot.held_by(lost.slot))
            self._run.count("recovered")
            logger.warning("lost claim recovered", recording_id=lost.id, attempts=lost.attempts)
        return recovered
