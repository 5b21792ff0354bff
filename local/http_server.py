"""A threaded HTTP server that is quiet, binds before it serves, and stops in order.

werkzeug's own set-up ends the whole process when the port is taken and prints a line for each request.
"""

import socket
from threading import Thread
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound
from werkzeug.serving import WSGIRequestHandler, make_server

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

    def __init__(self, port: int = 0, host: str = LOCALHOST, handler: type[WSGIRequestHandler] = QuietHandler) -> None:
        with socket.create_server((host, port), backlog=_BACKLOG) as listener:
            self._server = make_server(
                host, 0, NotFound(), threaded=True, request_handler=handler, fd=listener.fileno()
            )
        self.url = f"http://{host}:{self._server.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    def start(self, application: "WSGIApplication") -> None:
        """Serve `application`, each request in a thread of its own."""
        self._server.app = application
        self._thread.start()

    def close(self) -> None:
        """Accept nothing more. Requests under way are not waited for."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
