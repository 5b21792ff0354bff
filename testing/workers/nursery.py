"""Worker processes forked from one that has imported everything: to start takes them no time.

Started as `python -m testing.workers.nursery FD MODULE` in the environment of the function. The module's `rest` is
called once, before any is forked. FD is a socket of packets. Each of them holds the environment of one worker, as JSON,
and three descriptors: the socket over which its events come; a pipe to which its process id is written, and, when it
has ended, its exit status, of eight bytes each; and the file that it writes to.
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
"""Of a packet."""


def encode_int(value: int) -> bytes:
    return value.to_bytes(8, signed=True)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    import_module(sys.argv[2]).preload()
    gc.freeze()  # or each worker's first collection would copy all of it
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
    """Starts a worker, in a process group of its own as others are; its process id."""
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
