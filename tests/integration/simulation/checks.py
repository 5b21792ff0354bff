"""What must hold after each step: looked up in the tables themselves, and told from who made the step."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from callscribe.clock import to_iso
from callscribe.errors import CallscribeError
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.run import RunStatus
from functions.api.errors import ApiError
from tests.integration.simulation.actors import Actor
from tests.integration.simulation.service import Sent, SimulatedJob
from tests.integration.simulation.tables import Reader, Tables
from tests.integration.simulation.world import JOB_TIMEOUT, World

PENDING, QUEUED, PROCESSING, COMPLETED, FAILED = Status

GIVEN_UP = ("job_failed", "job_lost", "job_timeout")
"""What a recording fails with whose job is done with."""

HELD_AT_LEAST = timedelta(minutes=10)
"""So long is the slot of a parked recording held on: twice as long as any pause between polls."""

WAYS: Mapping[str, set[tuple[Status | None, Status]]] = {
    "sync": {(None, PENDING)},
    "queue": {(PENDING, QUEUED)},
    "process": {
        (QUEUED, PROCESSING),
        (FAILED, PROCESSING),
        (PROCESSING, PROCESSING),
        (PROCESSING, COMPLETED),
        (PROCESSING, FAILED),
        (PROCESSING, QUEUED),
    },
    "transcription": set(),
    "api": {(PENDING, QUEUED), (QUEUED, PENDING), (QUEUED, QUEUED), (FAILED, QUEUED), (FAILED, PENDING)},
}
"""Who may change what into what, written down once more: a mistake in the product's own table shows."""
WAYS = {**WAYS, "force": WAYS["api"] | {(COMPLETED, QUEUED)}}


