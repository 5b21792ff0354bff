"""Forks worker processes from one that has imported everything already, so that they start immediately.

Run it as `python -m testing.workers.fork_server FD MODULE` in the environment of the function. It calls `preload` of
the module once, before it forks. FD is a socket of packets; each packet starts one worker. It contains the environment
of the worker as JSON, and three descriptors: the socket that delivers the worker's events; a pipe for the worker's
process id and, after it has ended, its exit status, of eight bytes each; and the file for its output.
"""

import gc
import json
import os
import selectors
import socket
import sys
from importlib import import_module

from local.lambdas import runtime

MAX_PACKET_BYTES = 1 << 16


def encode_int(value: int) -> bytes:
    return value.to_bytes(8, signed=True)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    import_module(sys.argv[2]).preload()
    gc.freeze()  # otherwise the first collection in each worker would copy all memory pages
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    packet, descriptors, *_ = socket.recv_fds(control, MAX_PACKET_BYTES, 3)
                    if not packet:
                        return
                    pid = fork_worker(json.loads(packet), *descriptors)
                    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, descriptors[1]))
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    pid, pipe = key.data
                    _, status = os.waitpid(pid, 0)
                    os.write(pipe, encode_int(os.waitstatus_to_exitcode(status)))
                    os.close(pipe)


def fork_worker(environment: dict[str, str], events: int, pipe: int, output: int) -> int:
    """Start a worker in a process group of its own, as other workers are, and return its process id."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output, stream.fileno())
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1] = str(events)
        runtime.main()
    os.setpgid(pid, pid)
    os.close(events)
    os.close(output)
    os.write(pipe, encode_int(pid))
    return pid


if __name__ == "__main__":
    main()
