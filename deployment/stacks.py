"""Stacks in CloudFormation: whether one exists, what it contains, and why it failed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from boto3.session import Session
from botocore import exceptions
from botocore.config import Config

from deployment import DeploymentError
from deployment.stage import Stage

State = Enum("State", ["MISSING", "FAILED", "BUSY", "STUCK", "EXISTING"])

STATES = {
    # created together with a change set that was not deployed
    "REVIEW_IN_PROGRESS": State.MISSING,
    "DELETE_COMPLETE": State.MISSING,
    # the failed creation of a stack; that of an update is UPDATE_ROLLBACK_…
    "ROLLBACK_COMPLETE": State.FAILED,
    "ROLLBACK_FAILED": State.FAILED,
    "DELETE_FAILED": State.FAILED,
    # an update whose rollback has failed, which has to be continued before the next update
    "UPDATE_ROLLBACK_FAILED": State.STUCK,
    "IMPORT_ROLLBACK_FAILED": State.STUCK,
}
"""States by status. Other statuses with IN_PROGRESS are BUSY, and all others EXISTING."""

MAY_CONTAIN_DATA = (
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
)
"""Statuses of stacks whose functions may have run. CREATE_FAILED is that of a stack created with rollback disabled."""

CANCELLED = "cancelled"
"""In the reason of a resource that failed only because another one had failed."""

ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.ProfileNotFound, "Use the name of a profile in ~/.aws/config."),
    (
        exceptions.NoCredentialsError,
        "Put the credentials of your AWS account where the AWS CLI finds them, then check: aws sts get-caller-identity",
    ),
    (
        exceptions.NoRegionError,
        "Add the region, such as make deploy ARGS='--region eu-central-1', or region = \"…\" in samconfig.toml.",
    ),
    (exceptions.InvalidRegionError, "Use a region such as eu-central-1."),
    (exceptions.WaiterError, "AWS needed too long. Run the command again in a few minutes."),
    (exceptions.ConnectionError, "Check the name of the region and your network."),
    (exceptions.HTTPClientError, "Check your network."),
    (exceptions.BotoCoreError, "aws sts get-caller-identity must succeed: check your credentials, profile and region."),
)
"""What to do about an error of boto3. The first entry that fits is used."""

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """A stack and its parameters. CloudFormation reports a secret parameter as asterisks."""

    stack_id: str
    name: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, tuple[str, str]]
    """Description and value by name."""

    @property
    def state(self) -> State:
        """What a deployment has to do about this stack."""
        if self.status in STATES:
            return STATES[self.status]
        return State.BUSY if "IN_PROGRESS" in self.status else State.EXISTING


@dataclass(frozen=True, slots=True)
class FailedResource:
    """A resource that CloudFormation could not create, change or delete, and the reason."""

    logical_id: str
    resource_type: str
    reason: str


class Account:
    """An AWS account in one region: the clients, with errors that say what to do."""

    def __init__(self, stage: Stage) -> None:
        with explained_errors():
            self._session = Session(profile_name=stage.profile, region_name=stage.region)
        self.region: str | None = self._session.region_name

    def client(self, service: str) -> Any:
        """Return a client, which honours AWS_ENDPOINT_URL as SAM CLI's do.

        Raises: DeploymentError, when no region is configured.
        """
        with explained_errors():
            return self._session.client(
                service, config=Config(connect_timeout=10, retries={"total_max_attempts": 4, "mode": "standard"})
            )


@contextmanager
def explained_errors() -> Iterator[None]:
    """Translate the errors of boto3 into a DeploymentError that says what to do."""
    try:
        yield
    except exceptions.ClientError as error:
        code, operation = error.response["Error"]["Code"], error.operation_name
        if code in DENIED:
            raise DeploymentError(
                f"{error}\nThe owner of these credentials needs permission for {operation}."
            ) from error
        raise DeploymentError(f"{error}\nCheck your credentials: aws sts get-caller-identity") from error
    except exceptions.BotoCoreError as error:
        advice = next(advice for kind, advice in ADVICE if isinstance(error, kind))
        raise DeploymentError(f"{error}\n{advice}") from error


def find_stack(account: Account, name: str) -> DeployedStack | None:
    """Return the stack with this name or id; None if there is none.

    Raises: DeploymentError, when CloudFormation does not say.
    """
    client = account.client("cloudformation")
    with explained_errors():
        try:
            (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        except exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
                return None
            raise
    return DeployedStack(
        stack_id=stack["StackId"],
        name=stack["StackName"],
        status=stack["StackStatus"],
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])},
        outputs={
            each["OutputKey"]: (each.get("Description", ""), each["OutputValue"]) for each in stack.get("Outputs", [])
        },
    )


def stack_events(account: Account, stack: DeployedStack) -> list[Mapping[str, Any]]:
    """Return the events of the stack, oldest first. CloudFormation keeps them for 90 days."""
    paginator = account.client("cloudformation").get_paginator("describe_stack_events")
    with explained_errors():
        events = [event for page in paginator.paginate(StackName=stack.stack_id) for event in page["StackEvents"]]
    return events[::-1]


def was_never_complete(stack: DeployedStack, events: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the creation of the stack failed, so that it has no data; False if the events do not prove it."""
    statuses = {event["ResourceStatus"] for event in events if event.get("PhysicalResourceId") == stack.stack_id}
    # ROLLBACK_… is the status of a failed creation only; one that could not be deleted later has it in its events
    failed = any(status.startswith("ROLLBACK_") for status in {stack.status, *statuses})
    return failed and statuses.isdisjoint(MAY_CONTAIN_DATA)


def failed_resources(stack: DeployedStack, events: Iterable[Mapping[str, Any]]) -> list[FailedResource]:
    """Return the resources that failed by themselves, in the order of the events."""
    return [
        FailedResource(event["LogicalResourceId"], event["ResourceType"], event.get("ResourceStatusReason", ""))
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
        and event.get("PhysicalResourceId") != stack.stack_id
        and CANCELLED not in event.get("ResourceStatusReason", "")
    ]


def format_outputs(stack: DeployedStack, order: Iterable[str]) -> str:
    """Return the outputs with each value unwrapped on a line of its own, so that it can be copied."""
    positions = {name: position for position, name in enumerate(order)}
    names = sorted(stack.outputs, key=lambda name: (positions.get(name, len(positions)), name))
    return "\n\n".join(
        f"{name}: {description}".rstrip(": ") + f"\n{value}"
        for name in names
        for description, value in [stack.outputs[name]]
    )
