"""Callscribe on one's own machine: the stack that template.yaml describes, without an AWS account."""
