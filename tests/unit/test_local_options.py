"""`--set` sets any parameter of the template, with the checks of CloudFormation."""

import re
import sys
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from local import LocalError
from local.__main__ import main
from local.cloud.intrinsics import Intrinsics
from local.cloud.stack import pseudo_parameters
from local.cloud.template import (
    FUNCTION,
    RULE,
    SECRET,
    ParameterError,
    check_parameter,
    parameter_values,
    read_template,
    resolve_resources,
)
from local.options import NO_EFFECT, PARAMETERS, check_parameters, effect_remarks, merge_settings, parse_settings

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
DECLARATIONS = yaml_parse(TEMPLATE.read_text())["Parameters"]
URL = {"WhisperXUrl": "http://127.0.0.1:9"}
VALUES = {
    "PhoneSystem": "yeastar",
    "TimeZone": "Europe/Berlin",
    "AudioExtensions": "wav",
    "WhisperXUrl": "http://other.test",
    "WhisperXLanguage": "de",
    "WhisperXModel": "base",
    "WhisperXOptions": "a=b&c=d",
    "WhisperXApiKey": "key",
    "CorsOrigins": "https://intranet.example.com",
    "AlarmEmail": "it@example.com",
    **dict.fromkeys(("SyncSchedule", "QueueSchedule", "ProcessSchedule"), "rate(2 minutes)"),
    "EfsMountPath": "/mnt/other",
    "RecordingsKmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/0",
}
"""A valid value, not the default, of each parameter that no rule of its type provides."""
IN_VPC = {
    "EfsAccessPoint": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0",
    "Subnets": "subnet-0123abcd",
    "SecurityGroups": "sg-0123abcd",
}
"""Parameters that must be set together."""


def other_value(name):
    declaration = DECLARATIONS[name]
    if name in VALUES:
        return VALUES[name]
    if allowed := declaration.get("AllowedValues"):
        return str(next(value for value in allowed if value != declaration["Default"]))
    return str(declaration["Default"] + 1)


def deployed_settings(parameters):
    """What the local stack makes of the parameters: environments, schedules and secrets."""
    template = read_template(TEMPLATE, URL | parameters)
    values = parameter_values(template, URL | parameters) | pseudo_parameters("callscribe", "123456789012")
    intrinsics = Intrinsics(template, values, lambda logical_id, _: logical_id)
    functions = resolve_resources(template, intrinsics, FUNCTION)
    return (
        {name: properties["Environment"] for name, properties in functions.items()},
        resolve_resources(template, intrinsics, RULE),
        resolve_resources(template, intrinsics, SECRET),
    )


def test_parameters_without_effect_change_no_environment_schedule_or_secret():
    parameters = {name: other_value(name) for name in NO_EFFECT - IN_VPC.keys()}
    assert deployed_settings(parameters) == deployed_settings({})


@pytest.mark.slow
def test_parameters_without_effect_are_those_that_change_no_environment_schedule_or_secret():
    default = deployed_settings({})
    parameters = DECLARATIONS.keys() - {"RecordingsPath", *IN_VPC}
    unchanged = {name for name in parameters if deployed_settings({name: other_value(name)}) == default}
    assert unchanged | IN_VPC.keys() == NO_EFFECT


def test_documentation_lists_the_parameters_without_effect():
    text = (TEMPLATE.parent / "docs" / "configuration.md").read_text().partition("## Try a parameter")[2]
    sentence = text.partition("no effect in the local stack:")[2].partition(".")[0]
    assert set(re.findall("`(.+?)`", sentence)) == NO_EFFECT


def test_any_parameter_can_be_set():
    texts = [f"{name}={other_value(name)}" for name in DECLARATIONS if name not in {"RecordingsPath", *IN_VPC}]
    settings = parse_settings(texts)
    check_parameters(settings)
    assert settings["WhisperXOptions"] == "a=b&c=d"
    assert len(settings) == len(texts)
    assert parse_settings(["WhisperXModel="]) == {"WhisperXModel": ""}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["MaxAttempt=3"], "Did you mean MaxAttempts?"),
        (["whisperxurl=http://a"], "Did you mean WhisperXUrl?"),
        (["Nonsense=1"], "docs/configuration.md lists all"),
        (["MaxAttempts"], "write NAME=VALUE"),
        (["MaxAttempts=1", "MaxAttempts=2"], "twice"),
        (["RecordingsPath=s3://bucket/"], "--recordings"),
    ],
)
def test_invalid_setting_is_explained(texts, message):
    with pytest.raises(LocalError, match=message.replace("?", r"\?")):
        parse_settings(texts)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MaxAttempts=0", "must be at least 1"),
        ("MaxAttempts=101", "must be at most 100"),
        ("MaxAttempts=many", "must be a whole number"),
        ("MaxAttempts=", "must be a whole number"),
        ("MaxAttempts=1.5", "must be a whole number"),
        ("WhisperXDialect=klingon", "must be one of asr, tasks, openai"),
        ("ProcessIntervalSeconds=61", "must be one of 60, 30, 20, 15, 10"),
        ("WhisperXApiKey=a b", DECLARATIONS["WhisperXApiKey"]["ConstraintDescription"]),
        ("Subnets=subnet-0123abcd,x", DECLARATIONS["Subnets"]["ConstraintDescription"]),
        ("EfsMountPath=/mnt/" + "x" * 200, DECLARATIONS["EfsMountPath"]["ConstraintDescription"]),
    ],
)
def test_value_that_cloudformation_refuses_is_refused(text, reason):
    with pytest.raises(ParameterError) as raised:
        check_parameters(parse_settings([text]))
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("TimeZone=Nowhere/City", "such as Europe/Berlin"),
        ("TimeZone=Europe", "such as Europe/Berlin"),
        ("AudioExtensions=wav part", "cannot contain part"),
        ("AudioExtensions=averyverylongone", "must be file extensions"),
        ("WhisperXUrl=host:9000", "must be a URL"),
        ("WhisperXUrl=http://a..b", "must be a URL"),
        ("WhisperXOptions=device", "must be options like"),
        ("SyncSchedule=cron(99 * * * ? *)", "Bad minute"),
        ("QueueSchedule=rate(2 minute)", "'rate(2 minutes)'"),
        ("ProcessSchedule=now", "neither cron"),
    ],
)
def test_value_that_only_the_functions_refuse_is_refused_too(text, reason):
    """Before anything starts: the template's patterns accept some of these."""
    with pytest.raises(ParameterError) as raised:
        check_parameters(parse_settings([text]))
    assert reason in raised.value.reason


