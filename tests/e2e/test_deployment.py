"""The commands behind `make deploy` and `make outputs`: the real SAM CLI, in a terminal, with moto as AWS.

A small stack with all parameters of the template takes the place of Callscribe's, most of which moto does not create.
"""

import json
import os
import re
import subprocess
import tomllib
from urllib.parse import urlsplit

import pytest
from moto.cloudformation import responses
from moto.cloudformation.models import cloudformation_backends
from moto.s3.models import s3_backends
from samtranslator.yaml_helper import yaml_parse

from local.build import ROOT
from local.cloud.aws import serve_aws
from local.cloud.client import CREDENTIALS, REGION, aws_client
from tests.e2e.terminal import Terminal

PYTHON = ROOT / ".venv-sam/bin/python"
ACCOUNT = "123456789012"  # moto's
STACK = "callscribe"
URL = "https://whisperx.example.com"
DECLARATIONS = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
COMMAND = "aws put " + "--long-option " * 10 + """'{"apiKey": "KEY"}'"""
PROTECTED_TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "DeletionPolicy": "Retain",
    "Properties": {
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    },
}
TEMPLATE = {
    "Parameters": {**DECLARATIONS, "Architecture": {**DECLARATIONS["Architecture"], "AllowedValues": ["x86_64"]}},
    "Resources": {"Table": PROTECTED_TABLE, "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}},
    "Outputs": {
        "Url": {"Description": "The server.", "Value": {"Ref": "WhisperXUrl"}},
        "Command": {"Description": "Sets a key.", "Value": COMMAND},
    },
}
SAM_STACK = {
    "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}},
    "Outputs": {"SourceBucket": {"Value": {"Ref": "Bucket"}}},
}

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="SAM CLI is not installed: run make build")

requested: list[dict[str, str | None]] = []
"""The parameters of each change set that SAM requested; None for the previous value."""
create_change_set = responses.CloudFormationResponse.create_change_set


def record_and_create_change_set(response):
    parameters = response._get_param("Parameters", [])
    requested.append({each["ParameterKey"]: each.get("ParameterValue") for each in parameters})
    return create_change_set(response)


def read_template(url, account_id, partition):
    """In moto, the host 127.0.0.1 is the name of a bucket."""
    bucket, _, key = urlsplit(url).path.lstrip("/").partition("/")
    return s3_backends[account_id][partition].get_object(bucket, key).value.decode()


@pytest.fixture(scope="module")
def endpoint():
    with pytest.MonkeyPatch.context() as patch, serve_aws() as url:
        patch.setattr(responses, "get_stack_from_s3_url", read_template)
        patch.setattr(responses.CloudFormationResponse, "create_change_set", record_and_create_change_set)
        # SAM creates this stack itself, but moto then leaves out its tags, and SAM rejects it
        aws_client("cloudformation", url).create_stack(
            StackName="aws-sam-cli-managed-default",
            TemplateBody=json.dumps(SAM_STACK),
            Tags=[{"Key": "ManagedStackSource", "Value": "AwsSamCli"}],
        )
        yield url


class Project:
    """A checkout after `make build`, and an AWS account."""

    def __init__(self, folder, endpoint):
        self.folder, self.endpoint = folder, endpoint
        isolated = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "no_proxy": "*"}
        aws = {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": REGION, **CREDENTIALS}
        sam = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "1"}
        self.environment = {**os.environ, **isolated, **aws, **sam, "PYTHONPATH": str(ROOT)}
        (folder / ".aws-sam/build").mkdir(parents=True)
        for name in ("template.yaml", ".aws-sam/build/template.yaml"):
            (folder / name).write_text(json.dumps(TEMPLATE))
        (folder / "samconfig.toml").write_text((ROOT / "samconfig.example.toml").read_text())

    @property
    def saved(self):
        return tomllib.loads((self.folder / "samconfig.toml").read_text())["default"]["deploy"]["parameters"]

    def in_terminal(self, *arguments):
        return Terminal([str(PYTHON), "-m", "deployment", *arguments], self.folder, self.environment)

    def in_pipeline(self, *arguments):
        return self.run_python("-m", "deployment", *arguments)

    def run_python(self, *arguments):
        options = {"cwd": self.folder, "env": self.environment, "stdin": subprocess.DEVNULL}
        return subprocess.run([PYTHON, *arguments], **options, capture_output=True, text=True, check=False)

    def create_stack(self, **parameters):
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        client = aws_client("cloudformation", self.endpoint)
        client.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE), Parameters=given)


def stacks():
    """The stack as moto stores it, in a list; an empty list if there is none."""
    return [each for each in cloudformation_backends[ACCOUNT][REGION].stacks.values() if each.name == STACK]


