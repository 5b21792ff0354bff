"""The decisions of `make deploy`, without SAM CLI and without AWS."""

import shlex
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from botocore import exceptions
from botocore.stub import Stubber
from samtranslator.yaml_helper import yaml_parse

from deployment import DeploymentError, deploy, failed_stacks, parameters, sam, stacks
from deployment.stacks import DeployedStack, State
from deployment.stage import Arguments, Stage, _quoted, load_stage

ROOT = Path(__file__).parents[2]
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
DECLARATIONS = TEMPLATE["Parameters"]
STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/callscribe/1"
URL = "https://whisperx.example.com"
THE_THREE = {"WhisperXUrl": URL, "WhisperXDialect": "asr", "WhisperXApiKey": "none"}


def stack(status="UPDATE_COMPLETE", outputs=None, **parameters):
    return DeployedStack(STACK_ID, "callscribe", status, parameters, outputs or {})


def stage(given=None, **saved):
    return Stage("default", Path("samconfig.toml"), "callscribe", "eu-central-1", None, saved, given or {})


def stack_event(status, logical_id="callscribe", physical_id=STACK_ID, reason=""):
    kind = "AWS::CloudFormation::Stack" if physical_id == STACK_ID else "AWS::DynamoDB::Table"
    return {
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("WhisperXUrl", URL, None),
        ("WhisperXUrl", "whisperx.example.com", "must start with http:// or https://"),
        ("WhisperXUrl", f"{URL}/asr?x=1", "must not contain credentials, a query"),
        ("WhisperXDialect", "whisper", "must be one of asr, tasks, openai."),
        ("WhisperXApiKey", "", None),
        ("WhisperXApiKey", "two words", "without spaces"),
        ("MaxAttempts", "3", None),
        ("MaxAttempts", "0", "must be a whole number from 1 to 100."),
        ("MaxAttempts", "three", "must be a whole number from 1 to 100."),
        ("Subnets", "subnet-0123abcd, subnet-0123abce", None),
        ("Subnets", "subnet-0123abcd,vpc-1", "must be subnet IDs"),
    ],
)
def test_values_are_checked_as_cloudformation_would(name, value, problem):
    found = parameters.violation(DECLARATIONS[name], value)
    assert found is None if problem is None else problem in found


def test_every_default_of_the_template_is_accepted():
    for name, declaration in DECLARATIONS.items():
        if "Default" in declaration:
            assert parameters.violation(declaration, str(declaration["Default"])) is None, name


def test_unknown_parameters_and_wrong_values_are_named_but_values_are_not_shown():
    with pytest.raises(DeploymentError) as caught:
        parameters.check(DECLARATIONS, {"MaxAtempts": "3", "WhisperXApiKey": "my secret"})
    assert "no parameter MaxAtempts. Did you mean MaxAttempts?" in str(caught.value)
    assert "WhisperXApiKey must be printable ASCII" in str(caught.value)
    assert "my secret" not in str(caught.value)


def parse(value):
    """As SAM does, for simple values."""
    texts = [value] if isinstance(value, str) else value or []
    return dict(part.split("=", 1) for text in texts for part in shlex.split(text))


def test_command_line_takes_precedence_over_samconfig_and_keeps_its_other_parameters(tmp_path, monkeypatch):
    monkeypatch.setattr(sam, "parse_overrides", parse)
    config = tmp_path / "samconfig.toml"
    config.write_text(
        """
        [default.global.parameters]
        stack_name = "callscribe"
        region = "eu-west-1"
        [default.deploy.parameters]
        region = "eu-central-1"
        parameter_overrides = 'WhisperXUrl="https://old.example.com" SyncSchedule="rate(1 hour)"'
        """
    )
    given = Arguments(profile="production", parameter_overrides=["WhisperXUrl=" + URL, "QueueSchedule=rate(1 minute)"])
    loaded = load_stage("default", config, given)
    assert (loaded.stack_name, loaded.region, loaded.profile) == ("callscribe", "eu-central-1", "production")
    assert loaded.parameters == {
        "WhisperXUrl": URL,
        "SyncSchedule": "rate(1 hour)",
        "QueueSchedule": "rate(1 minute)",  # the shell has removed the quotation marks
    }
    with pytest.raises(DeploymentError, match=r"no stack_name in \[staging.deploy.parameters\]"):
        load_stage("staging", config, Arguments())


