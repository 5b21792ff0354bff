"""The local stack: what template.yaml declares exists, with the names of the template, on a linearizable AWS."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from local.cloud.aws import serve_aws
from local.cloud.client import aws_client, aws_session
from local.cloud.secrets import set_headers
from local.cloud.stack import Stack, deploy
from local.lambdas.worker_process import ROOT
from testing.waiting import LIMIT_SECONDS

TEMPLATE = ROOT / "template.yaml"
NEEDED = {"WhisperXUrl": "http://whisperx.test:9000"}
RACES, RACERS = 20, 50

SMALL = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Word: {Type: String, Default: plain}
  Needed: {Type: String}
  Names: {Type: CommaDelimitedList, Default: "a,b"}
  Ids: {Type: CommaDelimitedList, Default: "", AllowedPattern: "^(id-[0-9]+)?$", ConstraintDescription: must be ids.}
Rules:
  IdsRequirePlainWord:
    RuleCondition: !Not [!EachMemberEquals [!Ref Ids, ""]]
    Assertions:
      - Assert: !Equals [!Ref Word, plain]
        AssertDescription: Ids are given, but the word is not plain.
      - Assert: !Or [!Not [!EachMemberEquals [!Ref Ids, id-13]], !Equals [!Ref Needed, luck]]
        AssertDescription: It needs luck.
Conditions:
  IsPlain: !Equals [!Ref Word, plain]
  IsOther: !Not [!Condition IsPlain]
Globals:
  Function:
    Runtime: python3.13
    Environment: {Variables: {TABLE: !Ref Table}}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Skipped:
    Type: AWS::S3::Bucket
    Condition: IsOther
  Topic: {Type: AWS::SNS::Topic}
  Queue: {Type: AWS::SQS::Queue}
  Source:
    Type: AWS::Lambda::EventSourceMapping
    Properties: &source
      FunctionName: !Ref Verb
      EventSourceArn: !GetAtt Queue.Arn
      BatchSize: 3
      ScalingConfig: {MaximumConcurrency: 4}
  PausedSource:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {<<: *source, Enabled: !If [IsOther, true, false]}
  Literal:
    Type: AWS::SecretsManager::Secret
    Properties: {Name: !Sub "${AWS::StackName}/literal", SecretString: !Sub '{"word": "${Word}"}'}
  Generated:
    Type: AWS::SecretsManager::Secret
    Properties:
      GenerateSecretString:
        SecretStringTemplate: '{"user": "x"}'
        GenerateStringKey: key
        PasswordLength: 20
  Plain:
    Type: AWS::SecretsManager::Secret
    Properties: {GenerateSecretString: {PasswordLength: 12, ExcludePunctuation: true}}
  Verb:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: nowhere/
      Handler: functions.verb.app.lambda_handler
      MemorySize: 256
      Timeout: 7
      Layers: [!Ref Layer]
      Environment:
        Variables:
          SUB: !Sub "${Word}-${Table}-${Table.Arn}-${Literal}"
          WITH_MAP: !Sub ["${It}/${!Kept}", {It: !Ref Needed}]
          PART: !Select [1, !Split ["/", !Sub "a/${Needed}/c"]]
          JOINED: !Join ["+", !Ref Names]
          IDS: !Join ["+", !Ref Ids]
          CHOSEN: !If [IsOther, other, !Ref "AWS::Region"]
          NONE: !If [IsOther, other, !Ref "AWS::NoValue"]
          LEFT_OUT: !Ref Topic
          NUMBER: 5
      Events:
        Rate: {Type: Schedule, Properties: {Schedule: rate(5 minutes), Input: '{"trigger": "timer"}'}}
        Paused: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}}
        Upload:
          Type: EventBridgeRule
          Properties: {Pattern: {source: [aws.s3]}}
        Http: {Type: HttpApi}
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: nowhere/}
Outputs:
  Url: {Value: !GetAtt ServerlessHttpApi.ApiEndpoint}
"""


