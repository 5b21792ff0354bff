"""What a run and a request cost: requests to AWS, counted where they leave."""

import json
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from botocore.httpsession import URLLib3Session

from callscribe import transitions
from callscribe.store import recordings
from local.cloud.client import aws_client

LIST = "/api/call-recordings"


@pytest.fixture
def counted(monkeypatch):
    """Counts requests by operation (DynamoDB) or method and service, while the context lasts."""

    @contextmanager
    def counted():
        requests, send = Counter(), URLLib3Session.send

        def count(self, request):
            target = request.headers.get("X-Amz-Target", b"")
            name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
            requests[name or f"{request.method} S3"] += 1
            return send(self, request)

        with monkeypatch.context() as patch:
            patch.setattr(URLLib3Session, "send", count)
            yield requests

    return counted


def test_a_recording_on_a_warm_function_costs_twelve_requests_at_most(handlers, put, counted):
    for number in range(2):
        put(f"{number}.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()  # warms up: the key is cached
    with counted() as requests:
        assert handlers.process()["counts"]["completed"] == 1
    assert requests == {
        "PutItem": 2,  # the run, when it begins and ends
        "BatchGetItem": 1,  # what is switched off
        "Query": 2,  # lost claims; the next in line
        "UpdateItem": 4,  # slot and claim; completion, and the slot back
        "GET S3": 1,
        "PUT S3": 1,
    }
    assert requests.total() <= 12


def test_a_retry_costs_one_look_more(handlers, put, counted, service, reply):
    service.replies = [reply(status=500), reply()]
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    handlers.pass_time(seconds=2)
    with counted() as requests:
        assert handlers.process()["counts"]["completed"] == 1
    assert requests["Query"] == 3
    assert requests.total() <= 12


def test_a_run_with_nothing_to_do_costs_six(handlers, counted):
    handlers.process()
    with counted() as requests:
        handlers.process()
    assert requests.total() == 6


def test_a_run_during_an_outage_costs_seven(handlers, put, counted, service, reply):
    service.replies = [reply(status=503)]
    put("a.wav")
    handlers.sync()
    handlers.queue()
    handlers.process()
    with counted() as requests:
        assert handlers.process()["status"] == "skipped"
    assert requests.total() == 7


def test_queueing_a_thousand_costs_a_write_each_and_twelve_requests_at_most_besides(handlers, counted):
    handlers.queue()  # binds the models to the tables
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for number in range(1000):
        then = now - timedelta(seconds=number)
        recordings.add(transitions.new("s3://b", f"{number}.wav", size=1, etag=None, modified_at=then, now=now))
    with counted() as requests:
        assert handlers.queue()["counts"]["queued"] == 1000
    assert requests["UpdateItem"] == 1000
    assert requests.total() <= 1012


def test_the_status_summary_costs_six_requests(handlers, counted, stack):
    secret = aws_client("secretsmanager", stack.endpoint).get_secret_value(SecretId=stack.secrets["ApiKeySecret"])
    key = json.loads(secret["SecretString"])["default"]
    handlers.api("GET", f"{LIST}/status-summary", key=key)  # warms up: the keys are cached
    with counted() as requests:
        handlers.api("GET", f"{LIST}/status-summary", key=key)
    assert requests == {"BatchGetItem": 1, "Query": 5}
