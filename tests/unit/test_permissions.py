"""tests/permissions finds what the functions use and what is granted; and rules for the template's permissions."""

import io
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.iam.aws_managed_policies import aws_managed_policies_data

from testing.signing import SigningThreadPool, signing_as
from tests.permissions import exceptions, granted, plugin, watch
from tests.permissions.comparison import compare, short
from tests.permissions.iam import Grant, UnsupportedStatementError, find_grants, parse_statement
from tests.permissions.requests import Request, UnknownRequestError, UsedPermission, find_signer, required_permissions

PAGE = (Path(__file__).parents[2] / "docs/permissions.md").read_text()
TABLE = granted.named_arn("dynamodb", "table/RecordingsTable")
KEY = Credentials("SyncFunction", "local", method="env")


def statement(effect="Allow", action="s3:GetObject", resource="arn:aws:s3:::calls/*", **more):
    return parse_statement({"Sid": effect, "Effect": effect, "Action": action, "Resource": resource, **more})


# statements -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("arn:aws:s3:::calls/*", "arn:aws:s3:::calls/2026/a.wav", True),
        ("arn:aws:s3:::calls/*", "arn:aws:s3:::calls", False),
        ("arn:aws:s3:::calls", "arn:aws:s3:::calls/2026/a.wav", False),
        ("arn:aws:s3:::call?/*", "arn:aws:s3:::calls/a.wav", True),
        ("arn:aws:s3:::call?/*", "arn:aws:s3:::call/a.wav", False),
        ("arn:aws:s3:::Calls/*", "arn:aws:s3:::calls/a.wav", False),
        (TABLE, f"{TABLE}/index/by-key", False),
        (f"{TABLE}/index/*", f"{TABLE}/index/by-key", True),
        ("*", TABLE, True),
    ],
)
def test_resource_matches_by_its_full_name_or_a_pattern(pattern, resource, matches):
    assert bool(find_grants([statement(resource=pattern)], "s3:GetObject", resource)) is matches


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [("s3:GetObject", True), ("s3:getobject", True), ("s3:Get*", True), ("*", True), ("s3:GetObjectVersion", False)],
)
def test_action_matches_in_upper_and_lower_case(pattern, allowed):
    assert bool(find_grants([statement(action=pattern)], "s3:GetObject", "arn:aws:s3:::calls/a")) is allowed


def test_grant_contains_the_action_and_resource_used_unless_another_statement_denies_it():
    both = statement(action=["s3:GetObject", "s3:PutObject"], resource=["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"])
    assert find_grants([both], "s3:PutObject", "arn:aws:s3:::b/1") == {
        Grant("Allow", "s3:PutObject", "arn:aws:s3:::b/*")
    }
    assert len(list(both.grants)) == 4
    denied = statement("Deny", action="s3:*", resource="*")
    assert find_grants([both, denied], "s3:PutObject", "arn:aws:s3:::b/1") == set()
    assert list(denied.grants) == []


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:*:123456789012:function:*"}}, True),
        ({"ArnLike": {"lambda:SourceFunctionArn": "arn:*:function:*"}}, False),  # * does not match a colon
        ({"StringEquals": {"lambda:SourceFunctionArn": ["another", granted.named_arn("lambda", "function:a")]}}, True),
        (
            {"StringEquals": {"elasticfilesystem:AccessPointArn": "any"}},
            False,
        ),  # the functions' requests do not have this key
    ],
)
def test_statement_applies_if_its_condition_holds(condition, holds):
    context = {"lambda:SourceFunctionArn": granted.named_arn("lambda", "function:a")}
    allowed = find_grants([statement(Condition=condition)], "s3:GetObject", "arn:aws:s3:::calls/a", context)
    assert bool(allowed) is holds
    denied = [statement(), statement("Deny", Condition=condition)]
    assert bool(find_grants(denied, "s3:GetObject", "arn:aws:s3:::calls/a", context)) is not holds


