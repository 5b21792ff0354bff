"""Promises of local/cloud/uploads.py: an upload fires the function whose rule waits for it, as EventBridge does."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.cloud.client import aws_client
from local.cloud.scheduler import Scheduler
from local.cloud.uploads import deliver_upload_events

GOLDEN = json.loads((Path(__file__).parents[2] / "events/upload.json").read_text())
NOW = datetime(2026, 11, 22, 10, 5, 7, tzinfo=UTC)
KEY = "2026/11/22/Büro 2/in-+4930 %2B123/(a)&b.wav"
AUDIO = b"RIFF" + b"\0" * 100


@pytest.fixture
def fired():
    """What was fired while the test lasts."""
    fired = []
    with deliver_upload_events(lambda function, event: fired.append((function, event)), lambda: NOW):
        yield fired


@pytest.fixture
def s3(stack):
    return aws_client("s3", stack.endpoint)


@pytest.fixture
def bucket(stack):
    return stack.buckets["RecordingsBucket"]


def shape(value):
    """The names of all fields, however deep, and the kinds of what is in them."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else type(value)


def test_an_upload_fires_sync_with_the_event_as_s3_sends_it(stack, s3, bucket, fired):
    put = s3.put_object(Bucket=bucket, Key=KEY, Body=AUDIO)
    ((function, event),) = fired
    assert function == stack.function("sync").arn
    assert shape(event) == shape(GOLDEN)
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


def test_a_copy_and_an_upload_in_parts_are_told_as_what_they_are(s3, bucket, fired):
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    s3.copy_object(Bucket=bucket, Key="b.wav", CopySource={"Bucket": bucket, "Key": "a.wav"})
    parts = s3.create_multipart_upload(Bucket=bucket, Key="c.wav")
    place = {"Bucket": bucket, "Key": "c.wav", "UploadId": parts["UploadId"]}
    assert len(fired) == 2  # not before it is complete
    part = s3.upload_part(**place, PartNumber=1, Body=AUDIO)
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    details = [event["detail"] for _, event in fired]
    told = [(detail["object"]["key"], detail["reason"]) for detail in details]
    # moto puts the parts together by a put of its own, and tells of that as well: events may come twice in AWS too
    told.remove(("c.wav", "PutObject"))
    assert told == [("a.wav", "PutObject"), ("b.wav", "CopyObject"), ("c.wav", "CompleteMultipartUpload")]


def test_nothing_else_fires_it(stack, s3, bucket, fired):
    s3.put_object(Bucket=stack.buckets["TranscriptsBucket"], Key="a.wav", Body=AUDIO)
    s3.create_bucket(Bucket="another")
    s3.put_bucket_notification_configuration(
        Bucket="another", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket="another", Key="a.wav", Body=AUDIO)
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    assert len(fired) == 1
    s3.put_object_tagging(Bucket=bucket, Key="a.wav", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket=bucket, Key="a.wav")
    s3.delete_object(Bucket="another", Key="a.wav")
    s3.delete_bucket(Bucket="another")
    assert len(fired) == 1


def test_a_rule_that_is_off_fires_nothing(stack, s3, bucket, fired):
    events = aws_client("events", stack.endpoint)
    (name,) = [rule["Name"] for rule in events.list_rules()["Rules"] if "EventPattern" in rule]
    events.disable_rule(Name=name)
    s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    events.enable_rule(Name=name)
    assert fired == []


@pytest.mark.parametrize("error", [KeyError, RuntimeError])
def test_an_upload_succeeds_whatever_becomes_of_its_event(s3, bucket, error):
    def refuse(*_):
        raise error

    with deliver_upload_events(refuse):
        s3.put_object(Bucket=bucket, Key="a.wav", Body=AUDIO)
    s3.put_object(Bucket=bucket, Key="b.wav", Body=AUDIO)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


def test_a_rule_that_waits_for_uploads_is_no_timer(stack):
    assert {rule.function for rule in stack.rules} == {
        stack.function(verb).name for verb in ("sync", "queue", "process")
    }
    assert len(stack.rules) == 3
    Scheduler(stack, lambda *_: None)  # reads all schedules
