"""Admission control: slots, the circuit breaker and its probe, and concurrent writes to them.

tests/integration/test_outage.py and test_worker.py show the consequences for runs.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from callscribe.errors import ServiceUnavailable
from callscribe.recordings import circuit_breaker
from callscribe.store import admission, control_items, tables
from callscribe.store.admission import Slot
from local.cloud.client import CREDENTIALS
from local.lambdas.pool import lambda_environment
from testing import dynalite

pytestmark = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = NOW + timedelta(minutes=16)
LATER = LEASE + timedelta(minutes=16)
TICK = timedelta(microseconds=1)
OUTAGE = circuit_breaker.opened_by(ServiceUnavailable("No response.", code="service_down"), NOW, 60, None)
LATER_OUTAGE = circuit_breaker.opened_by(
    ServiceUnavailable("Still no response.", code="service_down"), OUTAGE.next_try_at, 60, OUTAGE
)
DUE = OUTAGE.next_try_at


@pytest.fixture(autouse=True)
def _configured_tables(stack, monkeypatch):
    for name, value in (lambda_environment(stack.function("process"), stack) | CREDENTIALS).items():
        monkeypatch.setenv(name, value)
    tables.configure(os.environ)


@pytest.fixture
def meanwhile(monkeypatch):
    """Run `action` once, between the next read and the write that follows it."""

    def meanwhile(action):
        read = control_items.read

        def read_and_act(*names):
            items = read(*names)
            monkeypatch.setattr(control_items, "read", read)
            action()
            return items

        monkeypatch.setattr(control_items, "read", read_and_act)

    return meanwhile


def item():
    return control_items.read_one(control_items.ADMISSION)


def held_tokens():
    """The tokens of the held slots."""
    return sorted(Slot.from_set_member(holder).token for holder in item().slots or ())


def acquire(token="mine", now=NOW, lease=LEASE, limit=4):
    return admission.acquire(limit, token, now, lease)


def acquire_probe(token, now, lease=LEASE):
    """Ask to poll for a job whose slot is held."""
    return admission.acquire_probe(Slot(token="job", lease_expires_at=LEASE), token, now, lease)


def open_circuit():
    admission.release_and_open(acquire("first"), OUTAGE)


def open_and_acquire_probe(token="mine"):
    """The slot of the worker that tests whether the service is back."""
    open_circuit()
    return acquire(token, DUE)


# slots ---------------------------------------------------------------------------------------------------------------


def test_acquired_slot_has_the_number_of_held_slots():
    assert [acquire(token).held_count for token in "abc"] == [1, 2, 3]
    assert held_tokens() == ["a", "b", "c"]


def test_slot_is_restored_from_its_set_member():
    slot = acquire()
    assert Slot.from_set_member(slot.set_member) == slot
    assert item().slots == {slot.set_member}


def test_repeated_write_acquires_one_slot():
    """botocore repeats the write when the response to the first one is lost."""
    assert acquire(limit=1) == acquire(limit=1)
    assert held_tokens() == ["mine"]


def test_slot_is_held_until_its_lease_expires():
    acquire("a", limit=1)
    assert acquire("b", LEASE, LATER, limit=1) is None
    assert acquire("b", LEASE + TICK, LATER, limit=1).token == "b"
    assert held_tokens() == ["b"]


def test_acquire_without_a_free_slot_costs_one_write_and_one_read(count_requests):
    acquire("a", limit=1)
    with count_requests() as requests:
        assert acquire("b", limit=1) is None
    assert requests == {"UpdateItem": 1, "BatchGetItem": 1}


def test_worker_that_loses_races_retries_and_finally_gives_up(monkeypatch):
    write, conflicts = control_items.write, iter([True, True, False] + [True] * 99)
    monkeypatch.setattr(control_items, "write", lambda *args: None if next(conflicts) else write(*args))
    assert acquire().token == "mine"
    assert acquire("another") is None


def test_lease_for_a_job_is_extended_once_half_of_it_has_passed():
    slot, half = acquire(), NOW + timedelta(minutes=8)
    assert admission.extend_for_job(slot, half - TICK, half - TICK + timedelta(minutes=16)) is slot
    extended = admission.extend_for_job(slot, half, half + timedelta(minutes=16))
    assert (extended.token, extended.lease_expires_at) == ("mine", half + timedelta(minutes=16))
    assert item().slots == {slot.set_member, extended.set_member}
    admission.release(slot)
    assert item().slots == {extended.set_member}


def test_lease_is_never_shortened():
    slot = acquire()
    assert admission.extend(slot, LEASE) is slot
    assert item().slots == {slot.set_member}
    extended = admission.extend(slot, LATER)
    assert (extended.token, extended.lease_expires_at) == ("mine", LATER)
    assert item().slots == {extended.set_member}


@pytest.mark.parametrize(
    ("keep", "release", "arguments"),
    [
        (admission.drop_probe, admission.release, ()),
        (admission.close_circuit, admission.release_and_close, ()),
        (admission.open_circuit, admission.release_and_open, (OUTAGE,)),
    ],
)
def test_slot_of_a_running_job_stays_held_until_it_is_released(keep, release, arguments):
    slot = acquire()
    keep(slot, *arguments)
    assert held_tokens() == ["mine"]
    release(slot, *arguments)
    assert held_tokens() == []


def test_refusals_are_counted_by_recording_and_by_kind_until_a_success():
    def refuse(refusal, recording_id):
        return admission.release_and_count(acquire(), refusal, recording_id)

    assert refuse("415 not_audio", "a") == {"a"}
    assert refuse("415 not_audio", "b") == {"a", "b"}
    assert refuse("500 service_error", "c") == {"c"}
    assert refuse("415 not_audio", "b") == {"a", "b"}
    admission.release_and_close(acquire())
    assert refuse("415 not_audio", "d") == {"a", "b", "d"}
    admission.release_and_close(acquire(), is_success=True)
    assert refuse("415 not_audio", "e") == {"e"}
    assert held_tokens() == []


def test_refusal_of_a_probe_closes_the_circuit_and_counts():
    assert admission.release_and_count(open_and_acquire_probe(), "415 not_audio", "a") == {"a"}
    assert (held_tokens(), item().outage, item().probe) == ([], None, None)


def test_pause_opens_a_closed_circuit_and_forgets_the_refusals():
    admission.release_and_count(acquire(), "415 not_audio", "a")
    admission.pause(OUTAGE)
    assert (item().refusals, admission.to_outage(item())) == (None, OUTAGE)
    admission.pause(LATER_OUTAGE)
    assert admission.to_outage(item()) == OUTAGE


# circuit breaker ----------------------------------------------------------------------------------------------------


def test_stored_outage_equals_the_reported_one():
    assert admission.to_outage(item()) is None
    open_circuit()
    assert admission.to_outage(item()) == OUTAGE


def test_probe_starts_when_due_and_again_after_its_lease_has_expired():
    open_circuit()
    assert acquire("early", DUE - TICK) == OUTAGE
    assert acquire("probe", DUE).outage == OUTAGE
    assert acquire("early", LEASE - TICK, LATER) == OUTAGE
    assert acquire("next", LEASE, LATER).outage == OUTAGE
    assert (item().probe, item().probe_lease) == ("next", LATER)


def test_probe_stays_the_probe_when_its_write_is_repeated():
    probe = open_and_acquire_probe()
    assert acquire("mine", DUE) == probe
    assert item().probe == "mine"


def test_slot_acquired_before_the_outage_is_not_the_probe_when_its_write_is_repeated():
    slot = acquire("mine")
    open_and_acquire_probe("probe")
    assert acquire("mine") == slot


@pytest.mark.parametrize("request_probe", [acquire, acquire_probe])
def test_second_of_two_concurrent_probes_is_refused(meanwhile, request_probe):
    open_circuit()
    meanwhile(lambda: acquire("quick", DUE))
    assert request_probe("late", DUE) == OUTAGE
    assert item().probe == "quick"


@pytest.mark.parametrize("request_probe", [acquire, acquire_probe])
def test_probe_is_refused_when_another_has_just_failed(meanwhile, request_probe):
    open_circuit()
    meanwhile(lambda: admission.release_and_open(acquire("quick", DUE), LATER_OUTAGE))
    assert request_probe("late", DUE) in {OUTAGE, LATER_OUTAGE}
    assert item().probe is None
    assert admission.to_outage(item()) == LATER_OUTAGE


def test_dead_probe_is_replaced_by_only_one_worker(meanwhile):
    open_and_acquire_probe("dead")
    meanwhile(lambda: acquire("quick", LEASE + TICK, LATER))
    assert acquire("late", LEASE + TICK, LATER) == OUTAGE
    assert item().probe == "quick"


def test_only_the_probe_polls_while_the_circuit_is_open():
    job: Slot = acquire("job")
    assert admission.acquire_probe(job, "poll", NOW, LEASE) == job
    open_circuit()
    assert admission.acquire_probe(job, "poll", DUE - TICK, LEASE) == OUTAGE
    probe = acquire_probe("poll", DUE)
    assert (probe.token, probe.outage, probe.probe_token) == ("job", OUTAGE, "poll")
    assert (item().probe, item().probe_lease) == ("poll", LEASE)
    assert admission.acquire_probe(job, "late", LEASE - TICK, LATER) == OUTAGE
    assert admission.acquire_probe(job, "next", LEASE, LATER).probe_token == "next"
    admission.close_circuit(probe)  # it is no longer the current probe
    assert item().probe == "next"


def test_successful_poll_closes_the_circuit_and_keeps_the_slot():
    acquire("job")
    open_circuit()
    admission.close_circuit(acquire_probe("poll", DUE))
    assert (held_tokens(), item().outage, item().probe, item().probe_lease) == (["job"], None, None, None)


def test_failed_poll_keeps_the_circuit_open_and_keeps_the_slot():
    acquire("job")
    open_circuit()
    admission.open_circuit(acquire_probe("poll", DUE), LATER_OUTAGE)
    assert (held_tokens(), item().probe, admission.to_outage(item())) == (["job"], None, LATER_OUTAGE)


def test_slots_from_before_the_outage_neither_end_nor_extend_it():
    job, second, third = (acquire(token) for token in ("job", "second", "third"))
    open_circuit()
    admission.open_circuit(job, LATER_OUTAGE)
    admission.release_and_open(second, LATER_OUTAGE)
    admission.release_and_close(third)
    assert (held_tokens(), admission.to_outage(item())) == (["job"], OUTAGE)


def test_another_worker_probes_after_a_probe_without_a_result():
    admission.release(open_and_acquire_probe())
    assert (held_tokens(), admission.to_outage(item())) == ([], OUTAGE)
    assert (item().probe, item().probe_lease) == (None, None)


def test_failed_probe_keeps_the_circuit_open():
    admission.release_and_open(open_and_acquire_probe(), LATER_OUTAGE)
    assert (held_tokens(), admission.to_outage(item())) == ([], LATER_OUTAGE)
    assert (item().probe, item().probe_lease) == (None, None)


def test_probe_whose_lease_has_expired_releases_only_its_slot():
    late = open_and_acquire_probe("late")
    acquire("next", LEASE, LATER)
    for end in (admission.release_and_close, admission.release):
        end(late)
        assert (held_tokens(), item().probe, admission.to_outage(item())) == (["next"], "next", OUTAGE)
    admission.release_and_open(late, LATER_OUTAGE)
    assert admission.to_outage(item()) == OUTAGE


def test_reset_backoff_makes_the_next_try_due_and_starts_no_outage():
    admission.reset_backoff(NOW)
    assert item().outage is None
    open_circuit()
    admission.reset_backoff(NOW)
    assert item().outage.next_try_at == NOW
    assert acquire("probe").outage is not None


def test_one_of_many_concurrent_workers_becomes_the_probe():
    open_circuit()
    with ThreadPoolExecutor(16) as pool:
        results = pool.map(lambda token: acquire(str(token), DUE, limit=16), range(16))
    assert [type(result) for result in results].count(Slot) == 1
