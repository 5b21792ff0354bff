"""How connections to the server are made: TCP keepalive, and the certificates that are trusted.

A server can be silent for a quarter of an hour while it transcribes. NAT gateways, load balancers and firewalls of AWS
forget connections that are silent for 350 seconds, others sooner, and then its response never arrives. An operating
system acknowledges keepalive packets even while its server is busy.
"""

import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache

from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from callscribe.settings.certificates import parse_certificates

type SocketOptions = Sequence[tuple[int, int, int]]
"""Arguments of `setsockopt`: level, option, value."""


def keepalive_options(*, idle_seconds: int, interval_seconds: int, max_probes: int) -> SocketOptions:
    """Send a packet after `idle_seconds` of silence, and then every `interval_seconds`.

    Without any acknowledgement, the connection is lost after `max_probes`. macOS has another name for the first option;
    what an operating system does not have is left out.
    """
    values = {
        "TCP_KEEPIDLE": idle_seconds,
        "TCP_KEEPALIVE": idle_seconds,
        "TCP_KEEPINTVL": interval_seconds,
        "TCP_KEEPCNT": max_probes,
    }
    known = [(getattr(socket, name), value) for name, value in values.items() if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, *option) for option in known)]


KEEPALIVE = keepalive_options(idle_seconds=60, interval_seconds=30, max_probes=8)


@lru_cache(maxsize=4)
def tls_context(ca_certificates: str) -> ssl.SSLContext:
    """The context that trusts public authorities and these certificates in PEM format. Shared, because it takes 20 ms.

    Without them, it verifies as strictly as urllib3 does; with them, as OpenSSL and browsers do, because private
    certificates often lack extensions that RFC 5280 requires.
    """
    context = create_urllib3_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    if ca_certificates:
        context.load_verify_locations(cadata=b"".join(parse_certificates(ca_certificates)))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
