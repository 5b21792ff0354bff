"""Signs requests with the name of the function, for handlers that run in one process and share their clients.

A function in a process of its own, as in the worker pool or under the emulator, signs with its environment variables.
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
    # the tests' own clients have explicit credentials, not those of the environment
    return (
        credentials._replace(access_key=_signing_function.get())
        if self.method == "env" and _signing_function.get()
        else credentials
    )


Credentials.get_frozen_credentials = _credentials


@contextmanager
def signing_as(function: str) -> Iterator[None]:
    """Within the block, sign requests of the handlers' clients with this name, here or in a `SigningThreadPool`."""
    token = _signing_function.set(function)
    try:
        yield
    finally:
        _signing_function.reset(token)


class SigningThreadPool(ThreadPoolExecutor):
    """Its threads sign with the name that was set when their work was submitted."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        return super().submit(copy_context().run, work, *args, **options)
