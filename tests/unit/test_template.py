"""Rules for tables, buckets, functions, parameters and outputs of template.yaml that cfn-lint and checkov lack."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from callscribe.clock import CLOCK_SKEW
from callscribe.store import status_counts
from functions.api.schedule import parse_schedule
from local.cloud.client import REGION
from local.cloud.intrinsics import Intrinsics
from local.cloud.template import BUCKET, EVENT_SOURCE, FUNCTION, QUEUE, RULE, TABLE
from tests.permissions import granted

TEMPLATE = yaml_parse((Path(__file__).parents[2] / "template.yaml").read_text())
RESOURCES = TEMPLATE["Resources"]
VPC = {"Subnets": "subnet-0123abcd, subnet-0123abce", "SecurityGroups": "sg-0123abcd"}
IN_THE_VPC = {"SubnetIds": ["subnet-0123abcd", "subnet-0123abce"], "SecurityGroupIds": ["sg-0123abcd"]}
ACCESS_POINT = f"arn:aws:elasticfilesystem:{REGION}:123456789012:access-point/fsap-0123456789abcdef0"
EFS = {**VPC, "EfsAccessPoint": ACCESS_POINT, "RecordingsPath": "/mnt/recordings"}
FUNCTIONS = {"SyncFunction", "QueueFunction", "ProcessFunction", "ApiFunction"}
TASKS = FUNCTIONS - {"ApiFunction"}
SCHEDULES = [
    "rate(1 minute)", "rate(5 minutes)", "rate(10 minutes)", "rate(1 hour)", "rate(6 hours)", "rate(1 day)",
    "rate(12 days)", "cron(* * * * ? *)", "cron(0/5 * * * ? *)", "cron(0 0/6 * * ? *)", "cron(0 8 1 * ? *)",
    "cron(15 10 ? * 6L 2026-2030)", "cron(0 18 ? * MON-FRI *)", "cron(0/10 8-17 ? * MON,WED *)",
    "cron(0 9 ? * 2#1 *)", "cron(0 9 L JAN,JUL ? *)", "cron(59 23 * * ? *)",
]  # fmt: skip
REFUSED_SCHEDULES = [
    "", "rate(1 minutes)", "rate(5 minute)", "rate(1 hours)", "rate(2 day)", "rate(0 minutes)", "rate(01 minute)",
    "rate(5 seconds)", "rate(5  minutes)", "rate(-5 minutes)", "rate(1.5 hours)", "every 5 minutes", "* * * * *",
    "cron(0 2 * * * *)", "cron(0 2 ? * ? *)", "cron(0 2 1 * MON *)", "cron(0 2 * * ?)", "cron(0 2 * * ? * *)",
    "cron(60 * * * ? *)", "cron(0 24 * * ? *)", "cron(a 2 * * ? *)", "cron(? 2 * * ? *)",
    "cron(0 2 ? ? * *)", "cron(0 0 32 * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 * 13 ? *)", "cron(0 0 ? * 9 *)",
    "cron(0 0 ? * FOO *)", "cron(0 0 1 FOO ? *)", "rate(99999999999 days)", "at(2026-11-30T02:00:00)",
]  # fmt: skip


def outputs(**parameters):
    intrinsics = granted.intrinsics(parameters)
    return {
        name: intrinsics.resolve(output["Value"])
        for name, output in granted.translated()["Outputs"].items()
        if "Condition" not in output or intrinsics.is_condition_true(output["Condition"])
    }


def role(function, **parameters):
    """The statements of the role by Sid (SAM's statement for failed events has none), and its managed policies."""
    properties = granted.resolved(granted.ROLE, parameters)[f"{function}Role"]
    statements = [statement for policy in properties["Policies"] for statement in policy["PolicyDocument"]["Statement"]]
    return {statement.get("Sid"): statement for statement in statements}, properties["ManagedPolicyArns"]


def of_type(resource_type):
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == resource_type}


