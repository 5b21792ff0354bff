"""An upload reaches sync through EventBridge and SQS: local/cloud/event_sources.py polls the queue as Lambda does."""

import json
import re
from threading import Event, Lock
from typing import Any

import pytest

from local.cloud.client import aws_client
from local.cloud.event_sources import EventSourcePoller
from local.cloud.scheduler import Scheduler
from local.lambdas.pool import InvocationResult
from testing.handlers import ROOT
from testing.waiting import LIMIT_SECONDS, wait_until

SAMPLE_EVENT = json.loads((ROOT / "events/upload.json").read_text())
KEY = "2026/11/22/Büro 2/in-+4930 %2B123/(a)&b.wav"
AUDIO = b"RIFF" + b"\0" * 100


@pytest.fixture
def s3(stack):
    return aws_client("s3", stack.endpoint)


@pytest.fixture
def bucket(stack):
    return stack.buckets["RecordingsBucket"]


@pytest.fixture
def sqs(stack):
    return aws_client("sqs", stack.endpoint)


@pytest.fixture
def source(stack):
    """The event source of sync."""
    (source,) = stack.event_sources
    return source


def failed_queue(sqs):
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if "FailedEventsQueue" in url]
    return url


def received_events(sqs, url):
    """Receive and delete all visible messages of a queue."""
    events = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            events.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return events


