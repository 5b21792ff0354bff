"""Connections that are made quickly or not at all, but send as slowly as the server reads.

urllib3 leaves the connect timeout on the socket while the body is sent. These servers read nothing while another job
runs, so five seconds of that would count as a broken connection.
"""

from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

MIN_WAIT_SECONDS = 0.01
"""Seconds; none at all would mean not to block."""

BLOCK_BYTES = 65_536
"""Bytes of audio that are read and sent at once: with a quarter of it, sending takes half as long again."""


class SplitTimeoutAdapter(HTTPAdapter):
    """What `requests` sends through. `seconds` is how long the socket waits once it is connected."""

    def __init__(self, socket_timeout: float) -> None:
        self.socket_timeout = socket_timeout
        self.sockets: list[Any] = []
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=BLOCK_BYTES, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool_class(HTTPConnectionPool, HTTPConnection, self),
            "https": _pool_class(HTTPSConnectionPool, HTTPSConnection, self),
        }

    def set_read_timeout(self, seconds: float) -> None:
        """Lets what is read from now on wait so long at most, for each packet."""
        for sock in self.sockets:
            with suppress(OSError):  # it is closed once all has been read
                sock.settimeout(max(seconds, MIN_WAIT_SECONDS))


def _pool_class(pool: type[Any], connection: type[Any], adapter: SplitTimeoutAdapter) -> type[Any]:
    class SplitTimeoutConnection(connection):  # type: ignore[misc]  # either of two classes
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(adapter.socket_timeout)
            adapter.sockets.append(self.sock)

    return type("SplitTimeoutPool", (pool,), {"ConnectionCls": SplitTimeoutConnection})
