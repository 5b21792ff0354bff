"""What template.yaml promises of every table, bucket and function, beyond what cfn-lint and checkov know to ask."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from callscribe.clock import CLOCK_SKEW
from callscribe.store import status_counts
from local.cloud.client import REGION
from local.cloud.template import BUCKET, FUNCTION, TABLE
from tests.permissions import granted

TEMPLATE = yaml_parse((Path(__file__).parents[2] / "template.yaml").read_text())
RESOURCES = TEMPLATE["Resources"]
VPC = {"Subnets": "subnet-0123abcd, subnet-0123abce", "SecurityGroups": "sg-0123abcd"}
IN_THE_VPC = {"SubnetIds": ["subnet-0123abcd", "subnet-0123abce"], "SecurityGroupIds": ["sg-0123abcd"]}
ACCESS_POINT = f"arn:aws:elasticfilesystem:{REGION}:123456789012:access-point/fsap-0123456789abcdef0"
EFS = {**VPC, "EfsAccessPoint": ACCESS_POINT, "RecordingsPath": "/mnt/recordings"}
FUNCTIONS = {"SyncFunction", "QueueFunction", "ProcessFunction", "ApiFunction"}
TASKS = FUNCTIONS - {"ApiFunction"}


def outputs(**parameters):
    intrinsics = granted.intrinsics(parameters)
    return {
        name: intrinsics.resolve(each["Value"])
        for name, each in granted.translated()["Outputs"].items()
        if "Condition" not in each or intrinsics.is_condition_true(each["Condition"])
    }


def role(function, **parameters):
    """The role's own statements by their names (that of SAM for the failed events has none), and AWS's policies."""
    declared = granted.resolved(granted.ROLE, parameters)[f"{function}Role"]
    found = [each for policy in declared["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    return {each.get("Sid"): each for each in found}, declared["ManagedPolicyArns"]


def of_type(kind):
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


def test_a_table_is_on_demand_and_encrypted():
    for name, table in of_type(TABLE).items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        assert table["SSESpecification"] == {"SSEEnabled": True}, name


def test_a_bucket_is_encrypted_and_refuses_what_does_not_come_over_tls():
    assert all(each["BucketEncryption"]["ServerSideEncryptionConfiguration"] for each in of_type(BUCKET).values())
    refusing = set()
    for policy in of_type("AWS::S3::BucketPolicy").values():
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        refusing.add(policy["Bucket"]["Ref"])
    assert refusing == of_type(BUCKET).keys()


@pytest.mark.parametrize("name", ["RecordingsTable", "ControlTable", "RecordingsBucket", "TranscriptsBucket"])
def test_what_people_would_miss_outlives_the_stack(name):
    assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_no_policy_is_wider_than_it_must_be():
    grants = [grant for each in granted.statements().values() for statement in each for grant in statement.grants]
    assert [each for each in grants if "*" in each.action or each.resource == "*"] == []


@pytest.mark.parametrize(("name", "hands_out"), [("ProcessFunction", set()), ("ApiFunction", {"RecordingsBucket"})])
def test_who_reads_from_a_bucket_may_list_it_for_else_what_is_gone_looks_forbidden(name, hands_out):
    """What a function only gives addresses of, it does not read."""
    grants = [grant for statement in granted.statements()[name] for grant in statement.grants]
    read, listed = (
        {bucket for each in grants if each.action == action for bucket in re.findall(r"\w+Bucket\b", each.resource)}
        for action in ("s3:GetObject", "s3:ListBucket")
    )
    assert read - hands_out == listed != set()


def test_what_relies_on_how_long_functions_live_outlives_them():
    timeouts = {name: each["Properties"]["Timeout"] for name, each in RESOURCES.items() if name.endswith("Function")}
    assert timedelta(seconds=max(timeouts.values())) < status_counts.MAX_WRITE_LAG - 2 * CLOCK_SKEW
    assert timedelta(seconds=timeouts["ApiFunction"]) < status_counts.INVALIDATION_WINDOW - CLOCK_SKEW


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_task_is_not_repeated_by_lambda_but_by_its_schedule(name):
    declared = RESOURCES[name]["Properties"]["EventInvokeConfig"]
    assert declared["MaximumRetryAttempts"] == 0
    assert declared["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["FailedEventsQueue", "Arn"]}
    events = {event["Type"] for event in RESOURCES[name]["Properties"]["Events"].values()}
    assert events == {"Schedule"} if name != "SyncFunction" else {"Schedule", "EventBridgeRule"}


@pytest.mark.parametrize(
    ("parameters", "inside", "mounting"),
    [
        ({}, set(), set()),
        (VPC, {"ProcessFunction"}, set()),  # which alone speaks to a server inside it
        (EFS, FUNCTIONS - {"QueueFunction"}, FUNCTIONS - {"QueueFunction"}),  # who lists or opens recordings
    ],
    ids=["plain", "VPC", "EFS"],
)
def test_who_must_reach_a_vpc_or_efs_does_and_nobody_else(parameters, inside, mounting):
    for name, function in granted.resolved(FUNCTION, parameters).items():
        assert function.get("VpcConfig") == (IN_THE_VPC if name in inside else None)
        mounted = [{"Arn": ACCESS_POINT, "LocalMountPath": "/mnt/recordings"}] if name in mounting else None
        assert function.get("FileSystemConfigs") == mounted
        own, managed = role(name, **parameters)
        assert ("MountRecordings" in own) == (name in mounting)
        if name in mounting:
            assert own["MountRecordings"]["Action"] == "elasticfilesystem:ClientMount"  # and not to write
            condition = {"StringEquals": {"elasticfilesystem:AccessPointArn": ACCESS_POINT}}
            assert own["MountRecordings"]["Condition"] == condition
        # SAM lets whoever has VpcConfig make network interfaces, also under a condition that does not hold
        network = any(arn.endswith("VPCAccessExecutionRole") for arn in managed)
        assert network == ("LeaveTheNetworkToLambda" in own)
        if network:  # the code may not; Lambda itself, whose calls name no source function, must
            denied = own["LeaveTheNetworkToLambda"]
            assert denied["Effect"] == "Deny"
            assert {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"} < set(denied["Action"])
            assert "lambda:SourceFunctionArn" in denied["Condition"]["ArnLike"]
        assert network or name not in inside


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({**EFS, "Subnets": "", "SecurityGroups": ""}, "no Subnets: EFS is reached inside a VPC only"),
        ({**EFS, "SecurityGroups": ""}, "no SecurityGroups"),
        ({**VPC, "SecurityGroups": ""}, "no SecurityGroups"),
        ({**VPC, "Subnets": ""}, "no Subnets"),
        ({**EFS, "RecordingsPath": ""}, "RecordingsPath is empty"),
        ({**EFS, "EfsAccessPoint": ""}, "no EfsAccessPoint"),
        ({"RecordingsPath": "/mnt/recordings"}, "no EfsAccessPoint"),
        ({"RecordingsPath": "/mnt/audio", "EfsMountPath": "/mnt/audio"}, "no EfsAccessPoint"),
    ],
)
def test_what_would_deploy_and_not_work_is_refused_in_a_persons_words(parameters, says):
    with pytest.raises(ValueError, match=says):
        granted.intrinsics(parameters)


def test_the_rules_use_only_what_cloudformation_knows_in_rules():
    """`Ref` and the functions of rules; not Fn::Select, Fn::Split, Fn::Sub or Fn::If."""

    def used(value):
        if isinstance(value, dict):
            return set(value).union(*map(used, value.values()))
        return set().union(*map(used, value)) if isinstance(value, list) else set()

    for rule in TEMPLATE["Rules"].values():
        for value in [rule["RuleCondition"], *(assertion["Assert"] for assertion in rule["Assertions"])]:
            assert used(value) <= {"Ref", "Fn::Not", "Fn::Equals", "Fn::Contains"}


def test_a_folder_that_no_rule_sees_is_not_deployed_without_its_file_system_either():
    """Lambda refuses a file system without an ARN: better than a stack that finds nothing."""
    function = granted.resolved(FUNCTION, {"RecordingsPath": "/mnt/recordings/2026"})["SyncFunction"]
    assert function["FileSystemConfigs"] == [{"Arn": "", "LocalMountPath": "/mnt/recordings"}]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "RecordingsPath",
            ["", "s3://bucket", "s3://bucket/a b/", "/mnt/recordings", "/mnt/audio/2026/Büro 2"],
            ["bucket", "s3://", "/recordings", "/mnt", "/mnt/", "/mnt/../etc", "/mnt/a/..", "/mnt/a/.b", "/mnt/a/"],
        ),
        ("EfsMountPath", ["/mnt/recordings", "/mnt/a-_.b"], ["", "/mnt", "/mnt/", "/mnt/..", "/mnt/a/b", "/data/a"]),
        ("EfsAccessPoint", ["", ACCESS_POINT], ["fsap-0123456789abcdef0", f"{ACCESS_POINT}0", ACCESS_POINT.upper()]),
        ("Subnets", ["", "subnet-0123abcd", "subnet-0123456789abcdef0, subnet-0123abcd"], ["vpc-0123abcd", "subnet-1"]),
        ("SecurityGroups", ["", "sg-0123abcd,sg-0123456789abcdef0"], ["subnet-0123abcd", "sg-0123abcd;sg-0123abce"]),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_its_parameter(name, good, bad):
    pattern = re.compile(TEMPLATE["Parameters"][name]["AllowedPattern"])
    whole = TEMPLATE["Parameters"][name]["Type"] == "String"

    def taken(value):
        return all(pattern.fullmatch(each.strip()) for each in ([value] if whole else value.split(",")))

    assert [value for value in good if not taken(value)] == []
    assert [value for value in bad if taken(value)] == []


@pytest.mark.parametrize(
    ("path", "bucket", "state"),
    [("", "RecordingsBucket", "ENABLED"), ("s3://theirs", "theirs", "ENABLED"), ("s3://theirs/", "theirs", "ENABLED"),
     ("s3://the.irs-2/in/2026/", "the.irs-2", "ENABLED"), ("/mnt/recordings", "RecordingsBucket", "DISABLED"),
     ("/mnt/recordings/2026", "RecordingsBucket", "DISABLED")],
)  # fmt: skip
def test_uploads_into_the_bucket_of_the_recordings_fire_sync_at_once(path, bucket, state):
    parameters = {**(EFS if path.startswith("/") else {}), "RecordingsPath": path}
    own = granted.resolved(BUCKET, parameters)["RecordingsBucket"]
    assert own["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    rule = granted.resolved("AWS::Events::Rule", parameters)["SyncFunctionUploads"]
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}},
    }
    assert rule["State"] == state
    (target,) = rule["Targets"]
    assert target["Arn"] == granted.named_arn("lambda", "function:SyncFunction")
    assert not {"Input", "InputPath", "InputTransformer"} & target.keys()  # the event arrives as it is
    permission = granted.resolved("AWS::Lambda::Permission", parameters)["SyncFunctionUploadsPermission"]
    assert permission["SourceArn"] == "SyncFunctionUploads.Arn"


def test_the_output_that_turns_uploads_on_is_there_for_a_bucket_that_is_not_the_stacks():
    assert "EnableUploadEventsCommand" not in outputs().keys() | outputs(**EFS).keys()
    assert outputs(RecordingsPath="s3://theirs/in/")["EnableUploadEventsCommand"] == (
        f"aws s3api put-bucket-notification-configuration --region {REGION} --bucket theirs "
        """--notification-configuration '{"EventBridgeConfiguration": {}}'"""
    )


def test_every_parameter_is_in_one_group_and_says_what_it_may_be():
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(TEMPLATE["Parameters"])
    for name, declared in TEMPLATE["Parameters"].items():
        assert declared["Description"], name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & declared.keys(), name
        assert ("AllowedPattern" in declared) == ("ConstraintDescription" in declared), name


@pytest.mark.parametrize("parameters", [{}, {"RecordingsPath": "s3://theirs/in/"}, EFS], ids=["own", "bucket", "EFS"])
def test_the_outputs_say_what_to_do_next_with_all_that_a_command_wants(parameters):
    found = outputs(**parameters)
    commands = {name: value for name, value in found.items() if name.endswith("Command")}
    assert {"ApiKeyCommand", "SetWhisperXKeyCommand", "SubscribeToAlarmsCommand"} <= commands.keys()
    assert all(value.startswith("aws ") and f"--region {REGION}" in value for value in commands.values())
    assert all("${" not in value for value in found.values())
    assert {"AdminUrl", "ApiUrl", "DashboardUrl", "RecordingsBucket", "RecordingsPath"} <= found.keys()
