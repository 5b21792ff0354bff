"""Imports the four functions unchanged, in the process that worker processes are forked from."""

import boto3

import functions.process.app
import functions.queue.app
import functions.sync.app
from functions.api.app import app
from functions.api.routes import load_all_routes


def preload() -> None:
    """Import what a function imports on first use. Each worker creates its own clients, for its stack."""
    load_all_routes(app)
    _ = boto3, functions
