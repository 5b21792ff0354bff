"""Checks after each step of an actor: invariants of the tables, and whether this actor may make such a change."""

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
from tests.integration.simulation.service import SimulatedJob, Upload
from tests.integration.simulation.tables import TablesReader, TablesSnapshot
from tests.integration.simulation.world import JOB_TIMEOUT, World

PENDING, QUEUED, PROCESSING, COMPLETED, FAILED = Status

JOB_ERRORS = ("job_failed", "job_lost", "job_timeout")
"""Error codes of recordings that failed because of their job."""

MIN_SLOT_LEASE = timedelta(minutes=10)
"""Of the slot of a recording that awaits its job: twice the longest pause between polls."""

ALLOWED_TRANSITIONS: Mapping[str, set[tuple[Status | None, Status]]] = {
    "sync": {(None, PENDING)},
    "queue": {(PENDING, QUEUED)},
    "process": {
        (QUEUED, PROCESSING),
        (FAILED, PROCESSING),
        (FAILED, QUEUED),
        (PROCESSING, PROCESSING),
        (PROCESSING, COMPLETED),
        (PROCESSING, FAILED),
        (PROCESSING, QUEUED),
    },
    "transcription": set(),
    "api": {(PENDING, QUEUED), (QUEUED, PENDING), (QUEUED, QUEUED), (FAILED, QUEUED), (FAILED, PENDING)},
}
"""Allowed transitions by actor. Duplicated on purpose, to detect mistakes in the product's table."""
ALLOWED_TRANSITIONS = {**ALLOWED_TRANSITIONS, "force": ALLOWED_TRANSITIONS["api"] | {(COMPLETED, QUEUED)}}


