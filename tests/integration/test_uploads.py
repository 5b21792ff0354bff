"""local/cloud/uploads.py: an upload invokes the function whose EventBridge rule matches it."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.cloud.client import aws_client
from local.cloud.scheduler import Scheduler
from local.cloud.uploads import deliver_upload_events

SAMPLE_EVENT = json.loads((Path(__file__).parents[2] / "events/upload.json").read_text())
NOW = datetime(2026, 11, 22, 10, 5, 7, tzinfo=UTC)
KEY = "2026/11/22/Büro 2/in-+4930 %2B123/(a)&b.wav"
AUDIO = b"RIFF" + b"\0" * 100


@pytest.fixture
def invocations():
    """The function and event of each invocation during the test."""
    invocations = []
    with deliver_upload_events(lambda function, event: invocations.append((function, event)), lambda: NOW):
        yield invocations


@pytest.fixture
def s3(stack):
    return aws_client("s3", stack.endpoint)


@pytest.fixture
def bucket(stack):
    return stack.buckets["RecordingsBucket"]


def shape(value):
    """Return the value with each leaf replaced by its type."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(member) for member in value] if isinstance(value, list) else type(value)


def test_upload_invokes_sync_with_the_event_that_s3_sends(stack, s3, bucket, invocations):
    put = s3.put_object(Bucket=bucket, Key=KEY, Body=AUDIO)
    ((function, event),) = invocations
    assert function == stack.function("sync").arn
    assert shape(event) == shape(SAMPLE_EVENT)
    assert (event["source"], event["detail-type"], event["time"]) == (
        "aws.s3",
        "Object Created",
        "2026-11-22T10:05:07Z",
    )
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    detail = event["detail"]
    assert (detail["bucket"], detail["reason"]) == ({"name": bucket}, "PutObject")
    created = detail["object"]
    assert (created["key"], created["size"], created["etag"]) == (KEY, len(AUDIO), put["ETag"].strip('"'))
    assert re.fullmatch("[0-9A-F]+", created["sequencer"])


def test_events_of_copies_and_multipart_uploads_have_the_right_reason(s3, bucket, invocations):
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    s3.copy_object(Bucket=bucket, Key="b.wav", CopySource={"Bucket": bucket, "Key": "a.wav"})
    multipart = s3.create_multipart_upload(Bucket=bucket, Key="c.wav")
    upload = {"Bucket": bucket, "Key": "c.wav", "UploadId": multipart["UploadId"]}
    assert len(invocations) == 2  # not before it is complete
    part = s3.upload_part(**upload, PartNumber=1, Body=AUDIO)
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    details = [event["detail"] for _, event in invocations]
    reasons = [(detail["object"]["key"], detail["reason"]) for detail in details]
    # moto joins the parts with a put of its own, and sends an event for it: events may arrive twice in AWS as well
    reasons.remove(("c.wav", "PutObject"))
    assert reasons == [("a.wav", "PutObject"), ("b.wav", "CopyObject"), ("c.wav", "CompleteMultipartUpload")]


def test_other_requests_and_buckets_invoke_nothing(stack, s3, bucket, invocations):
    s3.put_object(Bucket=stack.buckets["TranscriptsBucket"], Key="a.wav", Body=AUDIO)
    s3.create_bucket(Bucket="another")
    s3.put_bucket_notification_configuration(
        Bucket="another", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket="another", Key="a.wav", Body=AUDIO)
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    assert len(invocations) == 1
    s3.put_object_tagging(Bucket=bucket, Key="a.wav", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket=bucket, Key="a.wav")
    s3.delete_object(Bucket="another", Key="a.wav")
    s3.delete_bucket(Bucket="another")
    assert len(invocations) == 1


def test_disabled_rule_invokes_nothing(stack, s3, bucket, invocations):
    events = aws_client("events", stack.endpoint)
    (name,) = [rule["Name"] for rule in events.list_rules()["Rules"] if "EventPattern" in rule]
    events.disable_rule(Name=name)
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    events.enable_rule(Name=name)
    assert invocations == []


@pytest.mark.parametrize("error", [KeyError, RuntimeError])
def test_upload_succeeds_even_if_its_event_fails(s3, bucket, error):
    def refuse(*_):
        raise error

    with deliver_upload_events(refuse):
        s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    s3.put_object(Bucket=bucket, Key="b.wav", Body=AUDIO)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


def test_upload_rule_is_not_scheduled(stack):
    assert {rule.function for rule in stack.rules} == {
        stack.function(verb).name for verb in ("sync", "queue", "process")
    }
    assert len(stack.rules) == 3
    Scheduler(stack, lambda *_: None)  # reads all schedules
