"""API users compete with the running tasks: no recording is claimed twice, and none is sent without a request."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from callscribe.recordings import transitions
from callscribe.recordings.recording import Status
from callscribe.store import recordings
from local.http_server import HttpServer
from local.lambdas.gateway import LocalGateway
from local.lambdas.pool import Lambdas
from testing.handlers import read_api_key
from testing.waiting import LIMIT_SECONDS
from tests.integration.store_assertions import all_recordings, assert_counts_are_right, assert_no_slot_is_held

pytestmark = pytest.mark.slow

RECORDINGS, SLOTS, USERS, REQUESTS = 20, 4, 4, 25


@pytest.fixture
def running(stack, service, tmp_path) -> Iterator[tuple[Lambdas, str]]:
    """The functions, and the URL of the API and of Lambda."""
    server = HttpServer()
    service.replies[0].delay_seconds = 0.05
    environment = {
        "WHISPERX_URL": service.url,
        "MAX_CONCURRENT_TRANSCRIPTIONS": str(SLOTS),
        "RECORDINGS_PER_RUN": "2",
        "AWS_ENDPOINT_URL_LAMBDA": server.url,
    }
    with closing(server), Lambdas(stack, tmp_path, environment, workers_per_function=USERS) as lambdas:
        server.start(LocalGateway(lambdas, "api"))
        yield lambdas, server.url
        lambdas.stop(grace_seconds=LIMIT_SECONDS)


def send_requests(url, key, ids, seed):
    """One user's requests, one after the other: (recording, whether it may be sent again, response status)."""
    chance, responses = random.Random(seed), []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        for _ in range(REQUESTS):
            recording = chance.choice(ids)
            path, force = f"{url}/api/call-recordings/{recording}", chance.random() < 0.5
            if chance.random() < 0.5:
                response = session.post(f"{path}/transcribe", json={"force": force}, timeout=LIMIT_SECONDS)
            else:
                force = False
                status = chance.choice(["pending", "queued", "completed"])
                response = session.put(path, json={"transcriptionStatus": status}, timeout=LIMIT_SECONDS)
            responses.append((recording, force, response.status_code))
    return responses


def test_concurrent_user_requests_send_nothing_twice_without_force(handlers, stack, put, service, running):
    lambdas, url = running
    handlers.queue()  # configures the tables
    now, ids = handlers.now(), []
    for number in range(RECORDINGS):
        location = f"s3://{stack.buckets['RecordingsBucket']}"
        new = transitions.create(location, f"{number:02}.wav", size=104, etag=None, modified_at=now, now=now)
        put(new.key)
        assert recordings.create(new)
        ids.append(new.id)

    def keep_running(task):
        while not done:
            assert not lambdas.invoke(task, {}).failed

    done, key = [], read_api_key(stack)
    with ThreadPoolExecutor(USERS + 3) as pool:
        tasks = [pool.submit(keep_running, task) for task in ("queue", "process", "process")]
        try:
            users = [pool.submit(send_requests, url, key, ids, seed) for seed in range(USERS)]
            responses = [response for user in users for response in user.result()]
        finally:
            done.append(True)
        for task in tasks:
            task.result()
    lambdas.invoke("queue", {})
    while any(recording.status is not Status.COMPLETED for recording in all_recordings().values()):
        assert not lambdas.invoke("process", {}).failed

    assert {status for _, _, status in responses} <= {200, 202, 409}
    assert len(responses) == USERS * REQUESTS
    forced = Counter(recording for recording, force, status in responses if force and status == 202)
    sent = Counter(request.recording for request in service.received)
    assert sent.keys() == set(ids)
    assert {id_: number for id_, number in sent.items() if number > 1 + forced[id_]} == {}
    assert service.max_concurrent_per_recording == 1  # it never had two live claims
    assert service.max_concurrent <= SLOTS
    assert {(recording.attempts, recording.error) for recording in all_recordings().values()} == {(1, None)}
    assert_counts_are_right()
    assert_no_slot_is_held(handlers, SLOTS)
