"""What template.yaml promises of every table, bucket and function."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from callscribe.clock import SKEW
from callscribe.store import counts
from local.cloud.intrinsics import Intrinsics
from local.cloud.template import parameter_values, read_template

PATH = Path(__file__).parents[2] / "template.yaml"
TEMPLATE = yaml_parse(PATH.read_text())
RESOURCES = TEMPLATE["Resources"]
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "callscribe",
    "AWS::URLSuffix": "amazonaws.com",
}
VPC = {"Subnets": "subnet-0123abcd, subnet-0123abce", "SecurityGroups": "sg-0123abcd"}
ACCESS_POINT = "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-0123456789abcdef0"
EFS = {**VPC, "EfsAccessPoint": ACCESS_POINT, "RecordingsPath": "/mnt/recordings"}
FUNCTIONS = {"SyncFunction", "QueueFunction", "ProcessFunction", "ApiFunction"}


@cache
def translated():
    return read_template(PATH, {"WhisperXUrl": "http://whisperx.test"}, "eu-central-1")


def deployed(section="Resources", **parameters):
    """What CloudFormation makes of the template with these parameters. A resource is called by its logical id."""
    template = translated()
    values = parameter_values(template, {"WhisperXUrl": "http://whisperx.test", **parameters}) | PSEUDO

    def name(logical_id, attribute):
        return f"{logical_id}.{attribute}" if attribute else logical_id

    intrinsics = Intrinsics(template, values, name)
    return {
        logical_id: intrinsics.resolve(each["Properties" if section == "Resources" else "Value"])
        for logical_id, each in template[section].items()
        if "Condition" not in each or intrinsics.holds(each["Condition"])
    }


def functions(**parameters):
    return {name: each for name, each in deployed(**parameters).items() if name in FUNCTIONS}


def statements(function, **parameters):
    """All statements of a function's own policies, by their names; that of SAM for the failed events has none."""
    role = deployed(**parameters)[f"{function}Role"]
    found = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    return {each.get("Sid", "TellOfFailedEvents"): each for each in found}


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


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
@pytest.mark.parametrize("parameters", [{}, VPC, EFS], ids=["plain", "VPC", "EFS"])
def test_no_policy_is_wider_than_it_must_be(function, parameters):
    for statement in statements(function, **parameters).values():
        if statement["Effect"] == "Deny":
            continue
        actions, resources = statement["Action"], statement["Resource"]
        for action in actions if isinstance(actions, list) else [actions]:
            assert "*" not in action
        for resource in resources if isinstance(resources, list) else [resources]:
            assert resource != "*"


@pytest.mark.parametrize(("name", "hands_out"), [("ProcessFunction", set()), ("ApiFunction", {"RecordingsBucket"})])
def test_who_reads_from_a_bucket_may_list_it_for_else_what_is_gone_looks_forbidden(name, hands_out):
    """What a function only gives addresses of, it does not read."""
    allowed = {"s3:GetObject": set(), "s3:ListBucket": set()}
    for statement in statements(name).values():
        for action in allowed.keys() & {statement["Action"]} if isinstance(statement["Action"], str) else ():
            allowed[action] |= set(re.findall(r"(\w+Bucket)\b", str(statement["Resource"])))
    assert allowed["s3:GetObject"] - hands_out == allowed["s3:ListBucket"] != set()


def test_what_relies_on_how_long_functions_live_outlives_them():
    timeouts = {name: each["Properties"]["Timeout"] for name, each in RESOURCES.items() if name.endswith("Function")}
    assert timedelta(seconds=max(timeouts.values())) < counts.SETTLED - 2 * SKEW
    assert timedelta(seconds=timeouts["ApiFunction"]) < counts.LEAVING - SKEW