def test_tables_are_on_demand_and_use_the_free_key_of_dynamodb():
    for name, table in of_type(TABLE).items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        assert "SSESpecification" not in table, name  # would be the key that AWS manages in the account, and charged


def test_buckets_are_encrypted_and_reject_requests_without_tls():
    for bucket in of_type(BUCKET).values():
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    protected = set()
    for policy in of_type("AWS::S3::BucketPolicy").values():
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        protected.add(policy["Bucket"]["Ref"])
    assert protected == of_type(BUCKET).keys()


@pytest.mark.parametrize("name", ["RecordingsTable", "ControlTable", "RecordingsBucket", "TranscriptsBucket"])
def test_user_data_outlives_the_stack_unless_its_first_deployment_fails(name):
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_every_resource_that_outlives_the_stack_is_removed_if_its_first_deployment_fails():
    assert {each["DeletionPolicy"] for each in RESOURCES.values() if "DeletionPolicy" in each} == {
        "Delete",
        "RetainExceptOnCreate",
    }


def test_tables_with_user_data_cannot_be_deleted_by_mistake():
    protected = {name for name, table in of_type(TABLE).items() if table.get("DeletionProtectionEnabled")}
    assert protected == {name for name in of_type(TABLE) if RESOURCES[name]["DeletionPolicy"] != "Delete"}
    assert protected == {"RecordingsTable", "ControlTable"}


