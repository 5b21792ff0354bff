"""The options that set parameters of the template, `--set` among them, and which option to correct after an error.

Messages of the layer use the setting's name on the admin page; docs/api.md has all of its names.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from callscribe.settings.certificates import ca_certificates
from callscribe.settings.whisperx import Credentials, credential_errors
from functions.api.schedule import parse_schedule
from local import LocalError
from local.build import ROOT
from local.cloud.template import check_parameter

TEMPLATE = ROOT / "template.yaml"

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
    *("AlarmEmail", "AlarmQueueAgeMinutes", "AlarmFailedRecordings", "AlarmNoSuccessSeconds"),
}
"""Parameters of what the local stack lacks: a VPC, EFS, KMS, API limits, lifecycle rules, log groups, alarms."""

OPTIONS_BY_ERROR_CODE = {
    "service_unavailable": ("--whisperx",),
    "service_down": ("--whisperx",),
    "invalid_response": ("--whisperx", "--dialect"),
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
    """Parse the values of `--set`, each `NAME=VALUE`, and check them against the template.

    Raises: LocalError, when a name is unknown or given twice; ParameterError, when a value is not allowed.
    """
    declarations: Mapping[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))["Parameters"]
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
        check_parameter(name, value, declarations[name])
        if name.endswith("Schedule"):
            _check_schedule(name, value)
        settings[name] = value
    return settings


def _check_schedule(name: str, value: str) -> None:
    try:
        parse_schedule(value)
    except ValueError as error:
        raise LocalError(f"--set {name}: {error}") from error


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