class InvariantChecker:
    """Follows one example from its start."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reader = TablesReader(world.aws)
        self.tables = TablesSnapshot()
        self._owners: dict[str, Actor] = {}
        """By token of a slot or claim, or by id of a run."""
        self._may_release: defaultdict[str, set[Actor]] = defaultdict(set)
        self._probes: dict[str, Actor] = {}
        self._reacquired: set[str] = set()
        """Slots of jobs that were not polled before the lease expired. The next poll acquires them again, even when
        other recordings have taken their place: `MaxConcurrentTranscriptions` holds for all slots but these."""
        self._counted_uploads: Counter[str] = Counter()
        """Uploads of each recording that count as attempts, since a user last reset them."""
        self._upload_tokens: set[str] = set()
        """Claim tokens under which something was uploaded."""
        self._violations: list[str] = []
        world.on_upload = self._check_upload

    def check_step(self, actor: Actor) -> None:
        """Check what one step of this actor has changed, and all invariants."""
        before, self.tables = self.tables, self._reader.read()
        root = actor.root
        assert not self._violations, self._violations
        if actor.error is not None and not isinstance(actor.error, CallscribeError | ApiError):
            raise AssertionError(f"{actor.kind} raised an unexpected exception") from actor.error
        if actor.kind == "sync" and actor.result and actor.result["status"] == RunStatus.SUCCEEDED:
            assert actor.files_at_start <= {recording.key for recording in self.tables.recordings.values()}, (
                "a file has no record"
            )
        if before == self.tables:
            return
        assert before.recordings.keys() <= self.tables.recordings.keys(), "a record was deleted"
        for id_, now in self.tables.recordings.items():
            if (was := before.recordings.get(id_)) != now:
                self._check_transition(actor, was, now)
        self._check_slots(root, before)
        self._check_circuit(root, before)
        self._world.totals["checkpoints"] += self.tables.completed_count > before.completed_count
        for name in self.tables.runs.keys() - before.runs.keys():
            self._owners[name] = root
        self._check_invariants()

    def owner(self, token: str) -> Actor:
        """Return the actor that made this slot, claim or run."""
        return self._owners[token]

    def jobs_to_poll(self) -> list[Recording]:
        """Return the recordings that await a job, according to the tables."""
        return [recording for recording in self.tables.with_status(PROCESSING) if recording.is_awaiting_job]

    # changes of one step ----------------------------------------------------------------------------------------------

    def _check_transition(self, actor: Actor, was: Recording | None, now: Recording) -> None:
        transition = (was.status if was else None, now.status)
        assert transition in ALLOWED_TRANSITIONS[actor.kind], f"{actor.kind} made {transition}"
        self._world.totals[f"{transition[0] or 'new'} → {transition[1]}"] += 1
        assert now.attempts <= self._world.setup.max_attempts, f"{now.attempts} attempts"
        assert (now.claim_token is not None) == (now.lease_expires_at is not None)
        assert now.status is PROCESSING or now.claim_token is None
        assert (now.slot is None) or now.status is PROCESSING
        if was is None:
            return
        if was.has_job and now.has_job:
            self._check_same_job(was, now)
        if now.status is FAILED and now.error and now.error.code in JOB_ERRORS:
            assert was.status is not PROCESSING or now.upload_number == was.upload_number + 1, (
                "uploaded again under the same name"
            )
        if now.is_awaiting_job:
            self._check_awaiting_job(was, now)
        if was.is_awaiting_job and now.status is PROCESSING:
            self._check_poll_claim(actor, was, now)
        elif now.claim_token is not None:
            self._check_claim(actor, was, now)
        elif was.status is PROCESSING:
            self._check_release(actor, was, now)
        elif actor.kind in ("api", "force") or transition == (FAILED, QUEUED):
            assert (now.attempts, now.outage_count, now.next_attempt_at) == (0, 0, None), "attempts were not reset"
            self._counted_uploads[now.id] = 0
        else:
            assert now.attempts == was.attempts
        if now.status is COMPLETED:
            assert now.transcript is not None
            key = f"transcripts/{now.id}/{now.transcript.version}.json"
            assert key in self._world.aws.bucket("TranscriptsBucket"), "completed without a transcript"

    def _check_claim(self, actor: Actor, was: Recording, now: Recording) -> None:
        assert now.claim_token is not None
        assert now.lease_expires_at is not None
        assert was.status is not PROCESSING, "claimed a recording that is claimed already"
        assert self._owners.get(now.claim_token) is actor.root, "claimed without a slot"
        assert now.lease_expires_at > actor.deadline, "the lease is shorter than the run"
        assert now.attempts == was.attempts + 1
        if was.status is FAILED:
            assert was.next_attempt_at is not None, "claimed after a terminal failure"
            assert was.next_attempt_at <= self._world.current_time, "retried before it was due"

    def _check_awaiting_job(self, was: Recording, now: Recording) -> None:
        """Check a recording that now awaits its job. `_check_release` checks who made the change."""
        self._world.totals["awaiting a job"] += 1
        assert was.claim_token is not None, "awaits a job without having been claimed"
        assert now.has_job, "awaits a job that it does not have"
        assert now.job_started_at is not None, "awaits a job without a start time"
        assert now.attempts == was.attempts, "attempts changed"
        assert now.status_since == was.status_since
        time = self._world.current_time
        assert now.sort_key <= to_iso(time + timedelta(minutes=1)), "the next poll is too late"
        assert now.slot in self.tables.holders, "awaits a job without a slot"
        # from the time at which the worker read its clock, which the sort key contains: time may have passed since
        read_at = datetime.fromisoformat(now.sort_key) - timedelta(minutes=1)
        assert now.slot > to_iso(read_at + MIN_SLOT_LEASE), "the slot expires before the next poll"

    def _check_poll_claim(self, actor: Actor, was: Recording, now: Recording) -> None:
        assert now.claim_token is not None
        assert now.lease_expires_at is not None
        assert was.slot is not None
        assert was.sort_key <= to_iso(self._world.current_time), "polled too early"
        assert now.lease_expires_at > actor.deadline, "the lease is shorter than the run"
        assert (now.attempts, now.tracks, now.slot) == (was.attempts, was.tracks, was.slot), (
            "a poll counted as an attempt"
        )
        self._owners[now.claim_token] = actor.root
        self._may_release[_token(was.slot)].add(actor.root)
        self._world.totals["poll claims"] += 1

    def _check_same_job(self, was: Recording, now: Recording) -> None:
        if was.tracks == now.tracks:
            assert was.job_started_at == now.job_started_at, "the job's start time changed"
            assert was.upload_number == now.upload_number, "the upload of a running job was renamed"

    def _check_release(self, actor: Actor, was: Recording, now: Recording) -> None:
        assert was.claim_token is not None
        assert was.lease_expires_at is not None
        if self._owners[was.claim_token] is actor.root:
            self._world.totals["released after the lease expired"] += was.lease_expires_at <= self._world.current_time
            if now.status is QUEUED and was.claim_token in self._upload_tokens:
                self._counted_uploads[now.id] -= 1
        else:
            assert was.lease_expires_at <= self._world.current_time, "another run's claim was released"
            assert now.status in (QUEUED, FAILED), "completed without a claim"
            assert (now.tracks, now.job_started_at) == (was.tracks, was.job_started_at), "the job was lost at recovery"
            assert now.attempts == was.attempts
            self._world.totals["recovered"] += 1
            if was.slot:
                self._may_release[_token(was.slot)].add(actor.root)

    def _check_slots(self, root: Actor, before: TablesSnapshot) -> None:
        for token, lease in self.tables.slots.items():
            if token not in before.slots or (self.has_expired(before.slots[token]) and not self.has_expired(lease)):
                self._check_acquired(root, token, before)
        for token in before.slots.keys() - self.tables.slots.keys():
            assert root in self._may_release[token] or self.has_expired(before.slots[token]), (
                "another run's slot was released"
            )
        if self.tables.probe not in (None, before.probe):
            self._check_probe(root, before)

    def _check_acquired(self, root: Actor, token: str, before: TablesSnapshot) -> None:
        assert root.kind == "process"
        self._may_release[token].add(root)
        if token in self._owners:
            self._reacquired.add(token)
            self._world.totals["slots reacquired"] += 1
            return
        self._owners[token] = root
        assert before.outage is None or self.tables.probe == token, "a slot was acquired while the circuit is open"

    def _check_probe(self, root: Actor, before: TablesSnapshot) -> None:
        self._probes[self.tables.probe or ""] = root
        self._world.totals["probes"] += 1
        assert before.outage is not None
        assert before.outage.next_try_at <= self._world.current_time, "probed too early"
        assert before.probe is None or before.probe_lease <= self._world.current_time, "two probes"

    def _check_circuit(self, root: Actor, before: TablesSnapshot) -> None:
        was, now = before.outage, self.tables.outage
        if was == now:
            return
        if root.kind in ("api", "force"):
            assert was is not None
            assert now == replace(was, next_try_at=now.next_try_at), "a request changed more than the next try"
            return
        assert root.kind == "process"
        self._world.totals["circuit opened"] += was is None
        self._world.totals["circuit closed"] += now is None
        if was is not None:
            assert self._probes.get(before.probe or "") is root, "the circuit was changed by a run without the probe"

    # uploads ----------------------------------------------------------------------------------------------------------

    def _check_upload(self, upload: Upload) -> None:
        """Check an upload. Runs in the actor's thread, so violations are collected for the next `check_step`."""
        world, claimed = self._world, upload.claimed
        now = self._reader.read().recordings[claimed.id]
        self._upload_tokens.add(claimed.claim_token or "")
        self._counted_uploads[claimed.id] += 1
        in_progress = {other.claimed.id for other in world.uploads if other.is_in_progress(world.current_time)}
        in_progress |= {job.claimed.id for job in world.service.jobs.values() if self._has_slot(job)}
        same = [
            other
            for other in world.uploads
            if other.claimed.id == claimed.id and _may_be_in_progress(other, world.current_time)
        ]
        for is_violated, message in (
            (now.claim_token != claimed.claim_token, "uploaded without a claim"),
            (claimed.lease_expires_at <= world.current_time, "uploaded after the lease expired"),
            (len(in_progress) > world.setup.slots, "more concurrent uploads than slots"),
            (len(same) > 1, "two concurrent uploads of one recording"),
            (self._counted_uploads[claimed.id] > now.attempts, "more uploads than attempts"),
            (upload.job and self._is_duplicate(upload.job), "a second job for a recording whose job is running"),
        ):
            if is_violated:
                self._violations.append(message)

    def _has_slot(self, job: SimulatedJob) -> bool:
        """Whether a running job has a slot: its recording is claimed or awaits it, and no lease has expired."""
        tables, time = self._reader.read(), self._world.current_time
        now = tables.recordings[job.claimed.id]
        if not job.is_in_progress(time) or now.status is not PROCESSING:
            return False
        if now.claim_token is not None and now.lease_expires_at <= time:
            return False
        if now.slot is None:  # claimed, and has not awaited its job since
            return now.claim_token == job.claimed.claim_token
        known = job.id in {track.job for track in now.tracks}
        return known and not self.has_expired(now.slot) and _token(now.slot) not in self._reacquired

    def _is_duplicate(self, job: SimulatedJob) -> bool:
        """Whether the service has another running job for the recording that the client could have found."""
        time = self._world.current_time
        others = [
            other
            for other in self._world.service.jobs.values()
            if other is not job and other.claimed.id == job.claimed.id and other.is_in_progress(time)
        ]
        for other in others:
            other.may_overlap |= not job.was_listed or time - other.began_at > JOB_TIMEOUT
        self._world.totals["jobs abandoned"] += len(others)
        return not all(other.may_overlap for other in others)

    # invariants -------------------------------------------------------------------------------------------------------

    def _check_invariants(self) -> None:
        tables, time = self.tables, self._world.current_time
        held = {token for token, lease in tables.slots.items() if not self.has_expired(lease)}
        assert len(held - self._reacquired) <= self._world.setup.slots, "more slots are held than exist"
        claims = [
            recording
            for recording in tables.with_status(PROCESSING)
            if recording.is_awaiting_job or recording.lease_expires_at > time
        ]
        for recording in claims:
            if recording.slot:
                assert self.has_expired(recording.slot) or recording.slot in tables.holders, (
                    "the slot of a job was released"
                )
            else:
                assert recording.claim_token in held, "a claim without a slot"
        slots = [_token(claim.slot) if claim.slot else claim.claim_token for claim in claims]
        assert len(set(slots)) == len(slots), "two recordings use one slot"
        paths = [(recording.location, recording.key) for recording in tables.recordings.values()]
        assert len(set(paths)) == len(paths), "two records for one file"
        for id_, count in self._counted_uploads.items():
            assert count <= tables.recordings[id_].attempts, "an attempt was not counted"
        if tables.counted_until:
            counted = [
                recording for recording in tables.with_status(COMPLETED) if recording.sort_key <= tables.counted_until
            ]
            assert len(counted) == tables.completed_count, "the checkpoint of completed recordings is wrong"
        for name, run in tables.runs.items():
            if not self._owners[name].has_ended and time <= self._owners[name].deadline:
                assert run.with_died_status(time).status is not RunStatus.DIED, "a running run is reported as died"

    def has_expired(self, lease: str) -> bool:
        """Whether the lease of a slot has expired."""
        return lease <= to_iso(self._world.current_time)


def _token(holder: str) -> str:
    return holder.partition(" ")[2]


def _may_be_in_progress(upload: Upload, time: datetime) -> bool:
    """Whether the service may still work on it: it does not notice when a client dies."""
    return upload.is_in_progress(time) or (
        not upload.has_ended and not upload.actor.is_process_alive and upload.claimed.lease_expires_at > time
    )
