"""What a failed first deployment leaves behind: why it failed, and its removal, so that `make deploy` can run again."""

import shlex
from dataclasses import dataclass

import click
from botocore import exceptions

from deployment import DeploymentError
from deployment.stacks import (
    Account,
    DeployedStack,
    explained_errors,
    failed_resources,
    stack_events,
    was_never_complete,
)
from deployment.stage import Stage

PAGE = "docs/deploy.md#when-the-first-deploy-fails"
TABLE = "AWS::DynamoDB::Table"
BUCKET = "AWS::S3::Bucket"
EXISTING_STATUSES = {"CREATE_COMPLETE", "DELETE_FAILED", "DELETE_SKIPPED"}
"""Statuses of resources that this stack created and that still exist."""

MAX_SHOWN = 3
"""Failed resources to show. The first one is the cause; the others often follow from it."""


@dataclass(frozen=True, slots=True)
class LeftoverResources:
    """A stack whose creation failed, with the names of its tables and buckets that still exist."""

    stack: DeployedStack
    tables: tuple[str, ...]
    buckets: tuple[str, ...]


def remove_failed_stack(account: Account, stage: Stage, stack: DeployedStack, *, interactive: bool) -> bool:
    """Show why the creation of the stack failed, and delete what it has left behind if the user agrees.

    Returns whether it was deleted.

    Raises: DeploymentError, when the stack was complete at some time, or cannot be deleted.
    """
    events = stack_events(account, stack)
    click.echo(f"\nThe stack {stack.name} is {stack.status}. What failed first:")
    for resource in failed_resources(stack, events)[:MAX_SHOWN]:
        click.echo(f"  {resource.logical_id} ({resource.resource_type}): {resource.reason}")
    if not was_never_complete(stack, events):
        raise DeploymentError(
            f"The stack {stack.name} may contain data, so make deploy deletes nothing. Delete the stack yourself: "
            "docs/deploy.md#remove"
        )
    click.echo(f"{PAGE} has the usual causes.\n")
    leftovers = find_leftovers(account, stack)
    commands = "\n".join(removal_commands(leftovers, stage))
    if not interactive:
        click.echo(f"Nothing in it has been used yet. Delete what it has left behind, then deploy again:\n\n{commands}")
        return False
    names = ", ".join([*leftovers.tables, *leftovers.buckets]) or "nothing else"
    if not click.confirm(f"Nothing in it has been used yet. Delete the stack and what it has left behind ({names})?"):
        click.echo(f"To delete it yourself:\n\n{commands}")
        return False
    remove(account, leftovers)
    return True


def find_leftovers(account: Account, stack: DeployedStack) -> LeftoverResources:
    """Return the tables and buckets of this stack that still exist."""
    paginator = account.client("cloudformation").get_paginator("list_stack_resources")
    with explained_errors():
        pages = list(paginator.paginate(StackName=stack.stack_id))
    names: dict[str, list[str]] = {TABLE: [], BUCKET: []}
    for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
        if resource["ResourceType"] in names and resource["ResourceStatus"] in EXISTING_STATUSES:
            names[resource["ResourceType"]].append(resource["PhysicalResourceId"])
    return LeftoverResources(stack, tuple(names[TABLE]), tuple(names[BUCKET]))


def removal_commands(leftovers: LeftoverResources, stage: Stage) -> list[str]:
    """Return the commands of the AWS CLI that do what `remove` does."""
    commands = []
    for table in leftovers.tables:
        commands += [
            f"dynamodb update-table --table-name {table} --no-deletion-protection-enabled",
            f"dynamodb wait table-exists --table-name {table}",
            f"dynamodb delete-table --table-name {table}",
        ]
    commands += [f"s3 rb s3://{bucket}" for bucket in leftovers.buckets]
    commands += [
        f"cloudformation delete-stack --stack-name {leftovers.stack.name}",
        f"cloudformation wait stack-delete-complete --stack-name {leftovers.stack.name}",
    ]
    return [f"aws {command} {shlex.join(stage.cli_options)}".rstrip() for command in commands]


def remove(account: Account, leftovers: LeftoverResources) -> None:
    """Delete a stack whose creation failed, with its tables and empty buckets.

    CloudFormation itself keeps the tables: they are protected against deletion, and retained when a stack is deleted.

    Raises: DeploymentError, when something cannot be deleted.
    """
    with explained_errors():
        for table in leftovers.tables:
            _delete_table(account, table)
        for bucket in leftovers.buckets:
            _delete_bucket(account, bucket)
        client = account.client("cloudformation")
        click.echo("Waiting for CloudFormation to delete the stack …")
        client.delete_stack(StackName=leftovers.stack.stack_id)
        try:
            client.get_waiter("stack_delete_complete").wait(
                StackName=leftovers.stack.stack_id, WaiterConfig={"Delay": 5, "MaxAttempts": 240}
            )
        except exceptions.WaiterError as error:
            raise DeploymentError(
                f"CloudFormation could not delete the stack {leftovers.stack.name}. Its events in the CloudFormation "
                "console say why. Delete it there, then run make deploy again."
            ) from error
    click.echo(f"Deleted the stack {leftovers.stack.name}.")


def _delete_table(account: Account, name: str) -> None:
    client = account.client("dynamodb")
    active = client.get_waiter("table_exists")
    polling = {"Delay": 2, "MaxAttempts": 60}
    try:
        is_protected = client.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled")
        active.wait(TableName=name, WaiterConfig=polling)
        if is_protected:
            client.update_table(TableName=name, DeletionProtectionEnabled=False)
            active.wait(TableName=name, WaiterConfig=polling)
        client.delete_table(TableName=name)
    except client.exceptions.ResourceNotFoundException:
        return
    click.echo(f"Deleted the table {name}.")


def _delete_bucket(account: Account, name: str) -> None:
    """Delete the bucket if it is empty: S3 rejects the request otherwise."""
    client = account.client("s3")
    try:
        client.delete_bucket(Bucket=name)
    except exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "BucketNotEmpty":
            click.echo(f"The bucket {name} is not empty, so it is kept.")
        elif error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        return
    click.echo(f"Deleted the bucket {name}.")
