"""The stage to deploy: a section of samconfig.toml, with the arguments of the command line."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployment import DeploymentError, sam

KEY_VARIABLE = "WHISPERX_API_KEY"
"""The environment variable with the key of the WhisperX server: make and the shell change some characters in ARGS."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line overrides; None or empty where it is silent. `api_key` is from the environment."""

    stack_name: str | None = None
    region: str | None = None
    profile: str | None = None
    parameter_overrides: Sequence[str] = ()
    api_key: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """What to deploy, and where. `saved` are the parameters in samconfig.toml, `given` those of the command line."""

    name: str
    config_file: Path
    stack_name: str
    region: str | None = None
    profile: str | None = None
    saved: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters, with those of the command line taking precedence. SAM itself would ignore the saved ones."""
        return {**self.saved, **self.given}

    @property
    def options(self) -> list[str]:
        """The options for `sam` that select this stage."""
        options = ["--config-file", str(self.config_file), "--config-env", self.name, "--stack-name", self.stack_name]
        return [*options, *self.cli_options]

    @property
    def cli_options(self) -> list[str]:
        """The options for `sam` and for the AWS CLI that select account and region."""
        options = {"--region": self.region, "--profile": self.profile}
        return [text for option, value in options.items() if value for text in (option, value)]


def load_stage(name: str, config_file: Path, arguments: Arguments) -> Stage:
    """Read a stage from samconfig.toml.

    Raises: DeploymentError, when the file cannot be read, or has no such stage.
    """
    settings = _settings(name, config_file)
    stack_name = arguments.stack_name or settings.get("stack_name")
    if not stack_name:
        raise DeploymentError(
            f"{config_file} has no stack_name in [{name}.deploy.parameters]. Copy the section of another stage, and "
            "change its name, stack_name and s3_prefix: docs/deploy.md#stages"
        )
    return Stage(
        name=name,
        config_file=config_file,
        stack_name=stack_name,
        region=arguments.region or settings.get("region"),
        profile=arguments.profile or settings.get("profile"),
        saved=sam.parse_overrides(settings.get("parameter_overrides")),
        given={
            **({"WhisperXApiKey": arguments.api_key} if arguments.api_key else {}),
            **sam.parse_overrides([_quoted(text) for text in arguments.parameter_overrides] or None),
        },
    )


def _settings(name: str, config_file: Path) -> dict[str, Any]:
    """Return the options of `sam deploy` for the stage: those of all commands, overridden by its own."""
    try:
        document = tomllib.loads(config_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeploymentError(f"There is no {config_file}. Copy samconfig.example.toml to it.") from None
    except tomllib.TOMLDecodeError as error:
        raise DeploymentError(f"{config_file} is not valid TOML: {error}") from error
    section = document.get(name, {})
    return {
        **section.get("global", {}).get("parameters", {}),
        **section.get("deploy", {}).get("parameters", {}),
    }


def _quoted(text: str) -> str:
    """Return `NAME=VALUE`, quoted if the value is empty or has spaces. The shell has removed the user's marks."""
    name, is_one, value = text.partition("=")
    if not is_one or (value and " " not in value) or re.search(r"[\"']|\s\w+=", value):
        return text
    return f'{name}="{value}"'