def test_data_can_be_restored_and_expires_as_documented():
    """No emulator does these: docs/operations.md#retention."""
    tables, buckets = granted.resolved(TABLE, {}), granted.resolved(BUCKET, {"RetentionDays": "90"})
    for name, table in tables.items():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
    assert tables["RunsTable"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    for name, bucket in buckets.items():
        rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
        assert rules["abandoned-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}, name
    transcripts = {rule["Id"]: rule for rule in buckets["TranscriptsBucket"]["LifecycleConfiguration"]["Rules"]}
    assert transcripts["expired-transcripts"]["ExpirationInDays"] == "90"
    assert (transcripts["merged-tracks"]["Prefix"], transcripts["merged-tracks"]["ExpirationInDays"]) == ("tracks/", 30)


def test_http_api_has_rate_limits_and_its_key_can_be_copied_without_quoting():
    settings = granted.resolved("AWS::ApiGatewayV2::Stage", {"ApiRateLimit": "7"})
    (stage,) = settings.values()
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": "7", "ThrottlingBurstLimit": "100"}
    generated = of_type("AWS::SecretsManager::Secret")["ApiKeySecret"]["GenerateSecretString"]
    assert generated["ExcludePunctuation"] is True


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_logs_that_arrive_late_do_not_create_their_log_group_again(name):
    statements, _ = role(name)
    denied = statements["DenyLogGroupsOutsideTheStack"]
    assert (denied["Effect"], denied["Action"], denied["Resource"]) == ("Deny", "logs:CreateLogGroup", "*")
    log_group = RESOURCES[name]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
    assert RESOURCES[log_group]["Type"] == "AWS::Logs::LogGroup"


def test_functions_have_no_endpoint_of_their_own():
    """An empty variable would override the endpoint that an emulator of AWS sets; `sam local` needs the declaration."""
    declared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert "AWS_ENDPOINT_URL" in declared
    for name, function in granted.resolved(FUNCTION, {}).items():
        assert not {each for each in function["Environment"]["Variables"] if "ENDPOINT" in each}, name


def test_no_policy_grants_all_actions_or_all_resources():
    grants = [grant for role in granted.statements().values() for statement in role for grant in statement.grants]
    assert [grant for grant in grants if "*" in grant.action or grant.resource == "*"] == []


@pytest.mark.parametrize(("name", "presigned"), [("ProcessFunction", set()), ("ApiFunction", {"RecordingsBucket"})])
def test_functions_that_read_a_bucket_may_list_it(name, presigned):
    """Otherwise S3 hides missing objects. Objects of which a function only presigns URLs are not read by it."""
    grants = [grant for statement in granted.statements()[name] for grant in statement.grants]
    read, listed = (
        {bucket for grant in grants if grant.action == action for bucket in re.findall(r"\w+Bucket\b", grant.resource)}
        for action in ("s3:GetObject", "s3:ListBucket")
    )
    assert read - presigned == listed != set()


def test_write_lag_and_invalidation_window_exceed_the_function_timeouts():
    timeouts = {
        name: resource["Properties"]["Timeout"] for name, resource in RESOURCES.items() if name.endswith("Function")
    }
    assert timedelta(seconds=max(timeouts.values())) < status_counts.MAX_WRITE_LAG - 2 * CLOCK_SKEW
    assert timedelta(seconds=timeouts["ApiFunction"]) < status_counts.INVALIDATION_WINDOW - CLOCK_SKEW


@pytest.mark.parametrize("name", sorted(TASKS))
def test_lambda_does_not_retry_a_task_because_the_next_scheduled_run_does(name):
    config = RESOURCES[name]["Properties"]["EventInvokeConfig"]
    assert config["MaximumRetryAttempts"] == 0
    assert config["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["FailedEventsQueue", "Arn"]}
    events = {event["Type"] for event in RESOURCES[name]["Properties"]["Events"].values()}
    assert events == {"Schedule"} if name != "SyncFunction" else {"Schedule", "EventBridgeRule"}


@pytest.mark.parametrize(
    ("parameters", "in_vpc", "mounting"),
    [
        ({}, set(), set()),
        (VPC, {"ProcessFunction"}, set()),  # only process connects to the server
        (EFS, FUNCTIONS - {"QueueFunction"}, FUNCTIONS - {"QueueFunction"}),  # all that list or open recordings
    ],
    ids=["plain", "VPC", "EFS"],
)
def test_only_functions_that_need_the_vpc_or_efs_get_it(parameters, in_vpc, mounting):
    for name, function in granted.resolved(FUNCTION, parameters).items():
        assert function.get("VpcConfig") == (IN_THE_VPC if name in in_vpc else None)
        mounted = [{"Arn": ACCESS_POINT, "LocalMountPath": "/mnt/recordings"}] if name in mounting else None
        assert function.get("FileSystemConfigs") == mounted
        statements, managed = role(name, **parameters)
        assert ("MountRecordings" in statements) == (name in mounting)
        if name in mounting:
            assert statements["MountRecordings"]["Action"] == "elasticfilesystem:ClientMount"  # read-only
            condition = {"StringEquals": {"elasticfilesystem:AccessPointArn": ACCESS_POINT}}
            assert statements["MountRecordings"]["Condition"] == condition
        # SAM grants network interfaces to every function with VpcConfig, even under a condition that is false
        has_network = any(arn.endswith("VPCAccessExecutionRole") for arn in managed)
        assert has_network == ("DenyNetworkInterfacesToFunctionCode" in statements)
        if has_network:  # denied to the code, but not to Lambda itself, whose requests name no source function
            denied = statements["DenyNetworkInterfacesToFunctionCode"]
            assert denied["Effect"] == "Deny"
            assert {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"} < set(denied["Action"])
            assert "lambda:SourceFunctionArn" in denied["Condition"]["ArnLike"]
        assert has_network or name not in in_vpc


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({**EFS, "Subnets": "", "SecurityGroups": ""}, "Subnets is empty. EFS is reachable only inside a VPC"),
        ({**EFS, "SecurityGroups": ""}, "SecurityGroups is empty"),
        ({**VPC, "SecurityGroups": ""}, "SecurityGroups is empty"),
        ({**VPC, "Subnets": ""}, "Subnets is empty"),
        ({**EFS, "RecordingsPath": ""}, "RecordingsPath is empty"),
        ({**EFS, "EfsAccessPoint": ""}, "EfsAccessPoint is empty"),
        ({"RecordingsPath": "/mnt/recordings"}, "EfsAccessPoint is empty"),
        ({"RecordingsPath": "/mnt/audio", "EfsMountPath": "/mnt/audio"}, "EfsAccessPoint is empty"),
    ],
)
def test_combination_that_would_deploy_but_not_work_is_rejected(parameters, message):
    with pytest.raises(ValueError, match=message):
        granted.intrinsics(parameters)


def test_rules_use_only_the_intrinsic_functions_that_cloudformation_allows_in_rules():
    """Those are `Ref` and the rule functions; not Fn::Select, Fn::Split, Fn::Sub or Fn::If."""

    def used(value):
        if isinstance(value, dict):
            return set(value).union(*map(used, value.values()))
        return set().union(*map(used, value)) if isinstance(value, list) else set()

    for rule in TEMPLATE["Rules"].values():
        for value in [rule["RuleCondition"], *(assertion["Assert"] for assertion in rule["Assertions"])]:
            assert used(value) <= {"Ref", "Fn::Not", "Fn::Equals", "Fn::EachMemberEquals"}


def test_empty_list_counts_as_not_set():
    """CloudFormation documents no value for the default "" of a list: it may be empty, or contain an empty item."""
    for values in ([], [""]):
        template = {"Parameters": {"Subnets": {"Type": "CommaDelimitedList"}}}
        rule = {"RuleCondition": {"Fn::EachMemberEquals": [values, ""]}, "Assertions": [
            {"Assert": {"Fn::Equals": ["", "a"]}, "AssertDescription": "it is not set"}]}  # fmt: skip
        assert Intrinsics({**template, "Rules": {"One": rule}}, {}, lambda *_: None).rule_violations()


def test_lambda_rejects_a_folder_without_an_access_point_that_the_rules_miss():
    """Lambda rejects a file system without an ARN, which is better than a stack that finds no recordings."""
    function = granted.resolved(FUNCTION, {"RecordingsPath": "/mnt/recordings/2026"})["SyncFunction"]
    assert function["FileSystemConfigs"] == [{"Arn": "", "LocalMountPath": "/mnt/recordings"}]


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
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
        *((name, SCHEDULES, REFUSED_SCHEDULES) for name in ("SyncSchedule", "QueueSchedule", "ProcessSchedule")),
    ],
)
def test_parameter_rejects_invalid_values(name, valid, invalid):
    pattern = re.compile(TEMPLATE["Parameters"][name]["AllowedPattern"])
    is_list = TEMPLATE["Parameters"][name]["Type"] != "String"

    def is_accepted(value):
        return all(pattern.fullmatch(item.strip()) for item in (value.split(",") if is_list else [value]))

    assert [value for value in valid if not is_accepted(value)] == []
    assert [value for value in invalid if is_accepted(value)] == []


