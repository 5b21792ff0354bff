"""SAM CLI in this process. Only this module imports it, and only when needed: .venv-sam has it, .venv has not."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from deployment import DeploymentError

PROMPTS = "prompt_parameters"
PROMPTS_SIGNATURE = [
    "self",
    "parameter_override_from_template",
    "parameter_override_from_cmdline",
    "start_bold",
    "end_bold",
]

STACK_NAME, REGION = ANSWERED = ("Stack Name", "AWS Region")
"""What SAM calls the questions that are asked before it starts: the stack determines what else there is to ask."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Parameters to deploy, and the names of those that are not saved in samconfig.toml because they are secret."""

    values: Mapping[str, str]
    secret: frozenset[str]


def run(arguments: Iterable[str]) -> int:
    """Run `sam` with these arguments and return its exit status. Its output and its questions go to the terminal."""
    from samcli.cli.main import cli

    try:
        cli(list(arguments), prog_name="sam")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    return 0


def run_guided(arguments: Iterable[str], ask: Callable[[], Answers]) -> int:
    """Run `sam deploy --guided`, with `ask` in place of SAM's questions for every parameter of the template.

    SAM CLI has no option for that: it prompts for all parameters, accepts no empty secret, and does not check answers.
    So one private method is replaced, and the function that prompts for the stack and the region, which the arguments
    name already. requirements/sam.txt pins SAM CLI by its hash. Returns the exit status.

    Raises: DeploymentError, when this version of SAM CLI does not have that method.
    """
    import click
    from samcli.commands.deploy import guided_context
    from samcli.commands.deploy.guided_context import GuidedContext

    method = getattr(GuidedContext, PROMPTS, None)
    if method is None or list(signature(method).parameters) != PROMPTS_SIGNATURE:
        raise DeploymentError(
            f"This version of SAM CLI has another GuidedContext.{PROMPTS}, which make deploy replaces. "
            "Install the pinned version: rm -r .venv-sam && make deploy"
        )

    def prompt_parameters(_context: Any, *_: object) -> dict[str, dict[str, Any]]:
        answers = ask()
        return {
            name: {"Value": value, "Hidden": name in answers.secret}  # SAM does not save what is hidden
            for name, value in answers.values.items()
        }

    def prompt(text: str, **options: Any) -> Any:
        return options["default"] if any(name in text for name in ANSWERED) else click.prompt(text, **options)

    setattr(GuidedContext, PROMPTS, prompt_parameters)
    guided_context.prompt = prompt
    try:
        return run([*arguments, "--guided"])
    finally:
        setattr(GuidedContext, PROMPTS, method)
        guided_context.prompt = click.prompt


def parse_overrides(value: object) -> dict[str, str]:
    """Parse `--parameter-overrides` or `parameter_overrides` in samconfig.toml, in each form that SAM accepts.

    Raises: DeploymentError, when SAM would not accept it.
    """
    from click import UsageError
    from samcli.cli.types import CfnParameterOverridesType

    try:
        parsed: dict[str, str] = CfnParameterOverridesType().convert(value, None, None)
    except UsageError as error:
        raise DeploymentError(error.format_message()) from error
    return parsed


def format_overrides(values: Mapping[str, str]) -> list[str]:
    """Return the parameters as SAM writes them: `NAME="VALUE"`.

    Raises: DeploymentError, when SAM would read another value, which happens to one that ends with a backslash.
    """
    formatted = []
    for name, value in values.items():
        text = '{}="{}"'.format(name, value.replace('"', r"\""))
        try:
            is_same = parse_overrides([text]) == {name: value}
        except DeploymentError:
            is_same = False
        if not is_same:
            raise DeploymentError(f"SAM cannot pass this value of {name}.")
        formatted.append(text)
    return formatted


def save_parameters(config_file: Path, stage: str, values: Mapping[str, str]) -> None:
    """Replace the parameters of the stage in samconfig.toml, as `sam deploy --guided` does, with all else kept."""
    from samcli.lib.config.samconfig import SamConfig

    config = SamConfig(config_file.parent, config_file.name)
    config.put(["deploy"], "parameters", "parameter_overrides", " ".join(format_overrides(values)), env=stage)
    config.flush()


def read_template(path: Path) -> dict[str, Any]:
    """Read a template, with its short intrinsic functions such as `!Ref` in their long form.

    Raises: DeploymentError, when there is none.
    """
    from samcli.yamlhelper import yaml_parse

    try:
        template: dict[str, Any] = yaml_parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeploymentError(f"There is no {path}. Run make build first.") from None
    return template


def write_template(path: Path, template: Mapping[str, Any]) -> None:
    """Write a template as `sam build` writes it."""
    from samcli.yamlhelper import yaml_dump

    path.write_text(yaml_dump(template), encoding="utf-8")
