"""Callscribe on one's own machine: the stack that template.yaml describes, without an AWS account."""


class LocalError(Exception):
    """A command cannot be carried out; the message says what to do."""