class Checks:
    """Follows one example from its beginning."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reader = Reader(world.remote)
        self.tables = Tables()
        self._owners: dict[str, Actor] = {}
        """Whose a token is, or a run's record."""
        self._may_free: defaultdict[str, set[Actor]] = defaultdict(set)
        self._probes: dict[str, Actor] = {}
        self._held_again: set[str] = set()
        """Slots of jobs that nobody polled before the lease ran out. They are held again when somebody does, be others
        in their place or not: `MaxConcurrentTranscriptions` holds for all but these."""
        self._spent: Counter[str] = Counter()
        """Sends of each recording that count as attempts, since a person last gave it a fresh start."""
        self._sent: set[str] = set()
        """Tokens under which something was sent."""
        self._wrong: list[str] = []
        world.witness = self._begun

    def after(self, actor: Actor) -> None:
        """Looks at what one step of this actor has changed, and at all that must always hold."""
        before, self.tables = self.tables, self._reader.read()
        root = actor.root
        assert not self._wrong, self._wrong
        if actor.error is not None and not isinstance(actor.error, CallscribeError | ApiError):
            raise AssertionError(f"{actor.kind} ended in a fault") from actor.error
        if actor.kind == "sync" and actor.result and actor.result["status"] == RunStatus.SUCCEEDED:
            assert actor.files <= {each.key for each in self.tables.recordings.values()}, "a file has no record"
        if before == self.tables:
            return
        assert before.recordings.keys() <= self.tables.recordings.keys(), "a record is gone"
        for id_, now in self.tables.recordings.items():
            if (was := before.recordings.get(id_)) != now:
                self._changed(actor, was, now)
        self._slots(root, before)
        self._breaker(root, before)
        self._world.totals["checkpoints"] += self.tables.counted > before.counted
        for name in self.tables.runs.keys() - before.runs.keys():
            self._owners[name] = root
        self._always()

    def owner(self, token: str) -> Actor:
        """Whose slot, claim or record of a run this is."""
        return self._owners[token]

    def parked(self) -> list[Recording]:
        """What the service works on by itself, as far as the tables tell."""
        return [each for each in self.tables.of(PROCESSING) if each.awaiting_job]

    # what a step has changed ------------------------------------------------------------------------------------------

    def _changed(self, actor: Actor, was: Recording | None, now: Recording) -> None:
        way = (was.status if was else None, now.status)
        assert way in WAYS[actor.kind], f"{actor.kind} made {way}"
        self._world.totals[f"{way[0] or 'new'} → {way[1]}"] += 1
        assert now.attempts <= self._world.setup.max_attempts, f"{now.attempts} attempts"
        assert (now.claim_token is not None) == (now.lease_expires_at is not None)
        assert now.status is PROCESSING or now.claim_token is None
        assert (now.slot is None) or now.status is PROCESSING
        if was is None:
            return
        if was.has_job and now.has_job:
            self._same_job(was, now)
        if now.status is FAILED and now.error and now.error.code in GIVEN_UP:
            assert was.status is not PROCESSING or now.upload_number == was.upload_number + 1, (
                "sent anew under the same name"
            )
        if now.awaiting_job:
            self._parked(was, now)
        if was.awaiting_job and now.status is PROCESSING:
            self._resumed(actor, was, now)
        elif now.claim_token is not None:
            self._claimed(actor, was, now)
        elif was.status is PROCESSING:
            self._released(actor, was, now)
        elif actor.kind in ("api", "force"):
            assert (now.attempts, now.outage_count, now.next_attempt_at) == (0, 0, None), "no fresh start"
            self._spent[now.id] = 0
        else:
            assert now.attempts == was.attempts
        if now.status is COMPLETED:
            assert now.transcript is not None
            key = f"transcripts/{now.id}/{now.transcript.version}.json"
            assert key in self._world.remote.bucket("TranscriptsBucket"), "completed without a transcript"

    def _claimed(self, actor: Actor, was: Recording, now: Recording) -> None:
        assert now.claim_token is not None
        assert now.lease_expires_at is not None
        assert was.status is not PROCESSING, "claimed what another has"
        assert self._owners.get(now.claim_token) is actor.root, "claimed without a slot"
        assert now.lease_expires_at > actor.deadline, "a lease that does not cover its run"
        assert now.attempts == was.attempts + 1
        if was.status is FAILED:
            assert was.next_attempt_at is not None, "claimed what waits for a person"
            assert was.next_attempt_at <= self._world.moment, "retried before it was due"

    def _parked(self, was: Recording, now: Recording) -> None:
        """What it means that the service works on it by itself. By whom: see `_released`."""
        self._world.totals["parked"] += 1
        assert was.claim_token is not None, "parked by nobody"
        assert now.has_job, "parked without a job"
        assert now.job_started_at is not None, "parked without an end"
        assert now.attempts == was.attempts, "parking is no attempt"
        assert now.status_since == was.status_since
        moment = self._world.moment
        assert now.sort_key <= to_iso(moment + timedelta(minutes=1)), "parked out of line"
        assert now.slot in self.tables.holders, "parked without a slot"
        # from when the worker looked at its clock, which tells the place in line: time may have passed since
        looked = datetime.fromisoformat(now.sort_key) - timedelta(minutes=1)
        assert now.slot > to_iso(looked + HELD_AT_LEAST), "the slot will not last until the next poll"

    def _resumed(self, actor: Actor, was: Recording, now: Recording) -> None:
        assert now.claim_token is not None
        assert now.lease_expires_at is not None
        assert was.slot is not None
        assert was.sort_key <= to_iso(self._world.moment), "polled before its time"
        assert now.lease_expires_at > actor.deadline, "a lease that does not cover its run"
        assert (now.attempts, now.tracks, now.slot) == (was.attempts, was.tracks, was.slot), "a poll is no attempt"
        self._owners[now.claim_token] = actor.root
        self._may_free[_token(was.slot)].add(actor.root)
        self._world.totals["resumed"] += 1

    def _same_job(self, was: Recording, now: Recording) -> None:
        if was.tracks == now.tracks:
            assert was.job_started_at == now.job_started_at, "the time of a job begins anew"
            assert was.upload_number == now.upload_number, "another name for what is under way"

    def _released(self, actor: Actor, was: Recording, now: Recording) -> None:
        assert was.claim_token is not None
        assert was.lease_expires_at is not None
        if self._owners[was.claim_token] is actor.root:
            self._world.totals["late but not too late"] += was.lease_expires_at <= self._world.moment
            if now.status is QUEUED and was.claim_token in self._sent:
                self._spent[now.id] -= 1
        else:
            assert was.lease_expires_at <= self._world.moment, "a claim was ended that is another's"
            assert now.status in (QUEUED, FAILED), "completed or parked without a claim"
            assert (now.tracks, now.job_started_at) == (was.tracks, was.job_started_at), (
                "recovered, and the job forgotten"
            )
            assert now.attempts == was.attempts
            self._world.totals["recovered"] += 1
            if was.slot:
                self._may_free[_token(was.slot)].add(actor.root)

    def _slots(self, root: Actor, before: Tables) -> None:
        for token, lease in self.tables.slots.items():
            if token not in before.slots or (self.over(before.slots[token]) and not self.over(lease)):
                self._taken(root, token, before)
        for token in before.slots.keys() - self.tables.slots.keys():
            assert root in self._may_free[token] or self.over(before.slots[token]), "another's slot was freed"
        if self.tables.probe not in (None, before.probe):
            self._probe_begun(root, before)

    def _taken(self, root: Actor, token: str, before: Tables) -> None:
        assert root.kind == "process"
        self._may_free[token].add(root)
        if token in self._owners:
            self._held_again.add(token)
            self._world.totals["slots held again"] += 1
            return
        self._owners[token] = root
        assert before.outage is None or self.tables.probe == token, "a slot was taken while the service is unavailable"

    def _probe_begun(self, root: Actor, before: Tables) -> None:
        self._probes[self.tables.probe or ""] = root
        self._world.totals["probes"] += 1
        assert before.outage is not None
        assert before.outage.next_try_at <= self._world.moment, "tried before its time"
        assert before.probe is None or before.probe_lease <= self._world.moment, "two probes"

    def _breaker(self, root: Actor, before: Tables) -> None:
        was, now = before.outage, self.tables.outage
        if was == now:
            return
        if root.kind in ("api", "force"):
            assert was is not None
            assert now == replace(was, next_try_at=now.next_try_at), "a request changed more than the next try"
            return
        assert root.kind == "process"
        self._world.totals["breaker opened"] += was is None
        self._world.totals["breaker closed"] += now is None
        if was is not None:
            assert self._probes.get(before.probe or "") is root, "the breaker was moved by another than the probe"

    # what is sent -----------------------------------------------------------------------------------------------------

    def _begun(self, sent: Sent) -> None:
        """In the actor's thread, where no assertion may fail: kept for the next look."""
        world, claimed = self._world, sent.claimed
        now = self._reader.read().recordings[claimed.id]
        self._sent.add(claimed.claim_token or "")
        self._spent[claimed.id] += 1
        under_way = {each.claimed.id for each in world.sent if each.under_way(world.moment)}
        under_way |= {job.claimed.id for job in world.service.jobs.values() if self._covers(job)}
        twice = [each for each in world.sent if each.claimed.id == claimed.id and _covered(each, world.moment)]
        for wrong, what in (
            (now.claim_token != claimed.claim_token, "sent without a claim"),
            (claimed.lease_expires_at <= world.moment, "sent after the lease"),
            (len(under_way) > world.setup.slots, "more sent at once than there are slots"),
            (len(twice) > 1, "sent twice at once"),
            (self._spent[claimed.id] > now.attempts, "more sent than attempts are counted"),
            (sent.job and self._is_second(sent.job), "a second job for what is under way"),
        ):
            if wrong:
                self._wrong.append(what)

    def _covers(self, job: SimulatedJob) -> bool:
        """Whether a job under way has a slot: its recording is parked or claimed, and no lease ran out unpolled."""
        tables, moment = self._reader.read(), self._world.moment
        now = tables.recordings[job.claimed.id]
        if not job.under_way(moment) or now.status is not PROCESSING:
            return False
        if now.claim_token is not None and now.lease_expires_at <= moment:
            return False
        if now.slot is None:  # claimed, and not parked since
            return now.claim_token == job.claimed.claim_token
        known = job.id in {part.job for part in now.tracks}
        return known and not self.over(now.slot) and _token(now.slot) not in self._held_again

    def _is_second(self, job: SimulatedJob) -> bool:
        """Whether the service is at work on it already, which it could have said, and which was not given up."""
        moment = self._world.moment
        others = [
            each
            for each in self._world.service.jobs.values()
            if each is not job and each.claimed.id == job.claimed.id and each.under_way(moment)
        ]
        for each in others:
            each.excused |= not job.asked or moment - each.began_at > JOB_TIMEOUT
        self._world.totals["jobs given up"] += len(others)
        return not all(each.excused for each in others)

    # what always holds ------------------------------------------------------------------------------------------------

    def _always(self) -> None:
        tables, moment = self.tables, self._world.moment
        held = {token for token, lease in tables.slots.items() if not self.over(lease)}
        assert len(held - self._held_again) <= self._world.setup.slots, "more slots are held than there are"
        claims = [each for each in tables.of(PROCESSING) if each.awaiting_job or each.lease_expires_at > moment]
        for each in claims:
            if each.slot:
                assert self.over(each.slot) or each.slot in tables.holders, "the slot of a job was freed"
            else:
                assert each.claim_token in held, "a claim without its slot"
        slots = [_token(each.slot) if each.slot else each.claim_token for each in claims]
        assert len(set(slots)) == len(slots), "two recordings in one slot"
        places = [(each.location, each.key) for each in tables.recordings.values()]
        assert len(set(places)) == len(places), "two records of one file"
        for id_, spent in self._spent.items():
            assert spent <= tables.recordings[id_].attempts, "an attempt was not counted"
        if tables.until:
            settled = [each for each in tables.of(COMPLETED) if each.sort_key <= tables.until]
            assert len(settled) == tables.counted, "the checkpoint of the completed is wrong"
        for name, run in tables.runs.items():
            if not self._owners[name].ended and moment <= self._owners[name].deadline:
                assert run.with_died_status(moment).status is not RunStatus.DIED, "a living run is shown as died"

    def over(self, lease: str) -> bool:
        """Whether a slot's lease has run out."""
        return lease <= to_iso(self._world.moment)


def _token(holder: str) -> str:
    return holder.partition(" ")[2]


def _covered(sent: Sent, moment: datetime) -> bool:
    """Whether it may be under way: a client that died did not say so, and the service does not notice."""
    return sent.under_way(moment) or (
        not sent.ended and not sent.actor.alive and sent.claimed.lease_expires_at > moment
    )
