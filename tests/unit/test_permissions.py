"""How tests/permissions finds out what the functions need and what they may, and what holds of the template anyway."""

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
from tests.permissions.calls import Call, Request, UnknownRequestError, permissions, signed_by
from tests.permissions.iam import Grant, UnsupportedStatementError, allowing, statement_of
from tests.permissions.verdict import judge, short

PAGE = (Path(__file__).parents[2] / "docs/permissions.md").read_text()
TABLE = granted.named_arn("dynamodb", "table/RecordingsTable")
KEY = Credentials("SyncFunction", "local", method="env")


def statement(effect="Allow", action="s3:GetObject", resource="arn:aws:s3:::calls/*", **more):
    return statement_of({"Sid": effect, "Effect": effect, "Action": action, "Resource": resource, **more})


# what a statement allows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "resource", "fits"),
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
def test_a_resource_is_meant_by_its_whole_name_or_by_a_pattern_of_it(pattern, resource, fits):
    assert bool(allowing([statement(resource=pattern)], "s3:GetObject", resource)) is fits


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [("s3:GetObject", True), ("s3:getobject", True), ("s3:Get*", True), ("*", True), ("s3:GetObjectVersion", False)],
)
def test_an_action_is_meant_in_any_case_of_its_letters(pattern, allowed):
    assert bool(allowing([statement(action=pattern)], "s3:GetObject", "arn:aws:s3:::calls/a")) is allowed


def test_a_grant_is_what_of_a_statement_was_needed_and_nothing_where_another_one_denies_it():
    both = statement(action=["s3:GetObject", "s3:PutObject"], resource=["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"])
    assert allowing([both], "s3:PutObject", "arn:aws:s3:::b/1") == {Grant("Allow", "s3:PutObject", "arn:aws:s3:::b/*")}
    assert len(list(both.grants)) == 4
    denied = statement("Deny", action="s3:*", resource="*")
    assert allowing([both, denied], "s3:PutObject", "arn:aws:s3:::b/1") == set()
    assert list(denied.grants) == []


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:*:123456789012:function:*"}}, True),
        ({"ArnLike": {"lambda:SourceFunctionArn": "arn:*:function:*"}}, False),  # a star ends at a colon
        ({"StringEquals": {"lambda:SourceFunctionArn": ["another", granted.named_arn("lambda", "function:a")]}}, True),
        ({"StringEquals": {"elasticfilesystem:AccessPointArn": "any"}}, False),  # our calls come without that key
    ],
)
def test_a_statement_counts_where_its_condition_holds(condition, holds):
    context = {"lambda:SourceFunctionArn": granted.named_arn("lambda", "function:a")}
    allowed = allowing([statement(Condition=condition)], "s3:GetObject", "arn:aws:s3:::calls/a", context)
    assert bool(allowed) is holds
    denied = [statement(), statement("Deny", Condition=condition)]
    assert bool(allowing(denied, "s3:GetObject", "arn:aws:s3:::calls/a", context)) is not holds


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
def test_a_statement_that_is_not_understood_is_an_error(more):
    with pytest.raises(UnsupportedStatementError):
        statement_of({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | more)


# what a request asks for ----------------------------------------------------------------------------------------------


def targeted(service, operation, **asked) -> tuple[str, Request]:
    return service, Request("POST", "/", target=f"Version.{operation}", body=json.dumps(asked).encode())


def dynamodb(operation, **asked) -> tuple[str, Request]:
    return targeted("dynamodb", operation, **asked)


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
def test_a_request_asks_for_an_action_on_what_it_names(request_: tuple[str, Request], needed):
    assert permissions(*request_, 200) == needed


def test_to_be_told_that_an_object_is_gone_one_must_be_allowed_to_list_its_bucket():
    needed = {("s3:GetObject", f"{BUCKET}/transcripts/…")}
    path = "/callscribe-transcriptsbucket-1/transcripts/a"
    assert permissions(*s3("HEAD", path), 404) == needed | {("s3:ListBucket", BUCKET)}
    assert permissions(*s3("GET", path, X_Amz_Signature="0"), 404) == needed


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
def test_a_request_that_is_not_known_is_an_error(request_: tuple[str, Request]):
    with pytest.raises(UnknownRequestError):
        permissions(*request_, 200)


def test_who_signed_stands_in_the_header_or_in_the_address():
    request = AWSRequest("GET", "http://127.0.0.1/bucket/key")
    SigV4Auth(KEY, "s3", "us-east-1").add_auth(request)
    assert signed_by(request.headers["Authorization"], "") == ("SyncFunction", "s3")
    address = AWSRequest("GET", "http://127.0.0.1/bucket/key")
    S3SigV4QueryAuth(KEY, "s3", "us-east-1").add_auth(address)
    assert signed_by("", address.url.partition("?")[2]) == ("SyncFunction", "s3")
    assert signed_by("Bearer key", "limit=1") is None


def test_a_handler_signs_with_its_name_and_so_do_its_threads_while_the_tests_keep_theirs():
    def signs():
        return KEY.get_frozen_credentials().access_key, Credentials("own", "").get_frozen_credentials().access_key

    with SigningThreadPool(1) as threads, ThreadPoolExecutor(1) as strangers:
        with signing_as("ApiFunction"):
            with signing_as("QueueFunction"):
                in_a_thread = threads.submit(signs).result()
            here, in_a_strange_thread = signs(), strangers.submit(signs).result()
        afterwards = signs(), threads.submit(signs).result()
    assert (here, in_a_thread) == (("ApiFunction", "own"), ("QueueFunction", "own"))
    assert in_a_strange_thread == ("SyncFunction", "own")
    assert afterwards == (("SyncFunction", "own"),) * 2


# what a server sees ---------------------------------------------------------------------------------------------------


def send(key, operation="PutItem", answer="200", says=b"{}"):
    """Past the watch to an application that gets and answers all as it is."""
    body = json.dumps({"TableName": RECORDINGS}).encode()
    got = []

    def application(environ, start_response):
        got.append(environ["wsgi.input"].read())
        start_response(answer, [])
        return [says]

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "HTTP_X_AMZ_TARGET": f"DynamoDB_20120810.{operation}",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={key}/20261128/us-east-1/dynamodb/aws4_request, …",
    }
    answered = b"".join(watch.watching(application)(environ, lambda *_: None))
    assert (got, answered) == ([body], says)


