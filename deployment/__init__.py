"""Deploys Callscribe with SAM CLI: `make build`, `make deploy` and `make outputs`.

Run by the Python of .venv-sam, so it imports only the standard library, boto3, click and SAM CLI.
"""


class DeploymentError(Exception):
    """The reason why a deployment cannot continue. The message says what to do."""