SERVER = """
import sys
from local.cloud.aws import serve_aws
# switch threads as often as possible: without the lock, a race would have two winners
sys.setswitchinterval(1e-6)
with serve_aws() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A simulated AWS in another process, because this one may already serve one."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture
def aws(server: str) -> str:
    """The endpoint of an empty AWS."""
    requests.post(f"{server}/moto-api/reset", timeout=LIMIT_SECONDS).raise_for_status()
    return server


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(SMALL)
    return path


def read_secret(stack: Stack, logical_id: str) -> str:
    client = aws_client("secretsmanager", stack.endpoint)
    return str(client.get_secret_value(SecretId=stack.secrets[logical_id])["SecretString"])


@pytest.mark.usefixtures("deployed")
def test_process_serves_only_one_aws() -> None:
    with pytest.raises(RuntimeError, match="already serves"), serve_aws():
        pass


def test_declared_resources_exist_and_environments_name_them(aws: str) -> None:
    stack = deploy(TEMPLATE, aws, NEEDED)
    tables = {
        aws_client("dynamodb", aws).describe_table(TableName=name)["Table"]["TableName"]
        for name in stack.tables.values()
    }
    buckets = {bucket["Name"] for bucket in aws_client("s3", aws).list_buckets()["Buckets"]}
    assert tables == set(stack.tables.values())
    assert buckets == set(stack.buckets.values())
    assert {function.handler for function in stack.functions.values()} == {
        f"functions.{verb}.app.lambda_handler" for verb in ("sync", "queue", "process", "api")
    }
    assert {stack.function(verb).name for verb in ("sync", "queue", "process")} == {
        rule.function for rule in stack.rules
    }
    existing = {*stack.tables.values(), *stack.secrets.values(), *(f.name for f in stack.functions.values())}
    for function in stack.functions.values():
        for name, value in function.environment.items():
            assert "{" not in value, name
            if name.endswith(("_TABLE", "_SECRET", "_FUNCTION")):
                assert value in existing, name
    assert stack.function("process").environment["WHISPERX_URL"] == NEEDED["WhisperXUrl"]


def test_intrinsic_functions_are_resolved_and_rules_are_the_enabled_schedules(aws: str, small: Path) -> None:
    stack = deploy(small, aws, {"Needed": "given"})
    verb = stack.function("verb")
    table = stack.tables["Table"]
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}"
    assert verb.environment == {
        "TABLE": table,
        "SUB": f"plain-{table}-{arn}-{stack.secrets['Literal']}",
        "WITH_MAP": "given/${Kept}",
        "PART": "given",
        "JOINED": "a+b",
        "IDS": "",
        "CHOSEN": "us-east-1",
        "LEFT_OUT": "Topic",
        "NUMBER": "5",
    }
    assert (verb.memory_mb, verb.timeout_seconds) == (256, 7)
    assert stack.buckets == {}
    (rule,) = stack.rules
    assert (rule.schedule, rule.function, rule.input) == ("rate(5 minutes)", verb.name, '{"trigger": "timer"}')
    (source,) = stack.event_sources
    assert (source.function, source.batch_size, source.max_concurrency) == (verb.name, 3, 4)
    assert source.queue_arn.rpartition(":")[2] == source.queue_url.rpartition("/")[2]


def test_secrets_are_literal_or_generated_as_declared(aws: str, small: Path) -> None:
    stack = deploy(small, aws, {"Needed": "x"})
    assert json.loads(read_secret(stack, "Literal")) == {"word": "plain"}
    assert ":secret:callscribe/literal-" in stack.secrets["Literal"]
    generated = json.loads(read_secret(stack, "Generated"))
    assert (generated["user"], len(generated["key"])) == ("x", 20)
    assert len(read_secret(stack, "Plain")) == 12


@pytest.mark.filterwarnings("error")
def test_redeployment_keeps_data_and_applies_changes(aws: str) -> None:
    first = deploy(TEMPLATE, aws, NEEDED)
    keys = read_secret(first, "ApiKeySecret")
    assert len(json.loads(keys)["default"]) >= 32
    with pytest.raises(ClientError, match="ResourceNotFoundException"):  # no key, no value
        read_secret(first, "WhisperXSecret")
    aws_client("s3", aws).put_object(Bucket=first.buckets["RecordingsBucket"], Key="a", Body=b"x")
    aws_client("dynamodb", aws).put_item(TableName=first.tables["ControlTable"], Item={"name": {"S": "slot"}})
    assert deploy(TEMPLATE, aws, NEEDED) == first
    changed = {
        "WhisperXUrl": "http://other.test",
        "RecordingsPath": "s3://elsewhere/in/",
        "MaxAttempts": "2",
        "ProcessSchedule": "rate(2 minutes)",
        "WhisperXApiKey": "new",
    }
    second = deploy(TEMPLATE, aws, changed)
    assert (second.tables, second.buckets, second.secrets) == (first.tables, first.buckets, first.secrets)
    environment = second.function("process").environment
    assert environment["WHISPERX_URL"] == "http://other.test"
    assert second.function("sync").environment["RECORDINGS_PATH"] == "s3://elsewhere/in/"
    assert environment["MAX_ATTEMPTS"] == "2"
    assert "rate(2 minutes)" in {rule.schedule for rule in second.rules}
    assert json.loads(read_secret(second, "WhisperXSecret")) == {"apiKey": "new"}
    assert read_secret(second, "ApiKeySecret") == keys
    assert aws_client("s3", aws).list_objects_v2(Bucket=second.buckets["RecordingsBucket"])["KeyCount"] == 1
    assert aws_client("dynamodb", aws).scan(TableName=second.tables["ControlTable"])["Count"] == 1


@pytest.mark.parametrize("before", [{}, {"WhisperXApiKey": "none"}, {"WhisperXApiKey": "k3y"}], ids=str)
@pytest.mark.parametrize("after", [{}, {"WhisperXApiKey": "none"}], ids=str)
def test_redeployment_without_a_key_keeps_the_one_that_a_user_set(
    aws: str, before: dict[str, str], after: dict[str, str]
) -> None:
    stack = deploy(TEMPLATE, aws, NEEDED | before)
    aws_client("secretsmanager", aws).put_secret_value(SecretId=stack.secrets["WhisperXSecret"], SecretString="mine")
    assert read_secret(deploy(TEMPLATE, aws, NEEDED | after), "WhisperXSecret") == "mine"
    renewed = deploy(TEMPLATE, aws, NEEDED | {"WhisperXApiKey": "another"})
    assert json.loads(read_secret(renewed, "WhisperXSecret")) == {"apiKey": "another"}


def test_headers_are_stored_next_to_the_key(aws: str) -> None:
    stack = deploy(TEMPLATE, aws, NEEDED | {"WhisperXApiKey": "k3y"})
    set_headers(aws, stack.secrets["WhisperXSecret"], {"X-API-Key": "a"})
    assert json.loads(read_secret(stack, "WhisperXSecret")) == {"apiKey": "k3y", "headers": {"X-API-Key": "a"}}


def test_changed_table_is_rejected_and_the_stack_stays(aws: str, small: Path) -> None:
    stack = deploy(small, aws, {"Needed": "x"})
    small.write_text(SMALL.replace("AttributeName: id", "AttributeName: other"))
    with pytest.raises(ValueError, match="Table"):
        deploy(small, aws, {"Needed": "x"})
    small.write_text(SMALL)
    assert deploy(small, aws, {"Needed": "x"}).tables == stack.tables


@pytest.mark.parametrize(("parameters", "message"), [({}, "WhisperXUrl"), ({**NEEDED, "Nonsense": "1"}, "Nonsense")])
def test_missing_or_unknown_parameter_is_named(aws: str, parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deploy(TEMPLATE, aws, parameters)


def test_list_parameter_is_trimmed_and_validated_by_item(aws: str, small: Path) -> None:
    stack = deploy(small, aws, {"Needed": "x", "Names": "c, d", "Ids": "id-1, id-2"})
    environment = stack.function("verb").environment
    assert (environment["JOINED"], environment["IDS"]) == ("c+d", "id-1+id-2")
    with pytest.raises(ValueError, match="Ids must be ids"):
        deploy(small, aws, {"Needed": "x", "Ids": "id-1,x"})


def test_violated_rule_is_reported_with_its_description(aws: str, small: Path) -> None:
    for ids, says in (("id-1", "the word is not plain.$"), ("id-13", "the word is not plain. It needs luck.$")):
        with pytest.raises(ValueError, match=f"^Ids are given, but {says}"):
            deploy(small, aws, {"Needed": "x", "Ids": ids, "Word": "other"})
    assert deploy(small, aws, {"Needed": "luck", "Ids": "id-13"}).functions


def test_invalid_template_is_rejected(aws: str, small: Path) -> None:
    small.write_text(SMALL.replace("Type: HttpApi}", "Type: Nonsense}"))
    with pytest.raises(ValueError, match="Nonsense"):
        deploy(small, aws, {"Needed": "x"})


def test_aws_configuration_of_the_user_is_not_used(aws: str, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws_session.cache_clear()
    monkeypatch.setenv("AWS_PROFILE", "that-does-not-exist")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert deploy(small, aws, {"Needed": "x"}).tables


@pytest.mark.slow
def test_exactly_one_of_many_concurrent_conditional_updates_succeeds(aws: str) -> None:
    client = aws_client("dynamodb", aws)
    client.create_table(
        TableName="races",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )

    def claim(race: int, racer: int, start: threading.Barrier) -> bool:
        start.wait()
        try:
            client.update_item(
                TableName="races",
                Key={"id": {"S": str(race)}},
                UpdateExpression="SET holder = :me",
                ConditionExpression="attribute_not_exists(holder)",
                ExpressionAttributeValues={":me": {"N": str(racer)}},
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(RACERS) as racers:
        for race in range(RACES):
            won = list(racers.map(partial(claim, race, start=threading.Barrier(RACERS)), range(RACERS)))
            assert won.count(True) == 1
            stored = client.get_item(TableName="races", Key={"id": {"S": str(race)}})["Item"]["holder"]["N"]
            assert stored == str(won.index(True))
