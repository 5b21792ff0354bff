"""Gives back what runs of process held when the local stack stopped them: their claims and their slots.

A killed worker leaves its recording in `processing` until its lease expires, because nobody else can know that it is
dead. The stack that killed it knows. A run's claims and slots have the run's own deadline as their lease, so nothing of
another stack on the same AWS is touched; and each transition has the claim's token as its condition.
"""

import os
import random
from typing import Any

from callscribe.clock import utc_now
from callscribe.errors import ServiceUnavailable
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Recording, Status
from callscribe.recordings.retry_policy import RetryPolicy
from callscribe.recordings.run import Run, RunStatus
from callscribe.store import admission, control_items, recordings, runs, tables
from callscribe.store.admission import Slot

MAX_CLAIMS = 1000
"""More than the slots that there can be, with all jobs that wait to be polled."""
MESSAGE = "The local stack was stopped during this transcription."


def lambda_handler(event: dict[str, Any], _: Any) -> int:
    """Give back what the runs with the ids in `event["runs"]` held. Return how many recordings that were.

    Runs in the environment of the process function, whose workers have all been killed.
    """
    tables.configure(os.environ)
    stopped = [run for run_id in event["runs"] if (run := runs.get(run_id, utc_now()))]
    return sum(map(_release_run, stopped))


def _release_run(run: Run) -> int:
    kept_slots: set[str] = set()
    count = 0
    for entry in recordings.next_entries(Status.PROCESSING, MAX_CLAIMS):
        recording = recordings.get(entry.id)
        if recording and recording.claim_token and recording.lease_expires_at == run.deadline:
            count += _release_claim(recording, kept_slots)
    for member in control_items.read_one(control_items.ADMISSION).slots or ():
        slot = Slot.from_set_member(member)
        if slot.lease_expires_at == run.deadline and member not in kept_slots:
            admission.release(slot)
    run.end(RunStatus.FAILED, "The local stack was stopped.", "stopped")
    run.finished_at = utc_now()
    runs.save(run)
    return count


def _release_claim(recording: Recording, kept_slots: set[str]) -> bool:
    """Queue the recording where it was, without counting the attempt. If the server has a job for it, wait for that."""
    now = utc_now()
    if recording.has_job:
        own_slot = Slot(token=recording.claim_token or "", lease_expires_at=recording.lease_expires_at or now)
        slot = recording.slot or own_slot.set_member
        kept_slots.add(slot)
        return recordings.apply_transition(recording.id, state_machine.await_job(recording, slot, now)) is not None
    transition = state_machine.requeue_after_outage(
        recording,
        ServiceUnavailable(MESSAGE, code="worker_lost"),
        RetryPolicy(),
        now,
        random.Random(),  # noqa: S311 — not used: there is no delay
        is_probe=False,
    )
    return recordings.apply_transition(recording.id, transition) is not None