@pytest.fixture
def project(endpoint, tmp_path):
    requested.clear()
    yield Project(tmp_path, endpoint)
    for stack in list(cloudformation_backends[ACCOUNT][REGION].stacks.values()):
        if not stack.name.startswith(STACK):
            continue
        del cloudformation_backends[ACCOUNT][REGION].stacks[stack.stack_id]


def answer_the_rest(terminal):
    for question in ("Confirm changes before deploy", "Allow SAM CLI IAM role creation", "Disable rollback"):
        terminal.answer(question)
    for question in ("Save arguments", "SAM configuration file", "SAM configuration environment"):
        terminal.answer(question)
    terminal.answer("Deploy this changeset?", "y")


def test_first_deployment_prompts_for_three_parameters_and_checks_each_at_once(project):
    given = ("--parameter-overrides", "SyncSchedule=rate(1 hour)", "MaxAttempts=3")
    with project.in_terminal("deploy", *given) as terminal:
        terminal.answer("Stack Name")
        terminal.answer("AWS Region")
        terminal.answer("Parameter WhisperXUrl", "whisperx.example.com")
        terminal.answer("Error: WhisperXUrl must start with http:// or https://", URL)
        terminal.answer("Parameter WhisperXDialect [asr]", "whisper")
        terminal.answer("Error: WhisperXDialect must be one of asr, tasks, openai", "tasks")
        terminal.answer("Parameter WhisperXApiKey [none]", "a key", hidden=True)
        terminal.answer("Error: WhisperXApiKey must be printable ASCII without spaces", "s3cret", hidden=True)
        answer_the_rest(terminal)
        assert terminal.exit_status() == 0, terminal.text
    assert f"The stack {STACK} does not exist in {REGION} yet" in terminal.text
    assert set(re.findall(r"\tParameter ([A-Z]\w+)", terminal.text)) == {
        "WhisperXUrl",
        "WhisperXDialect",
        "WhisperXApiKey",
    }
    (parameters,) = requested
    assert parameters == {
        "WhisperXUrl": URL,
        "WhisperXDialect": "tasks",
        "WhisperXApiKey": "s3cret",
        "SyncSchedule": "rate(1 hour)",
        "MaxAttempts": "3",
        "Architecture": "x86_64",
    }
    assert "s3cret" not in terminal.text + (project.folder / "samconfig.toml").read_text()
    saved = {text.partition("=")[0] for text in project.saved["parameter_overrides"].split('" ')}
    assert saved == parameters.keys() - {"WhisperXApiKey"}
    assert (project.saved["region"], project.saved["resolve_s3"]) == (REGION, True)


def test_later_deployment_asks_no_questions_and_keeps_the_key_and_the_other_parameters(project):
    project.create_stack(WhisperXUrl=URL, WhisperXApiKey="s3cret", MaxAttempts="7")
    options = ("--architecture", "x86_64", "--no-confirm-changeset")
    done = project.in_pipeline("deploy", *options, "--parameter-overrides", "RetryBaseSeconds=5")
    assert done.returncode == 0, done.stderr
    (parameters,) = requested
    assert parameters == {**dict.fromkeys(DECLARATIONS), "RetryBaseSeconds": "5", "Architecture": "x86_64"}
    assert project.saved["parameter_overrides"] == 'Architecture="x86_64"'  # requested, so that the next build has it
    assert done.stdout.endswith(f"{COMMAND}\n\nmake outputs shows this again.\n")


def test_guided_deployment_of_an_existing_stack_keeps_the_key(project):
    project.create_stack(WhisperXUrl=URL, WhisperXApiKey="s3cret")
    with project.in_terminal("deploy", "--guided") as terminal:
        terminal.answer("Stack Name")
        terminal.answer("AWS Region")
        terminal.answer(f"Parameter WhisperXUrl [{URL}]")
        terminal.answer("Parameter WhisperXDialect [asr]", "openai")
        terminal.answer("Parameter WhisperXApiKey [unchanged]", "none", hidden=True)
        answer_the_rest(terminal)
        assert terminal.exit_status() == 0, terminal.text
    (parameters,) = requested
    assert parameters["WhisperXApiKey"] is None
    assert (parameters["WhisperXUrl"], parameters["WhisperXDialect"]) == (URL, "openai")


def test_another_stack_name_at_the_prompt_is_another_stack(project):
    project.create_stack(WhisperXUrl=URL, WhisperXApiKey="s3cret")
    with project.in_terminal("deploy", "--guided") as terminal:
        terminal.answer("Stack Name", "callscribe-2")
        terminal.answer("AWS Region")
        terminal.answer("Parameter WhisperXUrl", URL)
        terminal.answer("Parameter WhisperXDialect")
        terminal.answer("Parameter WhisperXApiKey [none]", "another", hidden=True)
        answer_the_rest(terminal)
        assert terminal.exit_status() == 0, terminal.text
    assert requested[0]["WhisperXApiKey"] == "another"
    assert f"The stack callscribe-2 does not exist in {REGION} yet" in terminal.text
    assert project.saved["stack_name"] == "callscribe-2"


