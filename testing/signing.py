"""Lets each handler sign with its own name where all of them run in one process, and share their clients.

In a process of its own, as in the worker pool or under the emulator, its environment is enough.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

from botocore.credentials import Credentials, ReadOnlyCredentials

_signing_function = ContextVar("function", default="")
_original_get_frozen_credentials = Credentials.get_frozen_credentials


def _credentials(self: Credentials) -> ReadOnlyCredentials:
    credentials = _original_get_frozen_credentials(self)
    # those of the tests' own clients do not come out of the environment
    return (
        credentials._replace(access_key=_signing_function.get())
        if self.method == "env" and _signing_function.get()
        else credentials
    )


Credentials.get_frozen_credentials = _credentials


@contextmanager
def signing_as(function: str) -> Iterator[None]:
    """It signs what the handlers' clients send meanwhile, from here or from `Threads` that are given work here."""
    token = _signing_function.set(function)
    try:
        yield
    finally:
        _signing_function.reset(token)


class SigningThreadPool(ThreadPoolExecutor):
    """Its threads sign as who submits their work, however long it takes."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        return super().submit(copy_context().run, work, *args, **options)