@pytest.mark.parametrize(
    "more",
    [
        {"NotAction": "s3:PutObject"},
        {"NotResource": "arn:aws:s3:::a"},
        {"Principal": "*"},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Resource": "arn:aws:s3:::calls/${aws:username}/*"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_unsupported_statement_is_an_error(more):
    with pytest.raises(UnsupportedStatementError):
        parse_statement({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | more)


# requests -------------------------------------------------------------------------------------------------------------


def targeted(service, operation, **body) -> tuple[str, Request]:
    return service, Request("POST", "/", target=f"Version.{operation}", body=json.dumps(body).encode())


def dynamodb(operation, **body) -> tuple[str, Request]:
    return targeted("dynamodb", operation, **body)


def s3(method, path, **query) -> tuple[str, Request]:
    return "s3", Request(method, path, query={name.replace("_", "-"): [value] for name, value in query.items()})


RECORDINGS = "callscribe-RecordingsTable-1A2B"
BUCKET = "arn:aws:s3:::TranscriptsBucket"
DELETE = (
    b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>transcripts/a/1</Key></Object>'
    b"<Object><Key>tracks/a</Key></Object></Delete>"
)


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        (dynamodb("GetItem", TableName=RECORDINGS), {("dynamodb:GetItem", TABLE)}),
        (dynamodb("Query", TableName=RECORDINGS, IndexName="by-key"), {("dynamodb:Query", f"{TABLE}/index/by-key")}),
        (
            dynamodb("BatchGetItem", RequestItems={RECORDINGS: {}, "callscribe-RunsTable-3C": {}}),
            {("dynamodb:BatchGetItem", TABLE), ("dynamodb:BatchGetItem", TABLE.replace("Recordings", "Runs"))},
        ),
        (
            targeted("secretsmanager", "PutSecretValue", SecretId="arn:aws:secretsmanager:r:1:secret:s-ApiKeySecret-x"),
            {("secretsmanager:PutSecretValue", granted.named_arn("secretsmanager", "secret:ApiKeySecret"))},
        ),
        (
            targeted("events", "PutEvents", Entries=[{}, {}]),
            {("events:PutEvents", granted.named_arn("events", "event-bus/default"))},
        ),
        (
            ("lambda", Request("POST", "/2015-03-31/functions/callscribe-QueueFunction-9/invocations")),
            {("lambda:InvokeFunction", granted.named_arn("lambda", "function:QueueFunction"))},
        ),
        (s3("GET", "/callscribe-transcriptsbucket-1/tracks/a/b"), {("s3:GetObject", f"{BUCKET}/tracks/…")}),
        (s3("HEAD", "/callscribe-transcriptsbucket-1/a.wav"), {("s3:GetObject", f"{BUCKET}/…")}),
        (s3("PUT", "/callscribe-transcriptsbucket-1/a.wav", x_id="PutObject"), {("s3:PutObject", f"{BUCKET}/…")}),
        (s3("GET", "/callscribe-transcriptsbucket-1", list_type="2", prefix="a/"), {("s3:ListBucket", BUCKET)}),
        (
            s3("GET", "/theirs/a.wav", X_Amz_Credential="k", response_content_type="audio/wav"),
            {("s3:GetObject", "arn:aws:s3:::another-bucket/…")},
        ),
        (
            ("s3", Request("POST", "/callscribe-transcriptsbucket-1", query={"delete": [""]}, body=DELETE)),
            {("s3:DeleteObject", f"{BUCKET}/transcripts/…"), ("s3:DeleteObject", f"{BUCKET}/tracks/…")},
        ),
    ],
)  # fmt: skip
def test_request_needs_an_action_on_the_resources_it_names(request_: tuple[str, Request], needed):
    assert required_permissions(*request_, 200) == needed


def test_404_for_an_object_needs_permission_to_list_the_bucket():
    needed = {("s3:GetObject", f"{BUCKET}/transcripts/…")}
    path = "/callscribe-transcriptsbucket-1/transcripts/a"
    assert required_permissions(*s3("HEAD", path), 404) == needed | {("s3:ListBucket", BUCKET)}
    assert required_permissions(*s3("GET", path, X_Amz_Signature="0"), 404) == needed


@pytest.mark.parametrize(
    "request_",
    [
        dynamodb("TransactWriteItems"),
        s3("GET", "/bucket/key", tagging=""),
        s3("POST", "/bucket/key", uploads=""),
        s3("DELETE", "/bucket"),
        ("s3", Request("PUT", "/bucket/key", copies=True)),
        targeted("events", "PutRule"),
        ("lambda", Request("GET", "/2015-03-31/functions/name")),
        ("sqs", Request("POST", "/")),
    ],
)
def test_unknown_request_is_an_error(request_: tuple[str, Request]):
    with pytest.raises(UnknownRequestError):
        required_permissions(*request_, 200)


def test_signer_is_read_from_the_header_or_the_url():
    request = AWSRequest("GET", "http://127.0.0.1/bucket/key")
    SigV4Auth(KEY, "s3", "us-east-1").add_auth(request)
    assert find_signer(request.headers["Authorization"], "") == ("SyncFunction", "s3")
    presigned = AWSRequest("GET", "http://127.0.0.1/bucket/key")
    S3SigV4QueryAuth(KEY, "s3", "us-east-1").add_auth(presigned)
    assert find_signer("", presigned.url.partition("?")[2]) == ("SyncFunction", "s3")
    assert find_signer("Bearer key", "limit=1") is None


def test_requests_are_signed_with_the_name_of_their_function():
    def signers():
        return KEY.get_frozen_credentials().access_key, Credentials("own", "").get_frozen_credentials().access_key

    with SigningThreadPool(1) as threads, ThreadPoolExecutor(1) as other_threads:
        with signing_as("ApiFunction"):
            with signing_as("QueueFunction"):
                in_a_thread = threads.submit(signers).result()
            here, in_another_thread = signers(), other_threads.submit(signers).result()
        afterwards = signers(), threads.submit(signers).result()
    assert (here, in_a_thread) == (("ApiFunction", "own"), ("QueueFunction", "own"))
    assert in_another_thread == ("SyncFunction", "own")
    assert afterwards == (("SyncFunction", "own"),) * 2


# recording at a server ------------------------------------------------------------------------------------------------


def send(key, operation="PutItem", status="200", content=b"{}"):
    """Send a request through the recorder, and check that it changes neither the request nor the response."""
    body = json.dumps({"TableName": RECORDINGS}).encode()
    received = []

    def application(environ, start_response):
        received.append(environ["wsgi.input"].read())
        start_response(status, [])
        return [content]

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "HTTP_X_AMZ_TARGET": f"DynamoDB_20120810.{operation}",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={key}/20261128/us-east-1/dynamodb/aws4_request, …",
    }
    response = b"".join(watch.record_requests(application)(environ, lambda *_: None))
    assert (received, response) == ([body], content)


PUT_ITEM = {UsedPermission("QueueFunction", "dynamodb:PutItem", TABLE): 1}


@pytest.mark.parametrize(
    ("key", "request_", "used", "unknown_requests"),
    [
        ("QueueFunction", {}, PUT_ITEM, set()),
        ("QueueFunction", {"status": "400", "content": b"ConditionalCheckFailedException"}, PUT_ITEM, set()),
        ("QueueFunction", {"status": "400", "content": b"...#ResourceNotFoundException"}, {}, set()),
        ("local", {}, {}, set()),  # the test's own client
        ("QueueFunction", {"operation": "ExecuteStatement"}, {}, {"QueueFunction: dynamodb: ExecuteStatement"}),
    ],
)
def test_requests_of_functions_are_recorded_at_the_server(monkeypatch, key, request_, used, unknown_requests):
    monkeypatch.setattr(watch, "used", Counter())
    monkeypatch.setattr(watch, "unknown_requests", set())
    send(key, **request_)
    assert (watch.used, watch.unknown_requests) == (used, unknown_requests)


# comparison -----------------------------------------------------------------------------------------------------------

POLICY = {
    "Sync": [
        statement(),
        parse_statement({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:::q"}),
    ]
}
GET, SEND = (
    UsedPermission("Sync", "s3:GetObject", "arn:aws:s3:::calls/…"),
    UsedPermission("Sync", "sqs:SendMessage", "arn:aws:sqs:::q"),
)
BY_LAMBDA = {("Sync", "sqs:SendMessage"): "Lambda itself"}


@pytest.mark.parametrize(
    ("used", "excepted", "missing", "unused"),
    [
        ({GET: 3}, BY_LAMBDA, "", ""),
        ({GET: 1, SEND: 1, UsedPermission("Sync", "s3:PutObject", "arn:aws:s3:::calls/…"): 2}, {}, "s3:PutObject", ""),
        ({GET: 1}, {}, "", "sqs:SendMessage on q"),
        ({GET: 1, SEND: 1}, BY_LAMBDA, "", "an exception"),
        ({GET: 1, SEND: 1}, {("Sync", "Gone"): "a reason"}, "", "does not exist"),
    ],
    ids=["correct", "missing", "unused", "used exception", "exception without a statement"],
)
def test_missing_and_unused_permissions_and_wrong_exceptions_are_found(used, excepted, missing, unused):
    comparison = compare(POLICY, used, excepted)
    for problems, expected in ((comparison.missing, missing), (comparison.unused, unused)):
        assert [expected in problem for problem in problems] == [True] * bool(expected)
    counts = {row.grant.action: (row.count, row.reason) for row in comparison.rows}
    assert counts["s3:GetObject"] == (used[GET], "")
    assert counts["sqs:SendMessage"] == (used.get(SEND, 0), excepted.get(("Sync", "sqs:SendMessage"), ""))


def report(file, when="call", outcome="passed"):
    return pytest.TestReport(f"{file}::test_it", (file, 1, "test_it"), {}, outcome, None, when)


UNRECORDED = [report(file, "setup", "skipped") for file in plugin.UNRECORDED]
ALL_RAN = [report("tests/test_a.py"), report("tests/test_b.py"), *UNRECORDED]
NEVER = "ExecuteStatement"  # no function may do this


@pytest.mark.parametrize(
    ("reports", "action", "passes", "recorded"),
    [
        pytest.param(ALL_RAN, "GetItem", False, True, id="unused after all tests"),
        pytest.param(ALL_RAN, NEVER, False, True, id="missing after all tests"),
        pytest.param(ALL_RAN[1:], "GetItem", True, False, id="unused by some files"),
        pytest.param(ALL_RAN[1:], NEVER, False, False, id="missing after some files"),
        pytest.param([*ALL_RAN, report("tests/test_b.py", "setup", "skipped")], "GetItem", True, False, id="skipped"),
        pytest.param([*ALL_RAN, report("tests/test_b.py", "call", "skipped")], "GetItem", True, False, id="in a test"),
        pytest.param([], None, True, False, id="collected only"),
    ],
)
def test_unused_permissions_fail_a_run_of_all_tests_and_missing_ones_fail_any_run(
    tmp_path, monkeypatch, reports, action, passes, recorded
):
    monkeypatch.setattr(plugin, "LAST_RUN", tmp_path / "made" / "permissions.json")
    monkeypatch.setattr(plugin, "_all_files", lambda: {"tests/test_a.py", "tests/test_b.py", *plugin.UNRECORDED})
    monkeypatch.setattr(watch, "used", Counter())
    node: Any = SimpleNamespace(workeroutput={})
    session: Any = SimpleNamespace(config=SimpleNamespace(), exitstatus=pytest.ExitCode.OK)
    worker = plugin.Permissions(node)
    if action:
        watch.used[UsedPermission("QueueFunction", f"dynamodb:{action}", TABLE)] += 2
    worker.pytest_sessionfinish(session, session.exitstatus)
    watch.used.clear()

    run = plugin.Permissions(session.config)
    for test_report in reports:
        run.pytest_runtest_logreport(test_report)
    run.pytest_testnodedown(node)
    run.pytest_sessionfinish(session, session.exitstatus)
    assert (session.exitstatus == pytest.ExitCode.OK) is passes
    assert plugin.LAST_RUN.exists() is recorded


# the template ---------------------------------------------------------------------------------------------------------


def test_template_grants_permissions_only_in_roles():
    assert granted.other_iam_resource_types() == set()
    assert granted.managed() == exceptions.ATTACHED


@pytest.mark.parametrize("name", sorted(granted.functions()))
def test_code_uses_only_logs_and_traces_of_sams_managed_policies(name):
    managed_policies = json.loads(aws_managed_policies_data)
    attached = [
        parse_statement({**managed, "Sid": policy})
        for policy in exceptions.ATTACHED[name]
        for managed in managed_policies[policy]["Document"]["Statement"]
    ]
    statements = [*granted.statements()[name], *attached]
    actions = {action for managed in attached for action in managed.actions}
    context = {"lambda:SourceFunctionArn": granted.named_arn("lambda", f"function:{name}")}
    allowed = {action for action in actions if find_grants(statements, action, "*", context)}
    assert {action.partition(":")[0] for action in allowed} == {"logs", "xray"}
    for_lambda = {action for action in actions if find_grants(statements, action, "*")}
    assert for_lambda == actions - {"logs:CreateLogGroup"}  # or logs that arrive late would undo `sam delete`


def test_permissions_page_lists_every_grant_and_managed_policy_and_no_others():
    expected = {
        (name, grant.action, short(grant.resource))
        for name, statements in granted.statements().items()
        for statement in statements
        for grant in statement.grants
    }
    documented = set()
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        if name not in granted.functions():
            continue
        for actions, resources in re.findall(r"^\| (`.+?) \| (`.+?) \|", section, re.MULTILINE):
            pairs = product(re.findall("`(.+?)`", actions), re.findall("`(.+?)`", resources))
            documented |= {(name, *pair) for pair in pairs}
    assert documented == expected
    assert set(re.findall(r"`(AWS[A-Za-z]+)`", PAGE)) == exceptions.MANAGED.keys()