@pytest.mark.parametrize(
    ("path", "bucket", "state"),
    [("", "RecordingsBucket", "ENABLED"), ("s3://theirs", "theirs", "ENABLED"), ("s3://theirs/", "theirs", "ENABLED"),
     ("s3://the.irs-2/in/2026/", "the.irs-2", "ENABLED"), ("/mnt/recordings", "RecordingsBucket", "DISABLED"),
     ("/mnt/recordings/2026", "RecordingsBucket", "DISABLED")],
)  # fmt: skip
def test_upload_to_the_recordings_bucket_is_queued_for_sync(path, bucket, state):
    parameters = {**(EFS if path.startswith("/") else {}), "RecordingsPath": path}
    stack_bucket = granted.resolved(BUCKET, parameters)["RecordingsBucket"]
    assert stack_bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    rule = granted.resolved(RULE, parameters)["UploadsRule"]
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}},
    }
    assert rule["State"] == state
    (target,) = rule["Targets"]
    assert target["Arn"] == granted.named_arn("sqs", "UploadsQueue")
    assert not {"Input", "InputPath", "InputTransformer"} & target.keys()  # the event arrives unchanged
    event_source = granted.resolved(EVENT_SOURCE, parameters)["UploadsEventSource"]
    assert event_source["Enabled"] is (state == "ENABLED")  # polling costs requests
    assert event_source["EventSourceArn"] == target["Arn"]
    assert event_source["FunctionName"] == "SyncFunction"


