"""Monitoring of a deployed stack: alarms, their topic, the dashboard, logs, and docs/operations.md about them."""

import json
import re
from pathlib import Path

import pytest

from local.cloud.client import REGION
from tests.permissions import granted
from tests.unit.test_docs import headings
from tests.unit.test_template import RESOURCES, TEMPLATE, outputs

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ALARMS = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
NAMESPACE = "Callscribe/callscribe"


def deployed(**parameters):
    """The properties of each resource of a deployment with these parameters, by name."""
    intrinsics = granted.intrinsics(parameters)
    return {
        name: intrinsics.resolve(resource["Properties"])
        for name, resource in granted.translated()["Resources"].items()
        if "Condition" not in resource or intrinsics.is_condition_true(resource["Condition"])
    }


def metrics_of(alarm):
    """Namespace, name and dimensions of each metric of an alarm."""
    metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", ()) if "MetricStat" in query]
    return [
        (metric["Namespace"], metric["MetricName"], {pair["Name"]: pair["Value"] for pair in metric["Dimensions"]})
        for metric in metrics or [alarm]
    ]


def documented_metrics():
    """The metrics of Callscribe in docs/operations.md: name → services."""
    rows = re.findall(r"^\| `([A-Z]\w+)` \| ([a-z, ]+) \| (count|seconds) \|", OPERATIONS.read_text(), re.MULTILINE)
    return {name: set(services.split(", ")) for name, services, _ in rows}


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_notifies_the_topic_both_ways_and_links_to_its_documentation(name):
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmsTopic"}]
    page, _, heading = re.search(r"(docs/operations\.md)#([\w-]+)$", alarm["AlarmDescription"]).group().partition("#")
    assert page == "docs/operations.md"
    assert heading in headings(OPERATIONS)
    alarm_name = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
    assert f"`{alarm_name}`" in OPERATIONS.read_text()


def test_essential_has_three_alarms_full_all_of_them_and_off_none():
    def of_monitoring(**parameters):
        resources = deployed(**parameters)
        return {name for name in resources if name in ALARMS or name in ("AlarmsTopic", "Dashboard")}

    essential = {"QueueAgeAlarm", "FailedRecordingsAlarm", "NoSuccessfulRunAlarm", "AlarmsTopic"}
    assert of_monitoring() == of_monitoring(Monitoring="essential") == essential
    assert of_monitoring(Monitoring="full") == {*ALARMS, "AlarmsTopic", "Dashboard"}
    assert of_monitoring(Monitoring="off") == set()


@pytest.mark.parametrize("monitoring", ["full", "essential"])
def test_table_of_alarms_says_which_exist_with_each_monitoring(monitoring):
    rows = re.findall(r"^\| (`[\w`, -]+`) \| (`[\w`, ]+`) \| ", OPERATIONS.read_text(), re.MULTILINE)
    names = [names for names, modes in rows if f"`{monitoring}`" in modes]
    documented = {f"callscribe-{name}" for name in re.findall(r"[\w-]+", " ".join(names))}
    created = deployed(Monitoring=monitoring)
    assert documented == {created[name]["AlarmName"] for name in ALARMS if name in created}


def test_outputs_name_only_what_the_monitoring_mode_creates():
    topic_and_dashboard = {"SubscribeToAlarmsCommand", "DashboardUrl"}
    assert topic_and_dashboard & outputs().keys() == {"SubscribeToAlarmsCommand"}
    assert topic_and_dashboard & outputs(Monitoring="full").keys() == topic_and_dashboard
    assert topic_and_dashboard & outputs(Monitoring="off").keys() == set()


def test_dashboard_is_named_by_stack_and_region():
    """Names of dashboards are shared by all regions of an account."""
    assert deployed(Monitoring="full")["Dashboard"]["DashboardName"] == f"callscribe-{REGION}"
    assert TEMPLATE["Outputs"]["DashboardUrl"]["Value"]["Fn::Sub"].endswith("/${Dashboard}")


def test_metrics_are_disabled_only_without_monitoring():
    for mode, disabled in (("full", "false"), ("essential", "false"), ("off", "true")):
        functions = [each for each in deployed(Monitoring=mode).values() if "Handler" in each]
        assert len(functions) == 4
        for function in functions:
            assert function["Environment"]["Variables"]["POWERTOOLS_METRICS_DISABLED"] == disabled


def test_alarm_email_is_rejected_without_alarms():
    with pytest.raises(ValueError, match="AlarmEmail is set but Monitoring is off"):
        deployed(Monitoring="off", AlarmEmail="it@example.com")


@pytest.mark.parametrize("name", ALARMS.keys() - {"QueueAgeAlarm"})
def test_alarm_fills_the_gaps_of_every_metric(name):
    """CloudWatch looks back further than an alarm says if values are missing, and evaluates the last ones it finds."""
    expression, *metrics = ALARMS[name]["Metrics"]
    assert metrics
    for metric in metrics:
        assert f"FILL({metric['Id']}, 0)" in expression["Expression"]
    assert ALARMS[name]["TreatMissingData"] == ("breaching" if name == "NoSuccessfulRunAlarm" else "notBreaching")