@pytest.mark.parametrize("name", DECLARATIONS)
def test_every_parameter_refuses_nonsense(name):
    with pytest.raises(ParameterError):
        check_parameters({name: "\n?"})


def test_violated_rule_of_the_template_is_refused():
    with pytest.raises(ValueError, match="Subnets is set but SecurityGroups is empty"):
        check_parameters({"Subnets": IN_VPC["Subnets"]})


def test_length_of_a_text_is_checked():
    with pytest.raises(ParameterError, match="at most 3 characters"):
        check_parameter("Name", "four", {"Type": "String", "MaxLength": 3})


@pytest.mark.parametrize("name", PARAMETERS)
def test_option_and_set_must_not_set_the_same_parameter(name):
    with pytest.raises(LocalError, match=f"{PARAMETERS[name]} and --set {name}"):
        merge_settings({name: "a"}, {name: "b"})
    assert merge_settings({name: "a"}, {"LogLevel": "DEBUG"}) == {name: "a", "LogLevel": "DEBUG"}


def test_parameters_without_effect_are_mentioned():
    assert effect_remarks({"LogLevel": "DEBUG"}) == []
    (remark,) = effect_remarks({"AlarmEmail": "it@example.com"})
    assert "AlarmEmail has no effect" in remark


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--samples", "--set", "MaxAttempts=0"], "--set MaxAttempts must be at least 1"),
        (["up", "--samples", "--dialect", "asr", "--set", "WhisperXDialect=tasks"], "--dialect and --set"),
        (["sam", "--set", "WhisperXApiKey=a b"], "--set WhisperXApiKey must be printable"),
        (["up", "--samples", "--set", "TimeZone=Nowhere/City"], "--set TimeZone must be the name of a time zone"),
        (["up", "--samples", "--phone-system", "nortel"], "--phone-system must be one of"),
        (["up", "--samples", "--language", "English"], "--language must be empty or a language code"),
        (["up", "--samples", "--set", "WhisperXUrl=http://a", "--recogniser", "whisper"], "leave them out"),
        (["up", "--samples", "--whisperx", "http://a", "--recogniser", "pocketsphinx"], "leave them out"),
        (["up", "--recordings", ".", "--broken"], "--broken needs --samples"),
        (["up", "--recordings", __file__], "this is a file"),
        (["up", "--recordings", "s3://bucket/"], "needs --aws-endpoint"),
        (["up", "--samples", "--whisperx", "host:9000"], "--whisperx must be a URL"),
        (["up", "--samples", "--dialect", "klingon"], "invalid choice"),
        (["up", "--samples", "--json", "/no/folder/out.json"], "does not exist"),
        (["up", "--samples", "--port", "99999"], "must be a number below 65536"),
        (["up", "--samples", "--json", "/"], "this is a folder"),
        (["up", "--samples", "--api-key", 'a"b'], "--api-key must be printable ASCII"),
        (["up", "--samples", "--ca", __file__], "certificates in PEM format"),
        (["up", "--samples", "--ca", "/no/file.pem"], "cannot read it"),
        (["up", "--samples", "--header", "Host: a"], "--header must not contain host"),
        (["up", "--samples", "--header", "X-API-Key"], "--header must have values"),
        (["up", "--samples", "--api-key", "a", "--header", "Authorization=b"], "together with an API key"),
        (["up", "--recordings", "~nobody-of-this-name/calls"], "home directory"),
    ],
)
def test_command_names_the_option_to_correct(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr("local.__main__.signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as raised:
        sys.exit(main(arguments))  # argparse exits by itself
    assert raised.value.code == 2
    assert message in capsys.readouterr().err
