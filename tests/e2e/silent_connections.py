"""A slow server behind a hop that forgets silent connections, as a NAT gateway does: does its response arrive?

    sudo .venv/bin/python -m tests.e2e.silent_connections

A proxy could not show it, because it ends the TCP connection and never sees the packets of TCP keepalive. So client and
server run in two network namespaces, and this process forwards the IP packets between their TUN devices. It drops the
packets of a connection once it has been silent for too long. Needs Linux, root and the command `ip`.
"""

import fcntl
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from callscribe.errors import TranscriptionError
from callscribe.settings.whisperx import Credentials
from callscribe.whisperx import Timeouts
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.connection_options import KEEPALIVE, SocketOptions, keepalive_options
from callscribe.whisperx.dialects.base import MultipartUpload
from testing.waiting import LIMIT_SECONDS
from tests.integration.audio import Bytes

CLIENT_ADDRESS, SERVER_ADDRESS, PORT = "10.99.0.1", "10.99.0.2", 9000

RESPONSE_SECONDS, FORGET_SECONDS = 15.0, 8.0
"""The server responds after the first; the hop forgets a connection after the second."""

FREQUENT_KEEPALIVE = keepalive_options(idle_seconds=3, interval_seconds=3, max_probes=8)
"""In proportion to `FORGET_SECONDS` as the real one to the 350 seconds of a NAT gateway, rounded up."""

# linux/if_tun.h
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def unavailable_reason() -> str | None:
    """Return why namespaces and TUN devices cannot be used here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root"
    if not shutil.which("ip") or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs the command ip and /dev/net/tun"
    return None if fork_in_namespace(CLIENT_ADDRESS, SERVER_ADDRESS, lambda: None) else "may not create namespaces"


def fork_in_namespace(address: str, peer: str, work: Callable[[], Any]) -> tuple[int, int, int] | None:
    """Run `work` in a child process in its own network, whose only route leads to a TUN device.

    Return the child's process ID, the TUN device, and a pipe with the result of `work` as JSON. None if that is not
    allowed.
    """
    parent_socket, child_socket = socket.socketpair()
    pipe_read, pipe_write = os.pipe()
    process_id = os.fork()
    if not process_id:
        os.close(pipe_read)
        parent_socket.close()
        try:
            os.unshare(os.CLONE_NEWNET)
            device = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
            for command in (
                "ip link set lo up",
                f"ip addr add {address} peer {peer} dev tun0",
                "ip link set tun0 up",
            ):
                subprocess.run(command.split(), check=True, capture_output=True)
            socket.send_fds(child_socket, [b"ready"], [device])
            os.write(pipe_write, json.dumps(work()).encode())
        finally:
            os._exit(0)  # the parent's threads, locks and buffers are not this process's to clean up
    os.close(pipe_write)
    child_socket.close()
    with parent_socket:
        _, descriptors, _, _ = socket.recv_fds(parent_socket, 16, 1)
    if not descriptors:
        os.close(pipe_read)
        os.waitpid(process_id, 0)
        return None
    return process_id, descriptors[0], pipe_read


def serve_slowly(response_seconds: float) -> None:
    """Respond to one upload after `response_seconds` of silence, without reading ahead."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(response_seconds)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"done")

        def log_message(self, *_: Any) -> None:
            pass

    HTTPServer((SERVER_ADDRESS, PORT), Handler).handle_request()


def upload(socket_options: SocketOptions, timeout_seconds: float) -> dict[str, Any]:
    """Send audio as all dialects do. Return the outcome, and how many seconds it took."""
    started_at = time.monotonic()
    client = WhisperXClient(
        f"http://{SERVER_ADDRESS}:{PORT}", Credentials(), lambda _: None, socket_options=socket_options
    )
    timeouts = Timeouts(LIMIT_SECONDS, timeout_seconds)
    outcome = "service_unavailable"
    while outcome == "service_unavailable" and time.monotonic() - started_at < LIMIT_SECONDS:  # it is not listening yet
        body = MultipartUpload(Bytes(100_000), field="audio_file", name="a.wav")
        try:
            outcome = client.post("/asr", body, timeouts, lambda response: response.body.decode())
        except TranscriptionError as error:
            outcome = error.code
    return {"outcome": outcome, "seconds": time.monotonic() - started_at}


def forward(client: int, server: int, forget_seconds: float, stop: threading.Event) -> int:
    """Forward packets until `stop`, except those of a forgotten connection. Return how many were dropped."""
    last_packet_at: dict[bytes, float] = {}
    dropped = 0
    while not stop.is_set():
        readable, _, _ = select.select([client, server], [], [], 0.1)
        for device in readable:
            packet = os.read(device, 65_536)
            if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
                continue
            header = (packet[0] & 15) * 4
            ports = packet[header : header + 4]
            connection = ports if device == client else ports[2:] + ports[:2]
            is_first = bool(packet[header + 13] & 2)  # SYN
            now = time.monotonic()
            if not is_first and now - last_packet_at.get(connection, 0.0) > forget_seconds:
                dropped += 1
                last_packet_at.pop(connection, None)
                continue
            last_packet_at[connection] = now
            os.write(server if device == client else client, packet)
    return dropped


def run(
    socket_options: SocketOptions,
    *,
    response_seconds: float = RESPONSE_SECONDS,
    forget_seconds: float = FORGET_SECONDS,
    timeout_seconds: float = 2 * RESPONSE_SECONDS,
) -> dict[str, Any]:
    """Send one recording through the hop. Return `outcome`, `seconds` and the number of `dropped` packets."""
    server = fork_in_namespace(SERVER_ADDRESS, CLIENT_ADDRESS, lambda: serve_slowly(response_seconds))
    client = fork_in_namespace(CLIENT_ADDRESS, SERVER_ADDRESS, lambda: upload(socket_options, timeout_seconds))
    assert server
    assert client
    stop, dropped = threading.Event(), list[int]()
    hop = threading.Thread(target=lambda: dropped.append(forward(client[1], server[1], forget_seconds, stop)))
    hop.start()
    try:
        with os.fdopen(client[2], "rb") as pipe:
            result: dict[str, Any] = json.loads(pipe.read())
    finally:
        stop.set()
        hop.join()
        for process_id, device, _ in (client, server):
            os.kill(process_id, 9)
            os.waitpid(process_id, 0)
            os.close(device)
        os.close(server[2])
    return {**result, "dropped": dropped[0]}


CONNECTIONS = {
    "without keepalive": [],
    "with Callscribe's, every 60 s: too rare for this hop": KEEPALIVE,
    "with keepalive every 3 s": FREQUENT_KEEPALIVE,
}


def main() -> None:
    if reason := unavailable_reason():
        sys.exit(f"silent connections cannot be tried here: {reason}")
    print(f"response after {RESPONSE_SECONDS:.0f} s, over a hop that forgets after {FORGET_SECONDS:.0f} s of silence")
    print(f"{'connection':55}{'outcome':12}{'seconds':>9}{'dropped packets':>18}")
    for name, socket_options in CONNECTIONS.items():
        result = run(socket_options)
        print(f"{name:55}{result['outcome']:12}{result['seconds']:9.1f}{result['dropped']:18}")


if __name__ == "__main__":
    main()