def test_uploads_are_delivered_in_batches_to_two_runs_at_most():
    event_source = of_type(EVENT_SOURCE)["UploadsEventSource"]
    assert event_source["BatchSize"] == 10
    assert event_source["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert event_source["MaximumBatchingWindowInSeconds"] == 0  # with any, a quiet queue can wait for 20 seconds
    assert event_source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_only_the_upload_rule_may_send_to_the_queue_of_uploads():
    (policy,) = granted.resolved("AWS::SQS::QueuePolicy", {}).values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert policy["Queues"] == ["UploadsQueue"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Resource"] == granted.named_arn("sqs", "UploadsQueue")
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": "UploadsRule.Arn"}}


def test_messages_stay_hidden_during_a_run_and_end_in_the_queue_of_failed_events():
    queue = granted.resolved(QUEUE, {})["UploadsQueue"]
    policy = queue["RedrivePolicy"]
    assert policy["deadLetterTargetArn"] == granted.named_arn("sqs", "FailedEventsQueue")
    assert policy["maxReceiveCount"] >= 5  # what AWS recommends for functions that can be throttled
    assert queue["VisibilityTimeout"] > granted.resolved(FUNCTION, {})["SyncFunction"]["Timeout"]  # Lambda requires it
    # or a message that keeps failing would expire before it is moved
    assert queue["MessageRetentionPeriod"] > 2 * policy["maxReceiveCount"] * queue["VisibilityTimeout"]


def test_queues_are_encrypted():
    for name, queue in of_type(QUEUE).items():
        assert queue["SqsManagedSseEnabled"] is True, name


@pytest.mark.parametrize("expression", SCHEDULES)
def test_page_understands_the_schedules_that_can_be_deployed(expression):
    assert parse_schedule(expression).describe()


@pytest.mark.parametrize("expression", REFUSED_SCHEDULES)
def test_page_refuses_the_schedules_that_cannot_be_deployed(expression):
    with pytest.raises(ValueError):  # noqa: PT011 — test_schedule.py checks the messages
        parse_schedule(expression)


def test_only_an_external_bucket_gets_the_output_that_enables_upload_events():
    assert "EnableUploadEventsCommand" not in outputs().keys() | outputs(**EFS).keys()
    assert outputs(RecordingsPath="s3://theirs/in/")["EnableUploadEventsCommand"] == (
        f"aws s3api put-bucket-notification-configuration --region {REGION} --bucket theirs "
        """--notification-configuration '{"EventBridgeConfiguration": {}}'"""
    )


def test_every_parameter_has_one_group_a_description_and_constraints():
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(TEMPLATE["Parameters"])
    for name, parameter in TEMPLATE["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys(), name
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter), name


@pytest.mark.parametrize(
    "parameters",
    [{"Monitoring": "full"}, {"RecordingsPath": "s3://theirs/in/"}, EFS],
    ids=["own", "bucket", "EFS"],
)
def test_output_commands_are_complete(parameters):
    values = outputs(**parameters)
    commands = {name: value for name, value in values.items() if name.endswith("Command")}
    assert {"ApiKeyCommand", "SetWhisperXKeyCommand", "SubscribeToAlarmsCommand"} <= commands.keys()
    assert all(value.startswith("aws ") and f"--region {REGION}" in value for value in commands.values())
    assert all("${" not in value for value in values.values())
    assert {"AdminUrl", "ApiUrl", "RecordingsBucket", "RecordingsPath"} <= values.keys()