def test_stages_of_the_example_have_stacks_of_their_own():
    stages = tomllib.loads((ROOT / "samconfig.example.toml").read_text())
    names = {name: stages[name]["deploy"]["parameters"]["stack_name"] for name in ("staging", "production")}
    assert names == {"staging": "callscribe-staging", "production": "callscribe-production"}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("REVIEW_IN_PROGRESS", State.MISSING),
        ("DELETE_COMPLETE", State.MISSING),
        ("ROLLBACK_COMPLETE", State.FAILED),
        ("ROLLBACK_FAILED", State.FAILED),
        ("DELETE_FAILED", State.FAILED),
        ("CREATE_IN_PROGRESS", State.BUSY),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", State.BUSY),
        ("CREATE_COMPLETE", State.EXISTING),
        ("UPDATE_ROLLBACK_COMPLETE", State.EXISTING),
        ("CREATE_FAILED", State.EXISTING),  # created with rollback disabled: an update can complete it
        ("UPDATE_ROLLBACK_FAILED", State.STUCK),
        ("IMPORT_ROLLBACK_FAILED", State.STUCK),
    ],
)
def test_status_of_the_stack_decides_what_a_deployment_does(status, state):
    assert stack(status).state is state


@pytest.mark.parametrize(
    ("status", "events", "expected"),
    [
        ("ROLLBACK_FAILED", ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED"], True),
        ("ROLLBACK_COMPLETE", [], True),  # after 90 days, the status alone proves it
        ("DELETE_FAILED", ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED", "DELETE_FAILED"], True),
        ("DELETE_FAILED", ["CREATE_IN_PROGRESS", "CREATE_COMPLETE", "DELETE_FAILED"], False),
        ("DELETE_FAILED", ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "DELETE_FAILED"], False),
        ("DELETE_FAILED", ["DELETE_IN_PROGRESS", "DELETE_FAILED"], False),  # older events are gone
        ("ROLLBACK_FAILED", ["CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED"], False),  # it ran for a while
        ("UPDATE_ROLLBACK_COMPLETE", [], False),
    ],
)
def test_only_a_stack_that_was_never_complete_has_no_data(status, events, expected):
    assert stacks.was_never_complete(stack(status), map(stack_event, events)) is expected


def test_remains_of_a_stack_that_was_complete_are_not_offered_for_deletion(monkeypatch):
    events = [stack_event("CREATE_COMPLETE"), stack_event("DELETE_FAILED")]
    monkeypatch.setattr(failed_stacks, "stack_events", lambda *_: events)
    for name in ("find_leftovers", "remove"):
        monkeypatch.setattr(failed_stacks, name, lambda *_: pytest.fail("nothing may be deleted"))
    with pytest.raises(DeploymentError, match="may contain data"):
        failed_stacks.remove_failed_stack(
            StubbedAccount("cloudformation"), stage(), stack("DELETE_FAILED"), interactive=True
        )


def test_cause_of_a_failure_is_first_and_cancelled_resources_are_left_out():
    events = [
        stack_event("CREATE_IN_PROGRESS", "Table", "table"),
        stack_event("CREATE_FAILED", "Table", "table", "already exists"),
        stack_event("CREATE_FAILED", "Topic", "topic", "Resource creation cancelled"),
        stack_event("ROLLBACK_FAILED", reason="The following resource(s) failed to delete: [Table]."),
        stack_event("DELETE_FAILED", "Table", "table", "deletion protection"),
    ]
    found = stacks.failed_resources(stack("ROLLBACK_FAILED"), events)
    assert [(each.logical_id, each.reason) for each in found] == [
        ("Table", "already exists"),
        ("Table", "deletion protection"),
    ]


class StubbedAccount(stacks.Account):
    """An account with one client, whose responses a test has added."""

    region = "eu-central-1"

    def __init__(self, service):
        self._client = boto3.client(service, "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        self.stubber = Stubber(self._client)
        self.stubber.activate()

    def client(self, service):
        assert service == self._client.meta.service_model.service_name
        return self._client


def test_stack_that_does_not_exist_is_not_an_error_and_a_missing_permission_is():
    account = StubbedAccount("cloudformation")
    account.stubber.add_client_error("describe_stacks", "ValidationError", "Stack with id callscribe does not exist")
    account.stubber.add_client_error("describe_stacks", "AccessDenied", "User x is not authorized")
    account.stubber.add_client_error("describe_stacks", "ExpiredToken", "The security token is expired")
    assert stacks.find_stack(account, "callscribe") is None
    with pytest.raises(DeploymentError, match="needs permission for DescribeStacks"):
        stacks.find_stack(account, "callscribe")
    with pytest.raises(DeploymentError, match="token is expired\nCheck your credentials"):
        stacks.find_stack(account, "callscribe")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (exceptions.NoCredentialsError(), "credentials of your AWS account"),
        (exceptions.NoRegionError(), "--region eu-central-1"),
        (exceptions.ProfileNotFound(profile="x"), "~/.aws/config"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), "your network"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x"), "your network"),
        (exceptions.UnauthorizedSSOTokenError(), "check your credentials"),
        (exceptions.WaiterError("TableExists", "Max attempts exceeded", {}), "Run the command again"),
    ],
)
def test_errors_of_boto3_say_what_to_do(error, advice):
    with pytest.raises(DeploymentError, match=advice), stacks.explained_errors():
        raise error


