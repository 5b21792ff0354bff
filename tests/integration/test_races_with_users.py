"""People at the API while the tasks run: whoever is faster, no recording is in two hands, and none is sent unasked."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status
from callscribe.store import recordings
from local.http_server import HttpServer
from local.lambdas.front import LocalGateway
from local.lambdas.pool import Lambdas
from testing.handlers import read_api_key
from testing.waiting import LIMIT_SECONDS
from tests.integration.checks import all_recordings, assert_counts_are_right, assert_no_slot_is_held

pytestmark = pytest.mark.slow

RECORDINGS, SLOTS, PEOPLE, WISHES = 20, 4, 4, 25


@pytest.fixture
def running(stack, service, tmp_path) -> Iterator[tuple[Lambdas, str]]:
    """The functions, and the URL under which people and functions find them."""
    server = HttpServer()
    service.replies[0].wait = 0.05
    environment = {
        "WHISPERX_URL": service.url,
        "MAX_CONCURRENT_TRANSCRIPTIONS": str(SLOTS),
        "RECORDINGS_PER_RUN": "2",
        "AWS_ENDPOINT_URL_LAMBDA": server.url,
    }
    with closing(server), Lambdas(stack, tmp_path, environment, workers_per_function=PEOPLE) as lambdas:
        server.start(LocalGateway(lambdas, "api"))
        yield lambdas, server.url
        lambdas.stop(grace_seconds=LIMIT_SECONDS)


def wish(url, key, names, seed):
    """What a person asks for, one after the other: the answers as (recording, asked to be sent again, status)."""
    chance, answers = random.Random(seed), []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        for _ in range(WISHES):
            name = chance.choice(names)
            path, force = f"{url}/api/call-recordings/{name}", chance.random() < 0.5
            if chance.random() < 0.5:
                answer = session.post(f"{path}/transcribe", json={"force": force}, timeout=LIMIT_SECONDS)
            else:
                force = False
                status = chance.choice(["pending", "queued", "completed"])
                answer = session.put(path, json={"transcriptionStatus": status}, timeout=LIMIT_SECONDS)
            answers.append((name, force, answer.status_code))
    return answers


def test_what_people_ask_for_meanwhile_sends_nothing_twice_that_was_not_asked_for(
    handlers, stack, put, service, running
):
    lambdas, url = running
    handlers.queue()  # binds the models to the tables
    now, names = handlers.now(), []
    for number in range(RECORDINGS):
        location = f"s3://{stack.buckets['RecordingsBucket']}"
        new = state_machine.create(location, f"{number:02}.wav", size=104, etag=None, modified_at=now, now=now)
        put(new.key)
        assert recordings.create(new)
        names.append(new.id)

    def keep_running(task):
        while not done:
            assert not lambdas.invoke(task, {"trigger": "a test"}).failed

    done, key = [], read_api_key(stack)
    with ThreadPoolExecutor(PEOPLE + 3) as pool:
        tasks = [pool.submit(keep_running, task) for task in ("queue", "process", "process")]
        try:
            people = [pool.submit(wish, url, key, names, seed) for seed in range(PEOPLE)]
            answers = [answer for person in people for answer in person.result()]
        finally:
            done.append(True)
        for task in tasks:
            task.result()
    lambdas.invoke("queue", {"trigger": "a test"})
    while any(each.status is not Status.COMPLETED for each in all_recordings().values()):
        assert not lambdas.invoke("process", {"trigger": "a test"}).failed

    assert {status for _, _, status in answers} <= {200, 202, 409}
    assert len(answers) == PEOPLE * WISHES
    asked_again = Counter(name for name, force, status in answers if force and status == 202)
    sent = Counter(each.recording for each in service.received)
    assert sent.keys() == set(names)
    assert {name: number for name, number in sent.items() if number > 1 + asked_again[name]} == {}
    assert service.max_concurrent_per_recording == 1  # it was never in two live claims
    assert service.max_concurrent <= SLOTS
    assert {(each.attempts, each.error) for each in all_recordings().values()} == {(1, None)}
    assert_counts_are_right()
    assert_no_slot_is_held(handlers, SLOTS)
