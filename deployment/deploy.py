"""`make deploy`: `sam deploy`, guided whenever the stack does not exist, for example after it was deleted."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import click

from deployment import DeploymentError, parameters, sam
from deployment.build import DEFAULT_BUILD_DIR, TEMPLATE
from deployment.failed_stacks import PAGE, remove_failed_stack
from deployment.stacks import Account, DeployedStack, State, find_stack, format_outputs
from deployment.stage import KEY_VARIABLE, Stage

BUILT_TEMPLATE = DEFAULT_BUILD_DIR / "template.yaml"


def deploy(stage: Stage, *, guided: bool, architecture: str | None, interactive: bool, options: Sequence[str]) -> int:
    """Deploy the built functions, and print the outputs of the stack.

    `architecture` is None unless it was requested for this deployment. `interactive` is True if stdin is a terminal.
    `options` are passed to `sam deploy`. Returns the exit status.

    Raises: DeploymentError, before anything is deployed.
    """
    declarations = sam.read_template(BUILT_TEMPLATE)["Parameters"]
    values = _values(stage, declarations, architecture)
    parameters.check(declarations, values)
    account = Account(stage)
    stack = None if interactive and account.region is None else _existing_stack(account, stage, interactive=interactive)
    if interactive and (guided or stack is None):
        guided, stage = True, _choose_stack(stage, account)
        account = Account(stage)
        stack = _existing_stack(account, stage, interactive=interactive)
    if stack and not (architecture or "Architecture" in stage.parameters):
        _check_architecture(stack, values["Architecture"])
    if stack and values.get(parameters.API_KEY) in ("", parameters.NO_KEY):
        del values[parameters.API_KEY]  # CloudFormation keeps the key: only the admin page and the API remove one
    unset = parameters.missing(stage) if stack is None else []
    if not interactive and (unset or guided):
        raise DeploymentError(_cannot_ask(stage, account, unset))
    if guided:
        _announce(stage, account, stack)
        ask = partial(parameters.ask, declarations, stage, values, stack.parameters if stack else None)
        status = sam.run_guided(["deploy", *stage.options, *options], ask)
    else:
        overrides = sam.format_overrides(values)
        status = sam.run(["deploy", *stage.options, *options, "--parameter-overrides", *overrides])
        if status == 0 and architecture and stage.saved.get("Architecture") != architecture:
            _save_architecture(account, stage, architecture)
    return _finish(account, stage, status, interactive=interactive)


def print_outputs(stage: Stage) -> None:
    """Print the outputs of the stack, in the order of the template.

    Raises: DeploymentError, when the stack does not exist.
    """
    account = Account(stage)
    stack = find_stack(account, stage.stack_name)
    if stack is None or stack.state is State.MISSING:
        raise DeploymentError(f"There is no stack {stage.stack_name} in {account.region}. Run make deploy first.")
    order = sam.read_template(TEMPLATE).get("Outputs", {})
    click.echo(format_outputs(stack, order))


def _values(stage: Stage, declarations: parameters.Declarations, architecture: str | None) -> dict[str, str]:
    """Return the parameters to pass. CloudFormation keeps the values of the others, or uses their defaults at first."""
    built, *others = declarations["Architecture"]["AllowedValues"]
    if others:
        raise DeploymentError("The functions were not built with make build. Run make deploy.")
    requested = {"Architecture": architecture} if architecture else {}
    return {"Architecture": built, **stage.saved, **requested, **stage.given}


def _existing_stack(account: Account, stage: Stage, *, interactive: bool) -> DeployedStack | None:
    """Return the stack if it can be updated, and None if it has to be created.

    Raises: DeploymentError, when neither is possible.
    """
    stack = find_stack(account, stage.stack_name)
    if stack is None:
        return None
    match stack.state:
        case State.BUSY:
            raise DeploymentError(f"The stack {stage.stack_name} is {stack.status}. Wait until that has ended.")
        case State.STUCK:
            options = shlex.join(["--stack-name", stage.stack_name, *stage.cli_options])
            raise DeploymentError(
                f"The last update of the stack {stage.stack_name} could not be rolled back ({stack.status}). Continue "
                f"that first, then deploy again:\naws cloudformation continue-update-rollback {options}"
            )
        case State.FAILED:
            if not remove_failed_stack(account, stage, stack, interactive=interactive):
                raise DeploymentError(f"The stack {stage.stack_name} cannot be deployed before that: {PAGE}")
            return None
        case State.EXISTING:
            return stack
    return None


def _choose_stack(stage: Stage, account: Account) -> Stage:
    """Prompt for the name of the stack and its region, which decide whether there is a stack to update."""
    stack_name = click.prompt(f"\t{sam.STACK_NAME}", default=stage.stack_name)
    region = click.prompt(f"\t{sam.REGION}", default=account.region)
    return replace(stage, stack_name=stack_name.strip(), region=region.strip())


def _save_architecture(account: Account, stage: Stage, architecture: str) -> None:
    """Save the architecture for the next build, unless the user has not deployed the change set."""
    stack = find_stack(account, stage.stack_name)
    if stack and stack.parameters.get("Architecture") == architecture:
        sam.save_parameters(stage.config_file, stage.name, {**stage.saved, "Architecture": architecture})


def _check_architecture(stack: DeployedStack, built: str) -> None:
    """Raises: DeploymentError, when a deployment would change the architecture although nobody has requested that."""
    deployed = stack.parameters.get("Architecture", built)
    if deployed != built:
        raise DeploymentError(
            f"The stack {stack.name} uses {deployed}, but the functions were built for {built}. To keep {deployed}, "
            f"run make deploy ARCHITECTURE={deployed}. To change it, run make deploy ARCHITECTURE={built}."
        )


def _cannot_ask(stage: Stage, account: Account, unset: Sequence[str]) -> str:
    if not unset:
        return "--guided needs a terminal."
    given = " ".join(f"{name}=…" for name in unset)
    return (
        f"The stack {stage.stack_name} does not exist in {account.region} yet, and there is no terminal to answer "
        f"questions. Set {', '.join(unset)}: make deploy ARGS='--no-confirm-changeset --parameter-overrides {given}'. "
        f"{parameters.API_KEY}={parameters.NO_KEY} means that the server requires no key. You can also put the key "
        f"into the environment variable {KEY_VARIABLE}."
    )


def _announce(stage: Stage, account: Account, stack: DeployedStack | None) -> None:
    if stack:
        click.echo(f"The stack {stack.name} exists. Press Enter to keep a setting.")
    else:
        click.echo(f"The stack {stage.stack_name} does not exist in {account.region} yet. Enter its settings:")
    click.echo("docs/deploy.md explains each question. Later, change any other parameter: docs/configuration.md")


def _finish(account: Account, stage: Stage, status: int, *, interactive: bool) -> int:
    """Print the outputs, or what to do after a failure. Returns the exit status."""
    stack = find_stack(account, stage.stack_name)
    if stack is None or stack.state is State.MISSING:
        click.echo("\nNothing was deployed.")
    elif status == 0:
        order = sam.read_template(BUILT_TEMPLATE).get("Outputs", {})
        click.echo(f"\n{format_outputs(stack, order)}\n\nmake outputs shows this again.")
    elif stack.state is State.FAILED and remove_failed_stack(account, stage, stack, interactive=interactive):
        click.echo("Correct the cause, then run make deploy again.")
    return status
