"""moto's server in this process, behind one lock, so that DynamoDB's conditional writes are atomic as in AWS.

moto is not linearizable: it checks the condition of a write and applies the write in two steps. Of 200 races of 50
threads on one conditional update, 23 had more than one winner on moto's own server; with one lock around its WSGI
application, none had.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.events.models import Rule
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

from local.cloud.dynamodb import patch_moto
from local.http_server import LOCALHOST, HttpServer, QuietHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_send_to_targets = Rule.send_to_targets


def _send_if_enabled(rule: Rule, *event: Any, **options: Any) -> None:
    """Send an event only to enabled rules with a pattern. A rule without one is a schedule, which matches no event.

    moto ignores the state, and matches a rule without a pattern with every event. It then fails to send it to a
    function, so PutEvents would fail.
    """
    if rule.state == "ENABLED" and rule.event_pattern.get_pattern():
        _send_to_targets(rule, *event, **options)


Rule.send_to_targets = _send_if_enabled  # type: ignore[assignment, method-assign]
patch_moto()


class SerializedApp:
    """A WSGI application that passes requests to another one at a time, each until its response is complete."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._lock = Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # read the body before acquiring the lock: a slow upload would block all other requests
        if length := int(environ.get("CONTENT_LENGTH") or 0):
            environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(length))
        with self._lock:
            response = self._application(environ, start_response)
            try:
                return [b"".join(response)]
            finally:
                if hasattr(response, "close"):
                    response.close()


class _Handler(QuietHandler, MotoRequestHandler):
    """moto's handler, which accepts S3 metadata with underscores in its names, without its access log."""


_server_lock = Lock()


@contextmanager
def serve_aws(host: str = LOCALHOST) -> Iterator[str]:
    """Serve an empty AWS on a free port and yield its endpoint URL. Everything in it is deleted at the end.

    Raises: RuntimeError, when this process already has one: moto stores everything in global variables, so the second
    would empty the first.
    """
    if not _server_lock.acquire(blocking=False):
        raise RuntimeError("this process already serves a simulated AWS")
    try:
        server = HttpServer(host=host, handler=_Handler)
        moto_api_backend.reset()
        server.start(SerializedApp(DomainDispatcherApplication(create_backend_app)))
        try:
            yield server.url
        finally:
            server.close()
            moto_api_backend.reset()
    finally:
        _server_lock.release()