def test_age_of_the_queue_stays_known_while_it_is_not_measured():
    """Filled with 0, the queue would look empty between two runs of a rare schedule, or when its task has stopped."""
    alarm = ALARMS["QueueAgeAlarm"]
    assert (alarm["Metrics"][0]["Expression"], alarm["TreatMissingData"]) == ("age / 60", "ignore")


def test_alarm_for_missing_runs_watches_every_task():
    expression, *metrics = ALARMS["NoSuccessfulRunAlarm"]["Metrics"]
    assert [each["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for each in metrics] == ["sync", "queue", "process"]
    assert expression["Expression"] == " AND ".join(f"(FILL({each['Id']}, 0) > 0)" for each in metrics)


def test_alarms_and_dashboard_use_documented_metrics():
    resources = deployed(Monitoring="full")
    used = [metric for name in ALARMS for metric in metrics_of(resources[name])]
    for widget in json.loads(resources["Dashboard"]["DashboardBody"])["widgets"]:
        metrics = [metric for metric in widget["properties"].get("metrics", ()) if isinstance(metric[0], str)]
        used += [(namespace, name, {key: value}) for namespace, name, key, value, *_ in metrics]
    custom = [(name, dimensions["service"]) for namespace, name, dimensions in used if namespace == NAMESPACE]
    assert len(custom) > 20
    for name, service in custom:
        assert service in documented_metrics()[name]
    assert {namespace for namespace, *_ in used} == {
        *(NAMESPACE, "AWS/Lambda", "AWS/DynamoDB", "AWS/ApiGateway", "AWS/SQS")
    }


def test_no_alarm_evaluates_more_than_the_day_that_cloudwatch_allows():
    for name in ALARMS:
        alarm = deployed(Monitoring="full", AlarmNoSuccessSeconds="86400")[name]
        stats = [query["MetricStat"] for query in alarm.get("Metrics", ()) if "MetricStat" in query] or [alarm]
        assert all(int(stat["Period"]) * int(alarm["EvaluationPeriods"]) <= 86400 for stat in stats)


def test_dashboard_shows_every_alarm_and_every_log():
    body = json.loads(deployed(Monitoring="full")["Dashboard"]["DashboardBody"])
    shown = json.dumps(body)
    assert all(f"{name}.Arn" in shown for name in ALARMS)
    assert all(name in shown for name in ("SyncLogs", "QueueLogs", "ProcessLogs", "ApiLogs"))


def test_alarm_email_is_subscribed_to_the_topic():
    assert "AlarmsSubscription" not in deployed()
    subscription = deployed(AlarmEmail="it@example.com")["AlarmsSubscription"]
    topic = granted.named_arn("sns", "AlarmsTopic")
    assert subscription == {"TopicArn": topic, "Protocol": "email", "Endpoint": "it@example.com"}
    with pytest.raises(ValueError, match="AlarmEmail must be empty or one email address"):
        deployed(AlarmEmail="it@example.com, me@example.com")


def test_every_log_group_has_the_configured_retention():
    groups = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == 5
    assert {deployed(LogRetentionDays="7")[name]["RetentionInDays"] for name in groups} == {"7"}


def test_access_log_contains_no_path_and_no_query():
    log_format = RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"]
    json.loads(log_format)
    assert set(re.findall(r"\$context\.([\w.]+)", log_format)) == {
        *("requestId", "requestTimeEpoch", "httpMethod", "status", "responseLatency", "responseLength"),
        *("error.message", "integrationErrorMessage"),
    }


def lifecycle_rules(bucket, **parameters):
    return {rule["Id"]: rule for rule in deployed(**parameters)[bucket]["LifecycleConfiguration"]["Rules"]}


def test_data_expires_only_if_configured_each_kind_by_its_own_parameter():
    assert set(lifecycle_rules("RecordingsBucket")) == {"abandoned-uploads"}
    assert set(lifecycle_rules("TranscriptsBucket")) == {"abandoned-uploads", "merged-tracks"}
    assert set(lifecycle_rules("RecordingsBucket", RetentionDays="90")) == {"abandoned-uploads"}
    expiry = lifecycle_rules("TranscriptsBucket", RetentionDays="90")["expired-transcripts"]
    assert (expiry["ExpirationInDays"], "Prefix" in expiry) == ("90", False)  # including those of single channels
    expiry = lifecycle_rules("RecordingsBucket", DeleteRecordingsAfterDays="365")["expired-recordings"]
    assert (expiry["ExpirationInDays"], "Prefix" in expiry) == ("365", False)


def test_recordings_in_an_external_bucket_cannot_be_set_to_expire():
    with pytest.raises(ValueError, match="DeleteRecordingsAfterDays applies to the bucket of this stack"):
        deployed(RecordingsPath="s3://theirs/", DeleteRecordingsAfterDays="30")
