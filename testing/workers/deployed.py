"""The four functions as they are, for worker processes that are forked when all of this is imported."""

import boto3
from aws_lambda_powertools.utilities import parameters

import functions.process.app
import functions.queue.app
import functions.sync.app
from functions.api.app import load_all_routes


def preload() -> None:
    """All is there that a function imports when it is first needed; clients are made by each worker, for its stack."""
    load_all_routes()
    _ = boto3, parameters, functions