def test_only_resources_that_still_exist_are_deleted():
    account = StubbedAccount("cloudformation")
    resources = [
        ("AWS::DynamoDB::Table", "kept-1", "DELETE_FAILED"),
        ("AWS::DynamoDB::Table", "kept-2", "DELETE_SKIPPED"),
        ("AWS::DynamoDB::Table", "gone", "DELETE_COMPLETE"),
        ("AWS::DynamoDB::Table", "of-another-stack", "CREATE_FAILED"),
        ("AWS::S3::Bucket", "bucket", "DELETE_SKIPPED"),
        ("AWS::Lambda::Function", "function", "DELETE_FAILED"),
    ]
    summaries = [
        {
            "LogicalResourceId": name.replace("-", ""),
            "PhysicalResourceId": name,
            "ResourceType": kind,
            "ResourceStatus": status,
            "LastUpdatedTimestamp": "2026-11-30",
        }
        for kind, name, status in resources
    ]
    account.stubber.add_response("list_stack_resources", {"StackResourceSummaries": summaries}, {"StackName": STACK_ID})
    leftovers = failed_stacks.find_leftovers(account, stack("ROLLBACK_FAILED"))
    assert (leftovers.tables, leftovers.buckets) == (("kept-1", "kept-2"), ("bucket",))
    commands = failed_stacks.removal_commands(leftovers, stage())
    protection, *_, last = commands
    assert protection == (
        "aws dynamodb update-table --table-name kept-1 --no-deletion-protection-enabled --region eu-central-1"
    )
    assert last == "aws cloudformation wait stack-delete-complete --stack-name callscribe --region eu-central-1"


def test_outputs_are_not_wrapped_and_follow_the_order_of_the_template():
    command = "aws " + "x" * 200 + """ '{"apiKey": "KEY"}'"""
    outputs = {"Extra": ("", "1"), "Command": ("Runs.", command), "AdminUrl": ("The page.", "https://x")}
    text = stacks.format_outputs(stack(outputs=outputs), ["AdminUrl", "Command"])
    assert text == f"AdminUrl: The page.\nhttps://x\n\nCommand: Runs.\n{command}\n\nExtra\n1"


@pytest.fixture
def deployment(monkeypatch):
    """Runs `deploy` for a stack, and returns the arguments of `sam`, or of `sam` with --guided."""
    calls = []

    def successful(arguments):
        calls.append(arguments)
        return 0

    def guided(arguments, ask):
        calls.append([*arguments, "--guided"])
        return 0

    declarations = {**DECLARATIONS, "Architecture": {**DECLARATIONS["Architecture"], "AllowedValues": ["x86_64"]}}
    monkeypatch.setattr(sam, "read_template", lambda _: {**TEMPLATE, "Parameters": declarations})
    monkeypatch.setattr(sam, "format_overrides", lambda values: [f"{name}={value}" for name, value in values.items()])
    monkeypatch.setattr(sam, "run", successful)
    monkeypatch.setattr(sam, "run_guided", guided)
    monkeypatch.setattr(sam, "save_parameters", lambda *arguments: calls.append(arguments[2]))
    monkeypatch.setattr(deploy, "Account", lambda _: StubbedAccount("cloudformation"))
    monkeypatch.setattr(deploy, "_choose_stack", lambda a_stage, _: a_stage)

    def run(existing, a_stage, *, guided=False, architecture=None, interactive=False):
        calls.clear()
        monkeypatch.setattr(deploy, "find_stack", lambda *_: existing)
        deploy.deploy(a_stage, guided=guided, architecture=architecture, interactive=interactive, options=["--debug"])
        return calls

    return SimpleNamespace(run=run, calls=calls)


@pytest.mark.parametrize("existing", [None, stack("REVIEW_IN_PROGRESS")], ids=["none", "only reviewed"])
def test_deployment_is_guided_when_the_stack_does_not_exist_even_if_samconfig_has_its_parameters(deployment, existing):
    (arguments,) = deployment.run(existing, stage(**THE_THREE), interactive=True)
    assert arguments[-1] == "--guided"
    assert "--parameter-overrides" not in arguments


