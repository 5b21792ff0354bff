"""Callscribe on your own machine: the stack that template.yaml describes, without an AWS account."""


class LocalError(Exception):
    """A command cannot be run; the message says what to do."""
