"""What template.yaml promises of every table, bucket and function."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from callscribe.clock import SKEW
from callscribe.store import counts

RESOURCES = yaml_parse((Path(__file__).parents[2] / "template.yaml").read_text())["Resources"]


def of_type(kind):
    return [
        pytest.param(each["Properties"], id=name) for name, each in RESOURCES.items() if each["Type"] == f"AWS::{kind}"
    ]


@pytest.mark.parametrize("table", of_type("DynamoDB::Table"))
def test_a_table_is_on_demand_encrypted_and_can_be_put_back(table):
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("bucket", of_type("S3::Bucket"))
def test_a_bucket_is_private_and_encrypted(bucket):
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]


def test_every_bucket_refuses_what_does_not_come_over_tls():
    refusing = set()
    for each in RESOURCES.values():
        if each["Type"] == "AWS::S3::BucketPolicy":
            (statement,) = each["Properties"]["PolicyDocument"]["Statement"]
            assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
            refusing.add(each["Properties"]["Bucket"]["Ref"])
    assert refusing == {name for name, each in RESOURCES.items() if each["Type"] == "AWS::S3::Bucket"}


@pytest.mark.parametrize("name", ["RecordingsTable", "ControlTable", "RecordingsBucket", "TranscriptsBucket"])
def test_what_people_would_miss_outlives_the_stack(name):
    assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("function", of_type("Serverless::Function"))
def test_no_policy_is_wider_than_it_must_be(function):
    for policy in function["Policies"]:
        for statement in policy["Statement"]:
            actions, resources = statement["Action"], statement["Resource"]
            for action in actions if isinstance(actions, list) else [actions]:
                assert "*" not in action
            for resource in resources if isinstance(resources, list) else [resources]:
                assert resource != "*"


@pytest.mark.parametrize("name", ["ProcessFunction", "ApiFunction"])
def test_who_reads_from_a_bucket_may_list_it_for_else_what_is_gone_looks_forbidden(name):
    (policy,) = RESOURCES[name]["Properties"]["Policies"]
    allowed = {"s3:GetObject": set(), "s3:ListBucket": set()}
    for statement in policy["Statement"]:
        for action in allowed.keys() & {statement["Action"]} if isinstance(statement["Action"], str) else ():
            allowed[action] |= set(re.findall(r"(\w+Bucket)\b", str(statement["Resource"])))
    assert allowed["s3:GetObject"] <= allowed["s3:ListBucket"] != set()


def test_what_relies_on_how_long_functions_live_outlives_them():
    timeouts = {name: each["Properties"]["Timeout"] for name, each in RESOURCES.items() if name.endswith("Function")}
    assert timedelta(seconds=max(timeouts.values())) < counts.SETTLED - 2 * SKEW
    assert timedelta(seconds=timeouts["ApiFunction"]) < counts.LEAVING - SKEW


@pytest.mark.parametrize("name", ["SyncFunction", "QueueFunction", "ProcessFunction"])
def test_a_task_is_not_repeated_by_lambda_but_by_its_schedule(name):
    assert RESOURCES[name]["Properties"]["EventInvokeConfig"] == {"MaximumRetryAttempts": 0}
    (event,) = RESOURCES[name]["Properties"]["Events"].values()
    assert event["Type"] == "Schedule"
