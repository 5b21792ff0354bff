"""Connections that are made quickly or not at all, but send as slowly as the server reads.

urllib3 leaves the connect timeout on the socket while the body is sent. These servers read nothing while another job
runs, so five seconds of that would count as a broken connection.
"""

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


BLOCK = 65_536
"""Bytes of audio that are read and sent at once: with a quarter of it, sending takes half as long again."""


class PatientAdapter(HTTPAdapter):
    """What `requests` sends through. `seconds` is how long the socket waits once it is connected."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=BLOCK, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _patient(HTTPConnectionPool, HTTPConnection, self._seconds),
            "https": _patient(HTTPSConnectionPool, HTTPSConnection, self._seconds),
        }


def _patient(pool: type[Any], connection: type[Any], seconds: float) -> type[Any]:
    class PatientConnection(connection):  # type: ignore[misc]  # either of two classes
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(seconds)

    return type("PatientPool", (pool,), {"ConnectionCls": PatientConnection})