@pytest.mark.parametrize("name", ["SyncFunction", "QueueFunction", "ProcessFunction"])
def test_a_task_is_not_repeated_by_lambda_but_by_its_schedule(name):
    declared = RESOURCES[name]["Properties"]["EventInvokeConfig"]
    assert declared["MaximumRetryAttempts"] == 0
    assert declared["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["FailedEvents", "Arn"]}
    events = {event["Type"] for event in RESOURCES[name]["Properties"]["Events"].values()}
    assert events == {"Schedule"} if name != "SyncFunction" else {"Schedule", "EventBridgeRule"}


def test_a_stack_without_efs_needs_no_vpc():
    for name, function in functions().items():
        assert not {"VpcConfig", "FileSystemConfigs"} & function.keys(), name
        assert "MountRecordings" not in statements(name)


def test_whoever_lists_or_opens_recordings_on_efs_mounts_them_and_nobody_else_is_in_the_vpc():
    for name, function in functions(**EFS).items():
        if name == "QueueFunction":
            assert not {"VpcConfig", "FileSystemConfigs"} & function.keys()
            continue
        assert function["VpcConfig"] == {
            "SubnetIds": ["subnet-0123abcd", "subnet-0123abce"],
            "SecurityGroupIds": ["sg-0123abcd"],
        }
        assert function["FileSystemConfigs"] == [{"Arn": ACCESS_POINT, "LocalMountPath": "/mnt/recordings"}]
        mount = statements(name, **EFS)["MountRecordings"]
        assert mount["Action"] == "elasticfilesystem:ClientMount"  # and not to write
        assert mount["Condition"] == {"StringEquals": {"elasticfilesystem:AccessPointArn": ACCESS_POINT}}


def test_a_server_inside_a_vpc_is_reached_from_there_by_the_one_function_that_speaks_to_it():
    for name, function in functions(**VPC).items():
        assert ("VpcConfig" in function) == (name == "ProcessFunction")
        assert "FileSystemConfigs" not in function


@pytest.mark.parametrize("parameters", [{}, VPC, EFS], ids=["plain", "VPC", "EFS"])
def test_the_permissions_for_network_interfaces_are_lambdas_and_not_the_codes(parameters):
    """SAM gives them to whoever has VpcConfig, also under a condition that does not hold."""
    resources = deployed(**parameters)
    for name in FUNCTIONS:
        managed = any(arn.endswith("VPCAccessExecutionRole") for arn in resources[f"{name}Role"]["ManagedPolicyArns"])
        denied = statements(name, **parameters).get("LeaveTheNetworkToLambda")
        assert managed == (denied is not None)
        assert managed or "VpcConfig" not in resources[name]
        if denied:
            assert denied["Effect"] == "Deny"
            assert {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"} < set(denied["Action"])
            # without the condition, Lambda itself could not connect the function either
            arn = "arn:aws:lambda:eu-central-1:123456789012:function:*"
            assert denied["Condition"] == {"ArnLike": {"lambda:SourceFunctionArn": arn}}


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
        deployed(**parameters)


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
    function = functions(RecordingsPath="/mnt/recordings/2026")["SyncFunction"]
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
        return all(
            pattern.fullmatch(item) for item in ([value] if whole else [each.strip() for each in value.split(",")])
        )

    assert [value for value in good if not taken(value)] == []
    assert [value for value in bad if taken(value)] == []


def test_the_bucket_of_the_stack_tells_of_uploads():
    bucket = deployed()["RecordingsBucket"]
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


@pytest.mark.parametrize(
    ("path", "bucket", "state"),
    [
        ("", "RecordingsBucket", "ENABLED"),
        ("s3://theirs", "theirs", "ENABLED"),
        ("s3://theirs/", "theirs", "ENABLED"),
        ("s3://the.irs-2/in/2026/", "the.irs-2", "ENABLED"),
        ("/mnt/recordings", "RecordingsBucket", "DISABLED"),
        ("/mnt/recordings/2026", "RecordingsBucket", "DISABLED"),
    ],
)
def test_uploads_into_the_bucket_of_the_recordings_fire_sync_at_once(path, bucket, state):
    parameters = EFS if path.startswith("/") else {}
    resources = deployed(**{**parameters, "RecordingsPath": path})
    rule = resources["SyncFunctionUploads"]
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}},
    }
    assert rule["State"] == state
    (target,) = rule["Targets"]
    assert target["Arn"] == "SyncFunction.Arn"
    assert not {"Input", "InputPath", "InputTransformer"} & target.keys()  # the event arrives as it is
    assert resources["SyncFunctionUploadsPermission"]["SourceArn"] == "SyncFunctionUploads.Arn"


def test_the_output_that_turns_uploads_on_is_there_for_a_bucket_that_is_not_the_stacks():
    assert "UploadsCommand" not in deployed("Outputs")
    assert "UploadsCommand" not in deployed("Outputs", **EFS)
    assert deployed("Outputs", RecordingsPath="s3://theirs/in/")["UploadsCommand"] == (
        "aws s3api put-bucket-notification-configuration --region eu-central-1 --bucket theirs "
        """--notification-configuration '{"EventBridgeConfiguration": {}}'"""
    )


def test_every_parameter_stands_in_one_group_and_says_what_it_is_and_what_it_may_be():
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(TEMPLATE["Parameters"])
    for name, declared in TEMPLATE["Parameters"].items():
        assert len(declared["Description"]) > 20, name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & declared.keys(), name
        assert ("AllowedPattern" in declared) == ("ConstraintDescription" in declared), name


@pytest.mark.parametrize("parameters", [{}, {"RecordingsPath": "s3://theirs/in/"}, EFS], ids=["own", "bucket", "EFS"])
def test_the_outputs_say_what_to_do_next_with_all_that_a_command_wants(parameters):
    outputs = deployed("Outputs", **parameters)
    commands = {name: value for name, value in outputs.items() if name.endswith("Command")}
    assert {"ApiKeyCommand", "WhisperXKeyCommand", "AlarmsCommand"} <= set(commands)
    assert all(value.startswith("aws ") and "--region eu-central-1" in value for value in commands.values())
    assert all("${" not in value for value in outputs.values())
    assert {"AdminUrl", "ApiUrl", "DashboardUrl", "RecordingsBucket", "RecordingsPath"} <= set(outputs)
    assert all(len(each["Description"]) > 20 for each in TEMPLATE["Outputs"].values())