def message_counts(sqs, url):
    """How many messages are visible, and how many are not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(attributes[name]) for name in names)


class Invocations:
    """Records the events with which functions are invoked. `reply` makes the payload of the response."""

    def __init__(self):
        self.events = []
        self.running = self.most_running = 0
        self.may_end = Event()
        self.may_end.set()
        self.reply: Any = lambda _: {"batchItemFailures": []}
        self._lock = Lock()

    def __call__(self, function, event):
        with self._lock:
            self.events.append((function, event))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        assert self.may_end.wait(LIMIT_SECONDS)
        with self._lock:
            self.running -= 1
        payload = self.reply(event)
        return InvocationResult("id", payload, failed=payload is None)

    @property
    def batch_sizes(self):
        return [len(event["Records"]) for _, event in self.events]


@pytest.fixture
def invocations():
    return Invocations()


# S3 → EventBridge → SQS ----------------------------------------------------------------------------------------------


def test_upload_puts_its_event_into_the_queue(s3, sqs, bucket, source):
    s3.put_object(Bucket=bucket, Key=KEY, Body=AUDIO)
    (event,) = received_events(sqs, source.queue_url)
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
    detail = event["detail"]
    assert (detail["bucket"], detail["object"]["key"], detail["object"]["size"]) == ({"name": bucket}, KEY, len(AUDIO))


def test_copies_and_multipart_uploads_are_uploads(s3, sqs, bucket, source):
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    s3.copy_object(Bucket=bucket, Key="b.wav", CopySource={"Bucket": bucket, "Key": "a.wav"})
    multipart = s3.create_multipart_upload(Bucket=bucket, Key="c.wav")
    upload = {"Bucket": bucket, "Key": "c.wav", "UploadId": multipart["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=AUDIO)
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    events = received_events(sqs, source.queue_url)
    assert {event["detail"]["object"]["key"] for event in events} == {"a.wav", "b.wav", "c.wav"}


def test_other_requests_and_buckets_put_nothing_into_the_queue(stack, s3, sqs, bucket, source):
    s3.put_object(Bucket=stack.buckets["TranscriptsBucket"], Key="a.wav", Body=AUDIO)
    s3.create_bucket(Bucket="another")
    s3.put_bucket_notification_configuration(
        Bucket="another", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket="another", Key="a.wav", Body=AUDIO)
    s3.delete_object(Bucket="another", Key="a.wav")
    s3.delete_bucket(Bucket="another")
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    s3.put_object_tagging(Bucket=bucket, Key="a.wav", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket=bucket, Key="a.wav")
    assert len(received_events(sqs, source.queue_url)) == 1


def test_disabled_rule_puts_nothing_into_the_queue(stack, s3, sqs, bucket, source):
    events = aws_client("events", stack.endpoint)
    (name,) = [rule["Name"] for rule in events.list_rules()["Rules"] if "EventPattern" in rule]
    events.disable_rule(Name=name)
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    events.enable_rule(Name=name)
    assert received_events(sqs, source.queue_url) == []


def test_upload_rule_is_not_scheduled(stack):
    assert {rule.function for rule in stack.rules} == {
        stack.function(verb).name for verb in ("sync", "queue", "process")
    }
    assert len(stack.rules) == 3
    Scheduler(stack, lambda *_: None)  # reads all schedules


# SQS → function ------------------------------------------------------------------------------------------------------


def test_function_receives_the_batch_that_lambda_passes_and_its_messages_are_deleted(
    stack, s3, sqs, bucket, source, invocations
):
    s3.put_object(Bucket=bucket, Key=KEY, Body=AUDIO)
    with EventSourcePoller(stack, invocations):
        wait_until(lambda: message_counts(sqs, source.queue_url) == (0, 0) and invocations.events)
    ((function, event),) = invocations.events
    assert function == stack.function("sync").name
    (record,), (sample,) = event["Records"], SAMPLE_EVENT["Records"]
    assert record.keys() == sample.keys()
    assert record["attributes"].keys() >= sample["attributes"].keys()
    assert record["eventSourceARN"] == source.queue_arn
    assert json.loads(record["body"])["detail"]["object"]["key"] == KEY


def test_batches_are_full_and_only_as_many_run_at_once_as_the_template_allows(stack, sqs, source, invocations):
    invocations.may_end.clear()
    for number in range(3 * source.batch_size):
        sqs.send_message(QueueUrl=source.queue_url, MessageBody=f"{number}")
    with EventSourcePoller(stack, invocations):
        wait_until(lambda: invocations.running == source.max_concurrency)
        invocations.may_end.set()
        wait_until(lambda: message_counts(sqs, source.queue_url) == (0, 0))
    assert invocations.batch_sizes == [source.batch_size] * 3
    assert invocations.most_running == source.max_concurrency == 2


@pytest.mark.parametrize(
    ("reply", "left"),
    [
        (lambda event: {"batchItemFailures": [{"itemIdentifier": event["Records"][1]["messageId"]}]}, 1),
        (lambda _: {"batchItemFailures": []}, 0),
        (lambda _: None, 3),
    ],
    ids=["one failed", "all handled", "function failed"],
)
def test_failed_messages_stay_in_the_queue(stack, sqs, source, invocations, reply, left):
    invocations.reply = reply
    for number in range(3):
        sqs.send_message(QueueUrl=source.queue_url, MessageBody=f"{number}")
    with EventSourcePoller(stack, invocations):
        wait_until(lambda: invocations.events and not invocations.running)
        wait_until(lambda: message_counts(sqs, source.queue_url) == (0, left))


def test_message_that_keeps_failing_ends_in_the_queue_of_failed_events(stack, sqs, source, invocations):
    """Its visibility timeout is shortened: otherwise it would come back after 16 minutes."""
    invocations.reply = lambda event: {
        "batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]
    }
    policy = json.loads(
        sqs.get_queue_attributes(QueueUrl=source.queue_url, AttributeNames=["RedrivePolicy"])["Attributes"][
            "RedrivePolicy"
        ]
    )
    before = sqs.get_queue_attributes(QueueUrl=source.queue_url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=source.queue_url, Attributes={"VisibilityTimeout": "0"})
    try:
        sqs.send_message(QueueUrl=source.queue_url, MessageBody='"kept"')
        with EventSourcePoller(stack, invocations):
            wait_until(lambda: message_counts(sqs, failed_queue(sqs)) == (1, 0))
    finally:
        sqs.set_queue_attributes(QueueUrl=source.queue_url, Attributes=before)
    assert len(invocations.events) == int(policy["maxReceiveCount"])
    assert received_events(sqs, failed_queue(sqs)) == ["kept"]
