"""A threaded HTTP server that is quiet, binds before it serves, and stops in order.

werkzeug's own set-up ends the whole process when the port is taken and prints a line for each request.
"""

import socket
from threading import Thread
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOCALHOST = "127.0.0.1"
# As many connections may wait as werkzeug itself lets wait.
_BACKLOG = 128
# How long `close` may have to wait for the accepting thread to notice.
_POLL_SECONDS = 0.25


class QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 — as werkzeug wants it
        """Say nothing: the terminal belongs to the recordings."""


class HttpServer:
    """Holds a port from the start, so that its URL can be given out before there is something to serve.

    Who connects before `start` waits. Raises `OSError` if the port is taken.
    """

    def __init__(self, port: int = 0, host: str = LOCALHOST) -> None:
        self._host = host
        self._listener = socket.create_server((host, port), backlog=_BACKLOG)
        self.url = f"http://{host}:{self._listener.getsockname()[1]}"
        self._server: BaseWSGIServer | None = None
        self._thread: Thread | None = None

    def start(self, application: "WSGIApplication", handler: type[WSGIRequestHandler] = QuietHandler) -> None:
        """Serve `application`, each request in a thread of its own."""
        server = make_server(
            self._host, 0, application, threaded=True, request_handler=handler, fd=self._listener.fileno()
        )
        self._server = server
        self._thread = Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name=self.url, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Accept nothing more. Requests under way are not waited for."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._listener.close()
