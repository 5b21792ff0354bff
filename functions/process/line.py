"""The line of recordings: who is next, and the claim on one of them."""

import random
from itertools import takewhile

from callscribe import transitions
from callscribe.breaker import Outage
from callscribe.clock import Clock
from callscribe.recording import Recording, Status
from callscribe.run import Run
from callscribe.store import recordings
from callscribe.store.admission import Slot
from callscribe.telemetry import logger
from callscribe.transitions import Place, RetryPolicy

CANDIDATES = 10
"""Places read at once, or as many as there are slots: who loses one to another goes on without asking again."""

LOOKS = 3
"""So often a run that loses every race looks at the line again; the index may lag behind for a moment."""

LOST_AT_ONCE = 25
"""Lost claims that one run puts back."""


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

    def recover_lost(self, policy: RetryPolicy) -> None:
        """Puts back what dead workers left in processing."""
        for place in recordings.lost(self._clock(), LOST_AT_ONCE):
            lost = recordings.get(place.id)
            if lost is None or lost.position != place.position:
                continue  # its worker, or another run, was faster
            if recordings.apply(lost.id, transitions.recover(lost, policy, self._clock())):
                self._run.count("recovered")
                logger.warning("lost claim recovered", recording_id=lost.id, attempts=lost.attempts)
