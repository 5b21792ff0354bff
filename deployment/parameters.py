"""Parameters of the template: which values CloudFormation accepts, and the prompts for three of them."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

from deployment import DeploymentError
from deployment.sam import Answers
from deployment.stage import Stage

Declarations = Mapping[str, Mapping[str, Any]]
"""The section `Parameters` of the template."""

API_KEY = "WhisperXApiKey"
PROMPTED_PARAMETERS = ("WhisperXUrl", "WhisperXDialect", API_KEY)
"""Parameters of the WhisperX server. The defaults of the others suit a first deployment."""

NO_KEY = "none"


def violation(declaration: Mapping[str, Any], value: str) -> str | None:
    """Return why CloudFormation would not accept the value, such as "must be asr or tasks"; None if it would."""
    allowed = [str(each) for each in declaration.get("AllowedValues", [])]
    pattern = declaration.get("AllowedPattern")
    items = value.split(",") if declaration["Type"] == "CommaDelimitedList" else [value]
    if allowed and value not in allowed:
        return str(declaration.get("ConstraintDescription") or f"must be one of {', '.join(filter(None, allowed))}.")
    if pattern and not all(re.fullmatch(pattern, item.strip()) for item in items):
        return str(declaration.get("ConstraintDescription", f"must match {pattern}"))
    if declaration["Type"] == "Number":
        minimum, maximum = declaration.get("MinValue", float("-inf")), declaration.get("MaxValue", float("inf"))
        if not re.fullmatch(r"-?\d+", value) or not float(minimum) <= int(value) <= float(maximum):
            return f"must be a whole number from {minimum} to {maximum}."
    return None


def check(declarations: Declarations, values: Mapping[str, str]) -> None:
    """Check values before anything is uploaded. SAM ignores names that the template does not have.

    Raises: DeploymentError, which names everything that is wrong, without the values: one may be a secret.
    """
    problems = []
    for name, value in values.items():
        if name not in declarations:
            similar = get_close_matches(name, declarations, n=1)
            hint = f" Did you mean {similar[0]}?" if similar else ""
            problems.append(f"The template has no parameter {name}.{hint}")
        elif problem := violation(declarations[name], value):
            problems.append(f"{name} {problem}")
    if problems:
        problems.append("Correct it in ARGS or in parameter_overrides of samconfig.toml: docs/configuration.md")
        raise DeploymentError("\n".join(problems))


def missing(stage: Stage) -> list[str]:
    """Return the names of the prompted parameters that neither samconfig.toml nor the command line sets."""
    return [name for name in PROMPTED_PARAMETERS if name not in stage.parameters]


def ask(
    declarations: Declarations, stage: Stage, values: Mapping[str, str], deployed: Mapping[str, str] | None
) -> Answers:
    """Prompt for each of these parameters that is not given on the command line.

    `values` are all parameters that are set so far. `deployed` are those of the existing stack, None if there is none.
    Its key is kept unless another one is entered: it may have been changed since, on the admin page or over the API.
    """
    answers = dict(values)
    for name in PROMPTED_PARAMETERS:
        if name in stage.given:
            continue
        default = stage.saved.get(name) or (deployed or {}).get(name) or declarations[name].get("Default")
        if name == API_KEY:
            if key := _prompt_for_key(declarations[name], is_saved=name in stage.saved, exists=deployed is not None):
                answers[name] = key
        else:
            answers[name] = _prompt(name, declarations[name], default=default)
    return Answers(answers, frozenset({API_KEY} - stage.saved.keys()))


def _prompt_for_key(declaration: Mapping[str, Any], *, is_saved: bool, exists: bool) -> str | None:
    """Return the key, "none", or None to keep the one that is saved or stored."""
    if is_saved:
        shown, kept = "as in samconfig.toml", None
    elif exists:
        click.echo("\t#The stored key is kept unless you enter another one. To remove it, use the admin page.")
        shown, kept = "unchanged", None
    else:
        shown, kept = NO_KEY, NO_KEY
    key = _prompt(API_KEY, declaration, shown=shown)
    return kept if key in ("", NO_KEY) else key


def _prompt(name: str, declaration: Mapping[str, Any], *, default: str | None = None, shown: str | None = None) -> str:
    """Prompt until the value is valid. With `shown` in place of a default, the input is hidden and can be empty."""
    click.echo(f"\t#{declaration['Description']}")
    text = click.style(f"\tParameter {name}", bold=True)
    while True:
        if shown is None:
            answer = click.prompt(text, default=default or None)
        else:
            answer = click.prompt(f"{text} [{shown}]", default="", show_default=False, hide_input=True)
        value = str(answer).strip()
        problem = violation(declaration, value)
        if problem is None:
            return value
        click.echo(f"\tError: {name} {problem}")