def test_existing_stack_gets_the_parameters_that_are_set_and_the_architecture_that_was_built(deployment):
    a_stage = stage({"MaxAttempts": "3"}, MaxAttempts="7", WhisperXUrl=URL)
    (arguments,) = deployment.run(stack(Architecture="x86_64"), a_stage, interactive=True)
    before, after = arguments[: arguments.index("--parameter-overrides")], arguments[len(a_stage.options) + 3 :]
    assert before == ["deploy", *a_stage.options, "--debug"]
    assert after == ["Architecture=x86_64", "MaxAttempts=3", f"WhisperXUrl={URL}"]


@pytest.mark.parametrize("key", ["", "none"])
def test_no_key_is_not_passed_to_an_existing_stack(deployment, key):
    (arguments,) = deployment.run(stack(Architecture="x86_64"), stage({"WhisperXApiKey": key}))
    assert not any("WhisperXApiKey" in argument for argument in arguments)
    (arguments,) = deployment.run(stack(Architecture="x86_64"), stage({"WhisperXApiKey": "another"}))
    assert "WhisperXApiKey=another" in arguments


def test_without_a_terminal_a_new_stack_needs_all_three_parameters(deployment):
    with pytest.raises(DeploymentError, match=r"Set WhisperXDialect, WhisperXApiKey: make deploy"):
        deployment.run(None, stage({"WhisperXUrl": URL}))
    with pytest.raises(DeploymentError, match="--guided needs a terminal"):
        deployment.run(stack(), stage(), guided=True)
    assert deployment.calls == []
    (arguments,) = deployment.run(None, stage(THE_THREE))
    assert "--guided" not in arguments


@pytest.mark.parametrize(
    ("existing", "given", "architecture", "message"),
    [
        (None, {**THE_THREE, "Architecture": "arm64"}, None, "Architecture must be one of x86_64"),
        (None, THE_THREE, "arm64", "Architecture must be one of x86_64"),
        (stack(Architecture="arm64"), {}, None, "To keep arm64, run make deploy ARCHITECTURE=arm64"),
        (stack("UPDATE_IN_PROGRESS"), {}, None, "Wait until that has ended"),
        (
            stack("UPDATE_ROLLBACK_FAILED"),
            {},
            None,
            "aws cloudformation continue-update-rollback --stack-name callscribe",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_deployed(deployment, existing, given, architecture, message):
    with pytest.raises(DeploymentError, match=message):
        deployment.run(existing, stage(given), architecture=architecture)
    assert deployment.calls == []


def test_requested_architecture_is_saved_once_it_is_deployed(deployment):
    a_stage = stage(MaxAttempts="7", Architecture="arm64")
    _, saved = deployment.run(stack(Architecture="x86_64"), a_stage, architecture="x86_64")
    assert saved == {"MaxAttempts": "7", "Architecture": "x86_64"}  # so that the next build has it
    # the user has answered that the change set is not to be deployed, and SAM returns 0
    assert len(deployment.run(stack(Architecture="arm64"), a_stage, architecture="x86_64")) == 1


def test_empty_value_can_be_given_on_the_command_line():
    """make removes nothing from `AlarmEmail=`, but SAM accepts only `AlarmEmail=""`."""
    assert _quoted("AlarmEmail=") == _quoted('AlarmEmail=""') == 'AlarmEmail=""'


def test_key_can_be_given_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(sam, "parse_overrides", parse)
    config = tmp_path / "samconfig.toml"
    config.write_text('[default.global.parameters]\nstack_name = "callscribe"\n')
    assert load_stage("default", config, Arguments(api_key="pa$$&1")).given == {"WhisperXApiKey": "pa$$&1"}
    explicit = Arguments(parameter_overrides=["WhisperXApiKey=other"], api_key="pa$$&1")
    assert load_stage("default", config, explicit).given == {"WhisperXApiKey": "other"}


def test_tables_that_are_gone_already_are_not_waited_for():
    account = StubbedAccount("dynamodb")
    account.stubber.add_client_error("describe_table", "ResourceNotFoundException")
    failed_stacks._delete_table(account, "gone")
    account.stubber.assert_no_pending_responses()


def test_samconfig_is_made_from_the_example_and_not_tracked():
    assert "\nsamconfig.toml:\n\tcp samconfig.example.toml $@\n" in (ROOT / "Makefile").read_text()
    ignored = subprocess.run(["git", "check-ignore", "samconfig.toml"], cwd=ROOT, capture_output=True, check=False)
    assert ignored.returncode != 1  # that of a tracked file; 128 outside of a repository
