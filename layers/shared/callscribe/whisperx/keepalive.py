"""TCP keepalive: packets on a silent connection, so that no hop between Callscribe and the server forgets it.

A server can be silent for a quarter of an hour while it transcribes. NAT gateways, load balancers and firewalls of AWS
forget connections that are silent for 350 seconds, others sooner, and then its response never arrives. An operating
system acknowledges these packets even while its server is busy.
"""

import socket
from collections.abc import Sequence

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
