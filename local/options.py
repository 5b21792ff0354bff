"""The options that set parameters of the template, `--set` among them, and which option to correct after an error.

Messages of the layer use the setting's name on the admin page; docs/api.md has all of its names.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from callscribe.settings import call_recordings, environment
from callscribe.settings.certificates import ca_certificates
from callscribe.settings.whisperx import Credentials, credential_errors
from functions.api.schedule import parse_schedule
from local import LocalError
from local.build import ROOT
from local.cloud.template import ParameterError, parameter_values

TEMPLATE = ROOT / "template.yaml"
ANY_URL = "http://127.0.0.1:9"
"""Stands for the URL of the built-in recogniser, which has yet to start, in checks of the parameters."""

PARAMETERS = {
    "WhisperXUrl": "--whisperx",
    "WhisperXDialect": "--dialect",
    "WhisperXApiKey": "--api-key",
    "WhisperXLanguage": "--language",
    "WhisperXModel": "--model",
    "WhisperXOptions": "--options",
    "Channels": "--channels",
    "PhoneSystem": "--phone-system",
}
"""The option that sets a parameter."""

NO_EFFECT = {
    *("EfsAccessPoint", "EfsMountPath", "Subnets", "SecurityGroups", "RecordingsKmsKeyArn"),
    *("ApiRateLimit", "ApiBurstLimit", "DeleteRecordingsAfterDays", "LogRetentionDays", "Architecture"),
    *("Monitoring", "AlarmEmail", "AlarmQueueAgeMinutes", "AlarmFailedRecordings", "AlarmNoSuccessSeconds"),
}
"""Parameters of what the local stack lacks: a VPC, EFS, KMS, API limits, lifecycle rules, log groups, alarms."""

OPTIONS_BY_ERROR_CODE = {
    "service_unavailable": ("--whisperx",),
    "service_down": ("--whisperx",),
    "invalid_response": ("--whisperx", "--dialect", "--options"),
    "wrong_settings": ("--whisperx", "--dialect", "--options"),
    "authentication_failed": ("--api-key", "--header"),
    "endpoint_not_found": ("--whisperx", "--dialect", "--model"),
    "certificate": ("--ca", "--whisperx"),
    "not_whisperx": ("--whisperx",),
    "wrong_dialect": ("--dialect",),
    "model_not_found": ("--model",),
    "invalid_options": ("--language", "--model", "--options"),
}
"""The options to correct, by error code."""


def parse_headers(texts: Iterable[str], api_key: str) -> dict[str, str]:
    """Parse `NAME=VALUE` or `NAME: VALUE`. Raises: LocalError, without the values, when they cannot be sent."""
    pairs = [re.split(r"\s*[=:]\s*", text.strip(), maxsplit=1) for text in texts]
    headers = {pair[0]: pair[-1] if len(pair) > 1 else "" for pair in pairs}
    errors = credential_errors(Credentials("" if api_key == "none" else api_key, headers))
    if problem := errors.get("headers"):
        raise LocalError(f"--header {problem}")
    return headers


def parse_settings(texts: Iterable[str]) -> dict[str, str]:
    """Parse the values of `--set`, each `NAME=VALUE`. Raises: LocalError, when a name is unknown or given twice."""
    declarations = _read_template()["Parameters"]
    settings: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise LocalError(f"--set {name}: write NAME=VALUE, such as --set MaxAttempts=3.")
        if name not in declarations:
            raise LocalError(f"--set {name}: the template has no such parameter.{_suggest(name, declarations)}")
        if name == "RecordingsPath":
            raise LocalError("--set RecordingsPath: use --samples or --recordings, which say where the recordings are.")
        if name in settings:
            raise LocalError(f"--set {name} is given twice.")
        settings[name] = value
    return settings


def check_parameters(parameters: Mapping[str, str]) -> None:
    """Check parameters as the functions and CloudFormation do, before anything starts.

    Raises: ParameterError, when a value is not allowed; ValueError, when a rule of the template is violated.
    """
    for name in sorted(parameters.keys() & VALIDATORS.keys()):
        if reason := VALIDATORS[name](parameters[name]):
            raise ParameterError(name, reason)
    parameter_values(_read_template(), {"WhisperXUrl": ANY_URL, **parameters})


@cache
def _read_template() -> Mapping[str, Any]:
    template: Mapping[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))
    return template


def _validate_extensions(value: str) -> str | None:
    return call_recordings.VALIDATORS["extensions"](call_recordings.normalise_extensions(value.split()))


def _validate_schedule(value: str) -> str | None:
    try:
        parse_schedule(value)
    except ValueError as error:
        return f"is not valid: {error}"
    return None


VALIDATORS: Mapping[str, Callable[[str], str | None]] = {
    "TimeZone": environment.time_zone,
    "AudioExtensions": _validate_extensions,
    "WhisperXUrl": environment.http_url,
    "WhisperXOptions": environment.query_string,
    **dict.fromkeys(("SyncSchedule", "QueueSchedule", "ProcessSchedule"), _validate_schedule),
}
"""Parameters that the functions check more closely than the template can. Each returns what is wrong with a value."""


def merge_settings(parameters: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Add the parameters of `--set` to those of other options. Raises: LocalError, when both set the same one."""
    for name in sorted(parameters.keys() & settings.keys()):
        raise LocalError(f"{PARAMETERS[name]} and --set {name} set the same parameter. Use one of them.")
    return {**parameters, **settings}


def effect_remarks(settings: Mapping[str, str]) -> list[str]:
    """Name the parameters of `--set` that are valid, but have no effect here."""
    return [f"{name} has no effect in the local stack." for name in settings if name in NO_EFFECT]


def _suggest(name: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    matches = get_close_matches(name.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[matches[0]]}?" if matches else " docs/configuration.md lists all."


def read_ca_certificates(path: Path) -> str:
    """Read the file of the option --ca. Raises: LocalError, when it has no usable certificate."""
    try:
        pem = path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise LocalError(f"--ca {path}: cannot read it: {error.strerror}") from error
    if problem := ca_certificates(pem) if pem else "is empty":
        raise LocalError(f"--ca {path}: {problem}")
    return pem


def describe_error(error: Mapping[str, str]) -> str:
    """Return the message of an API error, with the options to correct."""
    options = OPTIONS_BY_ERROR_CODE.get(error["code"])
    return f"{error['message']} (See {', '.join(options)}.)" if options else error["message"]
