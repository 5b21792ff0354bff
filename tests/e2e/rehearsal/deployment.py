"""The commands that deploy and delete the stack: those of docs/deploy.md, with a copy of samconfig.toml."""

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence

from local.build import ARCHITECTURE, ROOT
from tests.e2e.rehearsal.ministack import Ministack
from tests.e2e.terminal import Terminal

STACK_NAME = "callscribe"
"""The stack of the stage `default` in samconfig.example.toml."""

KEY_QUESTION = "Parameter WhisperXApiKey"
"""The only question whose answer is hidden."""

LIMIT_SECONDS = 900.0
"""How long to wait for a question, or for the end of a command: far longer than on the slowest machine."""

QUICK = {
    "QueueSchedule": "rate(1 minute)",
    "ProcessSchedule": "rate(1 minute)",
    "ProcessIntervalSeconds": "10",
    "RecordingsPerRun": "6",
}
"""Parameters with which recordings are transcribed soon."""


CONFIRM = ("Deploy this changeset?", "y")


def guided_answers(url: str, key: str) -> list[tuple[str, str]]:
    """Return the questions of the first deployment, with the answers of docs/deploy.md."""
    return [
        ("Stack Name", ""),
        ("AWS Region", ""),
        ("Parameter WhisperXUrl", url),
        ("Parameter WhisperXDialect", ""),
        (KEY_QUESTION, key),
        ("Confirm changes before deploy", ""),
        ("Allow SAM CLI IAM role creation", ""),
        ("Disable rollback", ""),
        ("ApiFunction has no authentication", "y"),
        ("Save arguments to configuration file", ""),
        ("SAM configuration file", ""),
        ("SAM configuration environment", ""),
        CONFIRM,
    ]


class Deployer:
    """Runs the commands in a terminal, where answers are typed. Each returns its exit status and output."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack
        self._config = ministack.folder / "samconfig.toml"
        shutil.copy(ROOT / "samconfig.example.toml", self._config)

    def make_deploy(self, answers: Sequence[tuple[str, str]], parameters: Mapping[str, str]) -> tuple[int, str]:
        """Run `make deploy`, which builds the functions first."""
        options = shlex.join(self._options(parameters))
        return self._run(["make", "deploy", f"ARCHITECTURE={ARCHITECTURE}", f"ARGS={options}"], answers)

    def deploy(
        self, answers: Sequence[tuple[str, str]], parameters: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Deploy what is built, with the command that `make deploy` runs after the build."""
        return self._run(
            [".venv-sam/bin/python", "-m", "deployment", "deploy", *self._options(parameters or {})], answers
        )

    def delete(self) -> tuple[int, str]:
        """Run `sam delete`, and answer its questions with yes."""
        command = [".venv-sam/bin/sam", "delete", "--stack-name", STACK_NAME, "--config-file", str(self._config)]
        return self._run(
            command,
            [("Are you sure you want to delete the stack", "y"), ("Are you sure you want to delete the folder", "y")],
        )

    def saved_configuration(self) -> str:
        """Return the content of samconfig.toml."""
        return self._config.read_text(encoding="utf-8")

    def change_parameter(self, name: str, value: str) -> None:
        """Set a parameter in samconfig.toml, as a user does in an editor."""
        before = self.saved_configuration()
        after = re.sub(
            r'^(parameter_overrides = ".*)"$', rf'\1 {name}=\\"{value}\\""', before, count=1, flags=re.MULTILINE
        )
        assert after != before, f"no parameter_overrides in:\n{before}"
        self._config.write_text(after, encoding="utf-8")

    def _options(self, parameters: Mapping[str, str]) -> list[str]:
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        return ["--config-file", str(self._config), *(("--parameter-overrides", *overrides) if overrides else ())]

    def _run(self, command: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        environment = self._ministack.environment()
        with Terminal(command, ROOT, environment, limit_seconds=LIMIT_SECONDS) as terminal:
            for question, answer in answers:
                terminal.answer(question, answer, hidden=question == KEY_QUESTION)
            return terminal.exit_status(), terminal.text