ASKED = {Call("QueueFunction", "dynamodb:PutItem", TABLE): 1}


@pytest.mark.parametrize(
    ("key", "request_", "seen", "not_understood"),
    [
        ("QueueFunction", {}, ASKED, set()),
        ("QueueFunction", {"answer": "400", "says": b"ConditionalCheckFailedException"}, ASKED, set()),
        ("QueueFunction", {"answer": "400", "says": b"...#ResourceNotFoundException"}, {}, set()),
        ("local", {}, {}, set()),  # a test itself
        ("QueueFunction", {"operation": "ExecuteStatement"}, {}, {"QueueFunction: dynamodb: ExecuteStatement"}),
    ],
)
def test_what_a_function_requests_is_seen_on_its_way_to_the_server(monkeypatch, key, request_, seen, not_understood):
    monkeypatch.setattr(watch, "seen", Counter())
    monkeypatch.setattr(watch, "not_understood", set())
    send(key, **request_)
    assert (watch.seen, watch.not_understood) == (seen, not_understood)


# the comparison -------------------------------------------------------------------------------------------------------

POLICY = {
    "Sync": [statement(), statement_of({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:::q"})]
}
GET, SEND = Call("Sync", "s3:GetObject", "arn:aws:s3:::calls/…"), Call("Sync", "sqs:SendMessage", "arn:aws:sqs:::q")
BY_LAMBDA = {("Sync", "sqs:SendMessage"): "Lambda itself"}


@pytest.mark.parametrize(
    ("seen", "excepted", "missing", "unused"),
    [
        ({GET: 3}, BY_LAMBDA, "", ""),
        ({GET: 1, SEND: 1, Call("Sync", "s3:PutObject", "arn:aws:s3:::calls/…"): 2}, {}, "s3:PutObject", ""),
        ({GET: 1}, {}, "", "sqs:SendMessage on q"),
        ({GET: 1, SEND: 1}, BY_LAMBDA, "", "an exception"),
        ({GET: 1, SEND: 1}, {("Sync", "Gone"): "a reason"}, "", "no such statement"),
    ],
    ids=["right", "missing", "unused", "exception that is used", "exception of nothing"],
)
def test_what_is_missing_unused_or_wrongly_excepted_is_found(seen, excepted, missing, unused):
    verdict = judge(POLICY, seen, excepted)
    for found, named in ((verdict.missing, missing), (verdict.unused, unused)):
        assert [named in each for each in found] == [True] * bool(named)
    times = {row.grant.action: (row.times, row.reason) for row in verdict.rows}
    assert times["s3:GetObject"] == (seen[GET], "")
    assert times["sqs:SendMessage"] == (seen.get(SEND, 0), excepted.get(("Sync", "sqs:SendMessage"), ""))


def report(file, when="call", outcome="passed"):
    return pytest.TestReport(f"{file}::test_it", (file, 1, "test_it"), {}, outcome, None, when)


UNWATCHED = [report(each, "setup", "skipped") for each in plugin.UNWATCHED]
ALL_RAN = [report("tests/test_a.py"), report("tests/test_b.py"), *UNWATCHED]
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
    monkeypatch.setattr(plugin, "_all_files", lambda: {"tests/test_a.py", "tests/test_b.py", *plugin.UNWATCHED})
    monkeypatch.setattr(watch, "seen", Counter())
    node: Any = SimpleNamespace(workeroutput={})
    session: Any = SimpleNamespace(config=SimpleNamespace(), exitstatus=pytest.ExitCode.OK)
    worker = plugin.Permissions(node)
    if action:
        watch.seen[Call("QueueFunction", f"dynamodb:{action}", TABLE)] += 2
    worker.pytest_sessionfinish(session, session.exitstatus)
    watch.seen.clear()

    run = plugin.Permissions(session.config)
    for each in reports:
        run.pytest_runtest_logreport(each)
    run.pytest_testnodedown(node)
    run.pytest_sessionfinish(session, session.exitstatus)
    assert (session.exitstatus == pytest.ExitCode.OK) is passes
    assert plugin.LAST_RUN.exists() is recorded


# what can be said of the template at any time -------------------------------------------------------------------------


def test_nothing_else_in_the_template_grants_anything_to_a_function():
    assert granted.other_ways_in() == set()
    assert granted.managed() == exceptions.ATTACHED


@pytest.mark.parametrize("name", sorted(granted.functions()))
def test_of_what_sam_attaches_our_code_is_left_logs_and_traces_and_lambda_the_network(name):
    known = json.loads(aws_managed_policies_data)
    attached = [
        statement_of({**each, "Sid": policy})
        for policy in exceptions.ATTACHED[name]
        for each in known[policy]["Document"]["Statement"]
    ]
    statements, given = [*granted.statements()[name], *attached], {each for one in attached for each in one.actions}
    ours = {"lambda:SourceFunctionArn": granted.named_arn("lambda", f"function:{name}")}
    left = {action for action in given if allowing(statements, action, "*", ours)}
    assert {action.partition(":")[0] for action in left} == {"logs", "xray"}
    assert {action for action in given if allowing(statements, action, "*")} == given


def test_the_page_lists_what_each_function_may_and_what_sam_attaches_and_nothing_else():
    may = {
        (name, grant.action, short(grant.resource))
        for name, statements in granted.statements().items()
        for statement in statements
        for grant in statement.grants
    }
    listed = set()
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        if name not in granted.functions():
            continue
        for actions, resources in re.findall(r"^\| (`.+?) \| (`.+?) \|", section, re.MULTILINE):
            pairs = product(re.findall("`(.+?)`", actions), re.findall("`(.+?)`", resources))
            listed |= {(name, *pair) for pair in pairs}
    assert listed == may
    assert set(re.findall(r"`(AWS[A-Za-z]+)`", PAGE)) == exceptions.MANAGED.keys()
