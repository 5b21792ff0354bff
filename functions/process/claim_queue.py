"""The line of recordings: who is next, and the claim on one of them."""

import random
from itertools import takewhile

from callscribe.clock import Clock
from callscribe.observability import logger
from callscribe.recordings import state_machine
from callscribe.recordings.circuit_breaker import Outage
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.run import Run
from callscribe.recordings.state_machine import QueueEntry, RetryPolicy
from callscribe.store import admission, recordings
from callscribe.store.admission import Slot

MIN_BATCH_SIZE = 10
"""Places read at once, or as many as there are slots: who loses one to another goes on without asking again."""

MAX_REFRESHES = 3
"""So often a run that loses every race looks at the line again; the index may lag behind for a moment."""

MIN_EXPIRED_BATCH_SIZE = 25
"""So many lost claims are put back, and jobs polled, each time that a run looks; or as many as there are slots."""


class ClaimQueue:
    """As one run sees it. `slots`: how many transcriptions may be under way at once, over all runs."""

    def __init__(self, slots: int, clock: Clock, jitter: random.Random, run: Run) -> None:
        self._batch_size = max(MIN_BATCH_SIZE, slots)
        self._clock = clock
        self._jitter = jitter
        self._run = run

    def next_entries(self, *, has_others_running: bool) -> list[QueueEntry]:
        """The oldest queued; when nothing is queued, the failed ones that have been due for longest.

        Beside others, only as far as the first that must be sent alone.
        """
        entries = recordings.next_entries(Status.QUEUED, self._batch_size) or recordings.retryable(
            self._clock(), self._batch_size
        )
        return list(takewhile(lambda entry: not entry.is_isolated, entries)) if has_others_running else entries

    @staticmethod
    def rotate_for_probe(entries: list[QueueEntry], outage: Outage | None) -> list[QueueEntry]:
        """Each further probe begins with another place: what stands at the head may be what brings the service down."""
        offset = outage.failures % len(entries) if outage else 0
        return entries[offset:] + entries[:offset]

    def claim_first(
        self, entries: list[QueueEntry], slot: Slot, *, has_others_running: bool
    ) -> tuple[QueueEntry, Recording] | None:
        """Claims the first or, where others are faster, another; None when all are gone."""
        conflicts = 0
        for _ in range(MAX_REFRESHES):
            while entries:
                entry = entries.pop(0)
                transition = state_machine.claim(entry, slot.token, self._clock(), slot.lease_expires_at)
                if recording := recordings.apply_transition(entry.id, transition):
                    return entry, recording
                self._run.increment("conflicts")
                conflicts += 1
                if (
                    conflicts == 1
                ):  # to the one of those who asked at this moment; each other goes to a place of its own
                    offset = slot.held_count % max(len(entries), 1)
                    entries = entries[offset:] + entries[:offset]
                else:
                    self._jitter.shuffle(entries)
            entries = self.next_entries(has_others_running=has_others_running)
        return None

    def find_expired(self) -> tuple[list[Recording], list[Recording]]:
        """What dead workers left in processing, and what the service works on by itself and is to be polled for."""
        expired: list[Recording] = []
        awaiting_job: list[Recording] = []
        for entry in recordings.expired_claims(self._clock(), max(self._batch_size, MIN_EXPIRED_BATCH_SIZE)):
            recording = recordings.get(entry.id)
            if recording is not None and recording.sort_key == entry.sort_key:  # no worker and no other run was faster
                (awaiting_job if recording.awaiting_job else expired).append(recording)
        return expired, awaiting_job

    def recover(self, expired: Recording, policy: RetryPolicy) -> Recording | None:
        """Puts back what a dead worker left; as it is then, if nobody else did."""
        recovered = recordings.apply_transition(
            expired.id, state_machine.recover_expired(expired, policy, self._clock())
        )
        if recovered:
            if expired.slot:
                admission.release(Slot.from_set_member(expired.slot))
            self._run.increment("recovered")
            logger.warning("lost claim recovered", recording_id=expired.id, attempts=expired.attempts)
        return recovered
