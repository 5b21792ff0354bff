"""TCP keepalive is set on the connections to the server, for http and https."""

import socket
import ssl
from contextlib import suppress

import pytest

from callscribe.settings.whisperx import Credentials
from callscribe.whisperx import client
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.connection_options import keepalive_options
from tests.integration.socket_servers import certificate_of, read_request, self_signed, server
from tests.integration.timeouts import LONG_TIMEOUTS

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def used_options(monkeypatch, tmp_path):
    """Sends a request, and returns the options of its connection while it is open: idle, interval, probes, no delay."""
    certificate = self_signed(tmp_path)
    options = []
    set_read_timeout = client.SplitTimeoutAdapter.set_read_timeout

    def record(self, seconds):
        (connection,) = self.sockets
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_NODELAY)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options.append([connection.getsockopt(socket.IPPROTO_TCP, name) for name in names])
        set_read_timeout(self, seconds)

    monkeypatch.setattr(client.SplitTimeoutAdapter, "set_read_timeout", record)

    def used_options(scheme, **keywords):
        def respond(connection):
            if scheme == "https":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                connection = context.wrap_socket(connection, server_side=True)
            with connection, suppress(OSError):
                read_request(connection)
                connection.sendall(RESPONSE)

        with server(respond) as url:
            trusted = {"ca_certificates": certificate_of(certificate)}
            dialect = WhisperXClient(
                url.replace("http", scheme, 1), Credentials(), lambda _: None, **trusted, **keywords
            )
            dialect.get("/", LONG_TIMEOUTS, lambda _: None)
        return options[0]

    return used_options


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="macOS has another name for this option")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silent_connection_is_kept_alive_every_minute(used_options, scheme):
    idle_seconds, interval_seconds, _, no_delay = used_options(scheme)
    assert (idle_seconds, interval_seconds) == (60, 30)
    assert no_delay


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="macOS has another name for this option")
def test_intervals_can_be_set(used_options):
    options = keepalive_options(idle_seconds=3, interval_seconds=2, max_probes=7)
    assert used_options("http", socket_options=options)[:3] == [3, 2, 7]


def test_macos_has_another_name_for_the_first_option(monkeypatch):
    monkeypatch.delattr(socket, "TCP_KEEPIDLE", raising=False)
    monkeypatch.setattr(socket, "TCP_KEEPALIVE", 16, raising=False)
    options = keepalive_options(idle_seconds=60, interval_seconds=30, max_probes=8)
    assert (socket.IPPROTO_TCP, 16, 60) in options
