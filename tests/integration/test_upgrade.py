"""An upgrade keeps what is there: the stack of the version before this one, with its data, becomes this one's."""

import json

import pytest
from samtranslator.yaml_helper import yaml_parse

from local.cloud.stack import deploy
from testing.handlers import ROOT, Handlers, api_key, client
from tests.integration.conftest import empty
from tests.previous import BUCKET, PARAMETERS, STORED, TEMPLATE, WAV

pytestmark = pytest.mark.slow

BEFORE = yaml_parse(TEMPLATE.read_text())["Resources"]
NOW = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
KEPT = sorted(name for name, each in BEFORE.items() if each.get("DeletionPolicy") == "Retain")
REPLACING = {
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "LocalSecondaryIndexes"),
    "AWS::S3::Bucket": ("BucketName", "ObjectLockEnabled"),
}
"""What CloudFormation makes a new, empty one for."""
STATUSES = {
    "in-2025550100-2025550143-20261118-093012-1795012210.17.wav": "completed",
    "completed.wav": "completed",
    "retried.wav": "failed",
    "failed.wav": "failed",
    "queued.wav": "queued",
    "pending.wav": "pending",
}


@pytest.mark.parametrize("name", KEPT)
def test_what_outlives_the_stack_is_neither_renamed_nor_replaced(name):
    before, now = BEFORE[name], NOW[name]
    assert (now["Type"], now["DeletionPolicy"], now["UpdateReplacePolicy"]) == (before["Type"], "Retain", "Retain")
    for each in REPLACING[before["Type"]]:
        assert now["Properties"].get(each) == before["Properties"].get(each)


@pytest.mark.parametrize("name", [each for each in KEPT if each.endswith("Table")])
def test_an_index_is_as_it_was_and_no_more_than_one_is_new(name):
    """DynamoDB makes or deletes one index of a table in an update, and changes none."""
    indexes = [
        {each["IndexName"]: each for each in resources[name]["Properties"].get("GlobalSecondaryIndexes", ())}
        for resources in (BEFORE, NOW)
    ]
    before, now = indexes
    assert [each for each in before.keys() & now.keys() if before[each] != now[each]] == []
    assert len(before.keys() ^ now.keys()) <= 1


@pytest.fixture
def upgraded(deployed, service, monkeypatch, clients):
    """The handlers of this version on the stack of the one before, with what that had stored."""
    stored = json.loads(STORED.read_text())
    s3, dynamodb = client("s3", deployed.endpoint), client("dynamodb", deployed.endpoint)
    s3.create_bucket(Bucket=BUCKET)
    for name in STATUSES:
        s3.put_object(Bucket=BUCKET, Key=name, Body=WAV)
    before = deploy(TEMPLATE, deployed.endpoint, PARAMETERS, name="upgraded")
    for table, items in stored["tables"].items():
        for item in items:
            dynamodb.put_item(TableName=before.tables[table], Item=item)
    for key, transcript in stored["transcripts"].items():
        s3.put_object(Bucket=before.buckets["TranscriptsBucket"], Key=key, Body=json.dumps(transcript).encode())
    key = api_key(before)
    now = deploy(ROOT / "template.yaml", deployed.endpoint, PARAMETERS, name="upgraded")
    assert (now.tables, now.buckets, now.secrets) == (before.tables, before.buckets, before.secrets)
    assert api_key(now) == key
    handlers = Handlers(now, monkeypatch)
    handlers.forget()
    handlers.overrides |= {"WHISPERX_URL": service.url, "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}
    yield handlers
    handlers.forget()
    empty(now)
    client("cloudformation", deployed.endpoint).delete_stack(StackName="upgraded")


def test_recordings_transcripts_settings_and_runs_are_there_after_an_upgrade_and_the_work_goes_on(upgraded, service):
    def shown():
        answer = upgraded.api("GET", "/api/call-recordings", query="limit=500")
        return {each["path"].rsplit("/", 1)[-1]: each for each in answer.json["items"]}

    def statuses():
        return {name: each["transcriptionStatus"] for name, each in shown().items()}

    assert statuses() == STATUSES
    summary = upgraded.api("GET", "/api/call-recordings/status-summary").json
    assert (summary["completed"], summary["failed"], summary["total"]) == (2, 2, 6)
    (named,) = [each for name, each in shown().items() if name.startswith("in-")]
    assert named["caller"] == "2025550143"
    text = upgraded.api("GET", f"/api/call-recordings/{named['id']}/transcript", query="format=json").json
    assert text["text"] == "hello there"
    assert upgraded.api("GET", "/api/modules/whisperx").json["language"] == "en"
    assert len(upgraded.api("GET", "/api/scheduler/runs", query="limit=100").json["items"]) > 10
    assert len(upgraded.api("GET", "/api/transcription-calls").json["items"]) == 4
    ids = {name: each["id"] for name, each in shown().items()}

    upgraded.pass_time(hours=2)
    assert upgraded.sync()["counts"]["added"] == 0  # all are known
    upgraded.queue()
    for _ in range(4):
        upgraded.process()
    assert statuses() == {**STATUSES, "retried.wav": "completed", "queued.wav": "completed", "pending.wav": "completed"}
    sent = sorted(each.recording for each in service.received)
    assert sent == sorted(ids[name] for name in ("retried.wav", "queued.wav", "pending.wav"))
