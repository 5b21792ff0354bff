"""A threaded HTTP server that prints nothing, binds before it serves, and shuts down cleanly.

werkzeug's own `run_simple` exits the process if the port is taken, and prints a line for each request.
"""

import socket
from threading import Thread
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOCALHOST = "127.0.0.1"
_BACKLOG = 128
"""Connections that may wait to be accepted, as many as in werkzeug."""
_POLL_SECONDS = 0.25
"""How often the accepting thread checks whether to stop, so how long `close` may take."""


class QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 — werkzeug's name
        """Print nothing: the terminal shows the recordings."""


class HttpServer:
    """An HTTP server that binds its port immediately, so that its URL is known before the application exists.

    Clients that connect before `start` wait. `port` 0 is any free port. Raises: OSError, when the port is taken.
    """

    def __init__(self, port: int = 0, host: str = LOCALHOST, handler: type[WSGIRequestHandler] = QuietHandler) -> None:
        with socket.create_server((host, port), backlog=_BACKLOG) as listener:
            self._server = make_server(
                host, 0, NotFound(), threaded=True, request_handler=handler, fd=listener.fileno()
            )
        self.url = f"http://{host}:{self._server.port}"
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    def start(self, application: "WSGIApplication") -> None:
        """Serve `application`, each request in its own thread."""
        self._server.app = application
        self._thread.start()

    def close(self) -> None:
        """Stop accepting connections, without waiting for requests in progress."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
