"""Admission control: who holds a slot, who is the probe, and what happens to both at the same moment.

tests/integration/test_dispatcher.py shows what follows from it for the runs.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

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
GONE = circuit_breaker.opened_by(ServiceUnavailable("Nobody is there.", code="service_down"), NOW, 60, None)
AGAIN = circuit_breaker.opened_by(ServiceUnavailable("Still nobody.", code="service_down"), GONE.next_try_at, 60, GONE)
DUE = GONE.next_try_at


@pytest.fixture(autouse=True)
def _bound(stack, monkeypatch):
    for name, value in (lambda_environment(stack.function("process"), stack) | CREDENTIALS).items():
        monkeypatch.setenv(name, value)
    tables.configure(os.environ)


@pytest.fixture
def meanwhile(monkeypatch):
    """Makes `action` happen once, between what is read next and the write that follows."""

    def meanwhile(action):
        read = control_items.read

        def read_and_act(*names):
            found = read(*names)
            monkeypatch.setattr(control_items, "read", read)
            action()
            return found

        monkeypatch.setattr(control_items, "read", read_and_act)

    return meanwhile


def item():
    return control_items.read(control_items.ADMISSION)[control_items.ADMISSION]


def held():
    """The tokens of those who hold a slot."""
    return sorted(Slot.from_set_member(holder).token for holder in item().slots or ())


def take(token="mine", now=NOW, lease=LEASE, limit=4):
    return admission.acquire(limit, token, now, lease)


def poll(token, now, lease=LEASE):
    """Asks to poll for a job whose slot is held."""
    return admission.acquire_probe(Slot(token="job", lease_expires_at=LEASE), token, now, lease)


def open_breaker():
    admission.release_and_open(take("first"), GONE)


def a_probe(token="mine"):
    """The slot of who tries whether the service is back."""
    open_breaker()
    return take(token, DUE)


# slots ---------------------------------------------------------------------------------------------------------------


def test_slots_are_numbered_by_how_many_are_held():
    assert [take(token).held_count for token in "abc"] == [1, 2, 3]
    assert held() == ["a", "b", "c"]


def test_a_slot_is_known_by_what_the_set_has_of_it():
    slot = take()
    assert Slot.from_set_member(slot.set_member) == slot
    assert item().slots == {slot.set_member}


def test_who_takes_the_same_slot_twice_holds_it_once():
    """The answer to the first write was lost, so the write was repeated."""
    assert take(limit=1) == take(limit=1)
    assert held() == ["mine"]


def test_a_slot_is_held_until_its_lease_ends_and_no_longer():
    take("a", limit=1)
    assert take("b", LEASE, LATER, limit=1) is None
    assert take("b", LEASE + TICK, LATER, limit=1).token == "b"
    assert held() == ["b"]


def test_a_refusal_costs_one_write_and_one_read(counted):
    take("a", limit=1)
    with counted() as requests:
        assert take("b", limit=1) is None
    assert requests == {"UpdateItem": 1, "BatchGetItem": 1}


def test_who_is_overtaken_tries_again_and_gives_up_when_it_goes_on(monkeypatch):
    write, overtaken = control_items.write, iter([True, True, False] + [True] * 99)
    monkeypatch.setattr(control_items, "write", lambda *what: None if next(overtaken) else write(*what))
    assert take().token == "mine"
    assert take("another") is None


def test_a_slot_is_kept_for_longer_from_half_of_its_time_on():
    slot, half = take(), NOW + timedelta(minutes=8)
    assert admission.extend_for_job(slot, half - TICK, half - TICK + timedelta(minutes=16)) is slot
    longer = admission.extend_for_job(slot, half, half + timedelta(minutes=16))
    assert (longer.token, longer.lease_expires_at) == ("mine", half + timedelta(minutes=16))
    assert item().slots == {slot.set_member, longer.set_member}
    admission.release(slot, retained=longer)
    assert item().slots == {longer.set_member}


def test_a_slot_is_renewed_only_for_longer():
    slot = take()
    assert admission.extend(slot, LEASE) is slot
    assert item().slots == {slot.set_member}
    longer = admission.extend(slot, LATER)
    assert (longer.token, longer.lease_expires_at) == ("mine", LATER)
    assert item().slots == {longer.set_member}


@pytest.mark.parametrize(
    "end", [admission.release, admission.release_and_close, partial(admission.release_and_open, outage=GONE)]
)
def test_the_slot_of_a_job_stays_held_when_its_poll_ends(end):
    slot = take()
    end(slot, retained=slot)
    assert held() == ["mine"]
    end(slot)
    assert held() == []


# breaker -------------------------------------------------------------------------------------------------------------


def test_the_outage_is_stored_as_it_was_found():
    assert admission.to_outage(item()) is None
    open_breaker()
    assert admission.to_outage(item()) == GONE


def test_the_probe_is_taken_when_it_is_due_and_again_when_its_lease_has_ended():
    open_breaker()
    assert take("early", DUE - TICK) == GONE
    assert take("probe", DUE).outage == GONE
    assert take("early", LEASE - TICK, LATER) == GONE
    assert take("next", LEASE, LATER).outage == GONE
    assert (item().probe, item().probe_lease) == ("next", LATER)


def test_a_probe_that_takes_its_slot_twice_is_still_the_probe():
    probe = a_probe()
    assert take("mine", DUE) == probe
    assert item().probe == "mine"


def test_a_slot_from_before_the_outage_that_is_taken_twice_is_no_probe():
    slot = take("mine")
    a_probe("probe")
    assert take("mine") == slot


@pytest.mark.parametrize("ask", [take, poll])
def test_of_two_who_find_the_try_due_the_second_is_refused(meanwhile, ask):
    open_breaker()
    meanwhile(lambda: take("quick", DUE))
    assert ask("late", DUE) == GONE
    assert item().probe == "quick"


@pytest.mark.parametrize("ask", [take, poll])
def test_a_try_is_not_made_when_another_has_just_failed(meanwhile, ask):
    open_breaker()
    meanwhile(lambda: admission.release_and_open(take("quick", DUE), AGAIN))
    assert ask("late", DUE) in {GONE, AGAIN}
    assert item().probe is None
    assert admission.to_outage(item()) == AGAIN


def test_a_dead_probe_is_replaced_by_one_of_those_who_notice(meanwhile):
    a_probe("dead")
    meanwhile(lambda: take("quick", LEASE + TICK, LATER))
    assert take("late", LEASE + TICK, LATER) == GONE
    assert item().probe == "quick"


def test_a_job_is_polled_freely_while_the_breaker_is_closed_and_by_the_probe_while_it_is_open():
    job: Slot = take("job")
    assert admission.acquire_probe(job, "poll", NOW, LEASE) is job
    open_breaker()
    assert admission.acquire_probe(job, "poll", DUE - TICK, LEASE) == GONE
    probe = poll("poll", DUE)
    assert (probe.token, probe.outage, probe.probe) == ("job", GONE, "poll")
    assert (item().probe, item().probe_lease) == ("poll", LEASE)
    assert admission.acquire_probe(job, "late", LEASE - TICK, LATER) == GONE
    assert admission.acquire_probe(job, "next", LEASE, LATER).probe == "next"
    admission.release_and_close(probe, retained=job)  # it is not the probe any more
    assert item().probe == "next"


def test_a_poll_that_was_answered_ends_the_outage_and_leaves_the_slot():
    job = take("job")
    open_breaker()
    admission.release_and_close(poll("poll", DUE), retained=job)
    assert (held(), item().outage, item().probe, item().probe_lease) == (["job"], None, None, None)


def test_a_poll_that_finds_nobody_keeps_the_breaker_open_and_leaves_the_slot():
    job = take("job")
    open_breaker()
    admission.release_and_open(poll("poll", DUE), AGAIN, retained=job)
    assert (held(), item().probe, admission.to_outage(item())) == (["job"], None, AGAIN)


def test_who_was_sent_before_the_outage_neither_ends_nor_prolongs_it():
    job, second, third = (take(token) for token in ("job", "second", "third"))
    open_breaker()
    admission.release_and_open(job, AGAIN, retained=job)
    admission.release_and_open(second, AGAIN)
    admission.release_and_close(third)
    assert (held(), admission.to_outage(item())) == (["job"], GONE)


def test_a_probe_that_learns_nothing_leaves_the_try_to_another():
    admission.release(a_probe())
    assert (held(), admission.to_outage(item())) == ([], GONE)
    assert (item().probe, item().probe_lease) == (None, None)


def test_a_probe_that_fails_keeps_the_breaker_open_for_longer():
    admission.release_and_open(a_probe(), AGAIN)
    assert (held(), admission.to_outage(item())) == ([], AGAIN)
    assert (item().probe, item().probe_lease) == (None, None)


def test_a_probe_that_comes_too_late_gives_back_its_slot_and_nothing_else():
    late = a_probe("late")
    take("next", LEASE, LATER)
    for end in (admission.release_and_close, admission.release):
        end(late)
        assert (held(), item().probe, admission.to_outage(item())) == (["next"], "next", GONE)
    admission.release_and_open(late, AGAIN)
    assert admission.to_outage(item()) == GONE


def test_a_try_can_be_made_at_once_during_an_outage_and_none_is_begun_without_one():
    admission.reset_backoff(NOW)
    assert item().outage is None
    open_breaker()
    admission.reset_backoff(NOW)
    assert item().outage.next_try_at == NOW
    assert take("probe").outage is not None


def test_of_many_who_ask_at_once_one_becomes_the_probe():
    open_breaker()
    with ThreadPoolExecutor(16) as pool:
        taken = pool.map(lambda token: take(str(token), DUE, limit=16), range(16))
    assert [type(each) for each in taken].count(Slot) == 1
