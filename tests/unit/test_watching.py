"""What watches a deployed stack: alarms, their topic, the dashboard, and the page that says what to do."""

import json
import re
from pathlib import Path

import pytest

from tests.permissions import granted
from tests.unit.test_docs import headings
from tests.unit.test_template import RESOURCES

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ALARMS = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
NAMESPACE = "Callscribe/callscribe"


def deployed(**parameters):
    """The properties of each resource of a deployment with these parameters."""
    intrinsics = granted.intrinsics(parameters)
    return {
        name: intrinsics.resolve(each["Properties"])
        for name, each in granted.translated()["Resources"].items()
        if "Condition" not in each or intrinsics.is_condition_true(each["Condition"])
    }


def metrics_of(alarm):
    """Namespace, name and dimensions of each metric that the alarm looks at."""
    stats = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    return [
        (each["Namespace"], each["MetricName"], {pair["Name"]: pair["Value"] for pair in each["Dimensions"]})
        for each in stats or [alarm]
    ]


def documented():
    """Our metrics, as docs/operations.md has them: name → services."""
    rows = re.findall(r"^\| `([A-Z]\w+)` \| ([a-z, ]+) \| (count|seconds) \|", OPERATIONS.read_text(), re.MULTILINE)
    return {name: set(services.split(", ")) for name, services, _ in rows}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_the_topic_when_it_goes_off_and_when_it_is_over_and_where_to_read_on(name):
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmsTopic"}]
    page, _, heading = re.search(r"(docs/operations\.md)#([\w-]+)$", alarm["AlarmDescription"]).group().partition("#")
    assert page == "docs/operations.md"
    assert heading in headings(OPERATIONS)
    called = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
    assert f"`{called}`" in OPERATIONS.read_text()


def test_alarms_and_dashboard_watch_metrics_that_are_written():
    resources = deployed()
    watched = [metric for name in ALARMS for metric in metrics_of(resources[name])]
    for widget in json.loads(resources["Dashboard"]["DashboardBody"])["widgets"]:
        shown = [each for each in widget["properties"].get("metrics", ()) if isinstance(each[0], str)]
        watched += [(namespace, name, {key: value}) for namespace, name, key, value, *_ in shown]
    ours = [(name, dimensions["service"]) for namespace, name, dimensions in watched if namespace == NAMESPACE]
    assert len(ours) > 20
    for name, service in ours:
        assert service in documented()[name]
    assert {namespace for namespace, *_ in watched} == {
        *(NAMESPACE, "AWS/Lambda", "AWS/DynamoDB", "AWS/ApiGateway", "AWS/SQS")
    }


def test_an_alarm_of_silence_goes_off_when_nothing_is_written_at_all():
    """CloudWatch looks further back for what is missing than the alarm says, so it is filled in."""
    for task in ("Sync", "Queue", "Process"):
        alarm = ALARMS[f"{task}SilentAlarm"]
        assert (alarm["TreatMissingData"], alarm["Metrics"][0]["Expression"]) == ("breaching", "FILL(runs, 0)")


def test_no_alarm_looks_back_further_than_cloudwatch_does():
    for name in ALARMS:
        alarm = deployed(AlarmNoSuccessSeconds="86400")[name]
        stats = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each] or [alarm]
        assert all(int(each["Period"]) * int(alarm["EvaluationPeriods"]) <= 86400 for each in stats)


def test_the_dashboard_shows_every_alarm_and_every_log():
    body = json.loads(deployed()["Dashboard"]["DashboardBody"])
    shown = json.dumps(body)
    assert all(f"{name}.Arn" in shown for name in ALARMS)
    assert all(name in shown for name in ("SyncLogs", "QueueLogs", "ProcessLogs", "ApiLogs"))


def test_somebody_is_subscribed_where_an_address_is_given():
    assert "AlarmsSubscription" not in deployed()
    subscription = deployed(AlarmEmail="it@example.com")["AlarmsSubscription"]
    topic = granted.named_arn("sns", "AlarmsTopic")
    assert subscription == {"TopicArn": topic, "Protocol": "email", "Endpoint": "it@example.com"}
    with pytest.raises(ValueError, match="AlarmEmail must be empty or one address"):
        deployed(AlarmEmail="it@example.com, me@example.com")


def test_every_log_is_kept_for_as_long_as_was_asked_for():
    groups = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == 5
    assert {deployed(LogRetentionDays="7")[name]["RetentionInDays"] for name in groups} == {"7"}


def test_the_log_of_requests_holds_neither_path_nor_query():
    declared = RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"]
    json.loads(declared)
    assert set(re.findall(r"\$context\.([\w.]+)", declared)) == {
        *("requestId", "requestTimeEpoch", "httpMethod", "status", "responseLatency", "responseLength"),
        *("error.message", "integrationErrorMessage"),
    }


def rules(bucket, **parameters):
    return {each["Id"]: each for each in deployed(**parameters)[bucket]["LifecycleConfiguration"]["Rules"]}


def test_nothing_is_deleted_unless_it_is_asked_for_and_then_each_by_its_own_parameter():
    assert set(rules("RecordingsBucket")) == {"abandoned-uploads"}
    assert set(rules("TranscriptsBucket")) == {"abandoned-uploads", "channels-that-were-merged"}
    assert set(rules("RecordingsBucket", RetentionDays="90")) == {"abandoned-uploads"}
    expiry = rules("TranscriptsBucket", RetentionDays="90")["transcripts-past-the-retention"]
    assert (expiry["ExpirationInDays"], "Prefix" in expiry) == ("90", False)  # those of single channels too
    asked = rules("RecordingsBucket", DeleteRecordingsAfterDays="365")["recordings-past-their-time"]
    assert (asked["ExpirationInDays"], "Prefix" in asked) == ("365", False)


def test_recordings_elsewhere_are_not_said_to_be_deleted():
    with pytest.raises(ValueError, match="DeleteRecordingsAfterDays is for the bucket of this stack"):
        deployed(RecordingsPath="s3://theirs/", DeleteRecordingsAfterDays="30")