def test_region_can_be_entered_if_none_is_configured(project):
    del project.environment["AWS_DEFAULT_REGION"]
    refused = project.in_pipeline("deploy")
    assert "make deploy ARGS='--region eu-central-1'" in refused.stderr
    with project.in_terminal("deploy") as terminal:
        terminal.answer("Stack Name")
        terminal.answer("AWS Region", REGION)
        terminal.answer("Parameter WhisperXUrl", URL)
        terminal.answer("Parameter WhisperXDialect")
        terminal.answer("Parameter WhisperXApiKey [none]", "", hidden=True)
        answer_the_rest(terminal)
        assert terminal.exit_status() == 0, terminal.text
    assert project.saved["region"] == REGION


def test_pipeline_cannot_create_a_stack_without_the_three_parameters(project):
    given = ("--parameter-overrides", f"WhisperXUrl={URL}", "WhisperXDialect=asr")
    refused = project.in_pipeline("deploy", "--no-confirm-changeset", *given)
    assert refused.returncode == 1
    assert "Set WhisperXApiKey: make deploy ARGS=" in refused.stderr
    assert requested == stacks() == []
    done = project.in_pipeline("deploy", "--no-confirm-changeset", *given, "WhisperXApiKey=none")
    assert done.returncode == 0, done.stderr
    assert len(stacks()) == 1


def test_outputs_are_printed_unwrapped_in_the_order_of_the_template(project):
    project.create_stack(WhisperXUrl=URL)
    done = project.in_pipeline("outputs")
    assert done.stdout == f"Url: The server.\n{URL}\n\nCommand: Sets a key.\n{COMMAND}\n", done.stderr


def test_remains_of_a_failed_first_deployment_are_deleted_only_on_request(project):
    project.create_stack(WhisperXUrl=URL)
    (stack,) = stacks()
    table, bucket = (stack.resource_map[name].physical_resource_id for name in ("Table", "Bucket"))
    stack.events[:] = [event for event in stack.events if event.resource_status != "CREATE_COMPLETE"]
    stack._add_stack_event("ROLLBACK_IN_PROGRESS")
    stack.status = "ROLLBACK_FAILED"
    dynamodb, s3 = (aws_client(service, project.endpoint) for service in ("dynamodb", "s3"))

    def remaining():
        buckets = {each["Name"] for each in s3.list_buckets()["Buckets"]}
        return {table, bucket} & {*dynamodb.list_tables()["TableNames"], *buckets}

    refused = project.in_pipeline("deploy")
    assert refused.returncode == 1
    assert f"aws dynamodb update-table --table-name {table} --no-deletion-protection-enabled" in refused.stdout
    assert remaining() == {table, bucket}
    with project.in_terminal("deploy") as terminal:
        terminal.answer("Delete the stack and what it has left behind", "y")
        terminal.answer("Stack Name", "\x04")  # end of input
        assert terminal.exit_status() == 1, terminal.text
    assert "docs/deploy.md#when-the-first-deploy-fails" in terminal.text
    assert remaining() == set()


def test_remains_of_a_stack_that_was_complete_are_never_deleted(project):
    project.create_stack(WhisperXUrl=URL)
    (stack,) = stacks()
    stack.status = "DELETE_FAILED"
    with project.in_terminal("deploy") as terminal:
        assert terminal.exit_status() == 1
    assert "may contain data, so make deploy deletes nothing" in terminal.text
    assert stacks() == [stack]


def test_built_template_allows_only_what_was_built_and_is_otherwise_the_same(project):
    (project.folder / "built.yaml").write_text((ROOT / "template.yaml").read_text())
    code = (
        "from pathlib import Path; from deployment import build; build.limit_architecture(Path('built.yaml'), 'arm64')"
    )
    assert project.run_python("-c", code).returncode == 0
    before, after = (yaml_parse(path.read_text()) for path in (ROOT / "template.yaml", project.folder / "built.yaml"))
    declaration = after["Parameters"].pop("Architecture")
    assert (declaration["Default"], declaration["AllowedValues"]) == ("arm64", ["arm64"])
    assert "make deploy ARCHITECTURE=x86_64" in declaration["ConstraintDescription"]
    del before["Parameters"]["Architecture"]
    assert after == before


@pytest.mark.parametrize("value", ["", "rate(1 hour)", "a=b&c=d", 'say "hi"', "it's", "back\\slash", "two  spaces"])
def test_sam_reads_every_value_that_is_passed_as_it_was_given(project, value):
    code = """
import sys
from deployment.sam import format_overrides, parse_overrides
values = {"A": sys.argv[1], "B": "1"}
assert parse_overrides(format_overrides(values)) == values
"""
    done = project.run_python("-c", code, value)
    assert done.returncode == 0, done.stderr
