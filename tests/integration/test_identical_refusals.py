"""Identical refusals of several recordings pause the queue, and cost no attempts; bad recordings do not block it."""

import pytest

from callscribe.recordings.circuit_breaker import MAX_IDENTICAL_REFUSALS
from callscribe.store import control_items


@pytest.fixture
def queue_up(handlers, put):
    """Queues recordings, the oldest first, whose content is their name."""

    def queue_up(*names):
        for number, name in enumerate(names):
            put(f"{name}.wav", f"audio of {name}".encode() * 10, age=3600 * (100 - number))
        handlers.sync_and_queue()

    return queue_up


def names(prefix, count):
    return [f"{prefix}{number}" for number in range(count)]


def run_for(handlers, minutes):
    for _ in range(minutes):
        handlers.process()
        handlers.advance_clock(minutes=1)


def states(list_recordings):
    return {(item["transcriptionStatus"], item["attempts"]) for item in list_recordings().values()}


def refusals():
    return control_items.read_one(control_items.ADMISSION).refusals


REFUSALS = [(400, b"no"), (415, b"no"), (422, b'{"detail": "no"}'), (500, b"Internal Server Error"), (504, b"")]
REFUSALS += [(200, b'{"error": {"message": "no", "code": 400}}'), (200, b'{"error": "no"}')]
REFUSALS += [(200, b'{"utterances": [{"text": "Hello."}]}'), (200, b"")]


@pytest.mark.parametrize(("per_run", "status", "body"), [(1, *REFUSALS[0]), *((8, *refusal) for refusal in REFUSALS)])
def test_refusal_of_every_recording_costs_no_attempts_and_ends_unattended(
    handlers, queue_up, service, reply, list_recordings, status, body, per_run
):
    handlers.overrides["RECORDINGS_PER_RUN"] = str(per_run)
    service.replies = [reply(status=status, body=body)]
    queue_up(*names("a", 8))
    run_for(handlers, 20)
    assert states(list_recordings) == {("queued", 0)}
    outage = handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]
    assert outage["code"] == "wrong_settings"
    last_error = outage["message"].partition("The error of the last one: ")[2]
    assert str(status) in last_error or (status == 200 and "responded with success" in last_error)
    assert {item["error"]["code"] for item in list_recordings().values() if item["error"]} == {"wrong_settings"}
    assert len(service.received) <= MAX_IDENTICAL_REFUSALS + 20 // 2 + 2
    service.replies = [reply()]
    run_for(handlers, 12)
    assert states(list_recordings) == {("completed", 1)}
    assert handlers.api("GET", "/api/call-recordings/status-summary").json["outage"] is None
    assert refusals() is None


@pytest.mark.parametrize(("status", "bad_count"), [(415, 5), (500, 8)])
def test_bad_recordings_fail_and_good_ones_are_transcribed_soon(
    handlers, queue_up, service, reply, list_recordings, status, bad_count
):
    handlers.overrides |= {"RECORDINGS_PER_RUN": "4", "MAX_ATTEMPTS": "2"}
    service.choose_reply = lambda received: reply(status=status if b"audio of bad" in received.body else 200)
    queue_up(*names("bad", bad_count), *names("good", 6))
    run_for(handlers, 12)
    good = {name: item for name, item in list_recordings().items() if name.startswith("good")}
    assert {(item["transcriptionStatus"], item["attempts"]) for item in good.values()} == {("completed", 1)}
    run_for(handlers, 60)
    bad = [item for name, item in list_recordings().items() if name.startswith("bad")]
    assert {(item["transcriptionStatus"], item["nextAttemptAt"]) for item in bad} == {("failed", None)}


def test_success_in_between_starts_the_count_again(handlers, queue_up, service, reply, list_recordings):
    handlers.overrides["RECORDINGS_PER_RUN"] = "30"
    service.choose_reply = lambda received: reply(status=415 if b"audio of bad" in received.body else 200)
    queue_up(*names("bad", 4), "good", *names("bad-", 4))
    run = handlers.process()
    assert (run["status"], run["counts"]["failed"], run["counts"]["completed"]) == ("succeeded", 8, 1)
    assert len(refusals()) == 4


def test_different_refusals_do_not_add_up(handlers, queue_up, service, reply):
    handlers.overrides["RECORDINGS_PER_RUN"] = "30"
    service.replies = [reply(status=status) for status in (400, 415, 500, 422, 413, 418, 400)]
    queue_up(*names("bad", 7))
    assert handlers.process()["counts"]["failed"] == 7


def test_one_recording_that_is_refused_again_and_again_counts_once(handlers, queue_up, service, reply, list_recordings):
    service.replies = [reply(status=500)]
    queue_up("bad")
    run_for(handlers, 25)
    (item,) = list_recordings().values()
    assert (item["transcriptionStatus"], item["attempts"], item["error"]["code"]) == ("failed", 5, "service_error")


def test_probe_that_is_refused_in_another_way_extends_the_pause(handlers, queue_up, service, reply, list_recordings):
    """A user corrects one of two wrong settings."""
    handlers.overrides["RECORDINGS_PER_RUN"] = "5"
    service.replies = [*(reply(status=415) for _ in range(5)), reply(status=500)]
    queue_up(*names("a", 6))
    assert handlers.process()["errorCode"] == "wrong_settings"
    assert handlers.after(minutes=1).process()["counts"]["requeued"] == 1
    assert states(list_recordings) == {("queued", 0)}
    outage = handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]
    assert (outage["code"], outage["failures"]) == ("wrong_settings", 6)


def test_timeouts_are_no_refusals(handlers, queue_up, service, reply):
    handlers.overrides["RECORDINGS_PER_RUN"] = "9"
    service.replies = [reply(status=408)]
    queue_up(*names("a", 7))
    assert handlers.process()["counts"]["failed"] == 7


def test_event_of_a_final_failure_is_not_published_for_recordings_that_are_given_back(
    handlers, queue_up, service, reply, count_requests
):
    handlers.overrides["RECORDINGS_PER_RUN"] = "9"
    service.replies = [reply(status=415)]
    queue_up(*names("a", 5))
    with count_requests() as requests:
        handlers.process()
    assert requests["PutEvents"] == MAX_IDENTICAL_REFUSALS - 1
