"""moto's server in this process, behind one lock, so that what the stack relies on of DynamoDB holds here.

moto is not linearizable: it checks a conditional write and applies it in two steps. Of 200 races of 50
threads on one conditional update, 23 had more than one winner on its server; behind one lock around its WSGI
application, none.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.events.models import Rule
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

from local.http_server import LOCALHOST, HttpServer, QuietHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_send_to_targets = Rule.send_to_targets


def _send_if_pattern(rule: Rule, *event: Any, **options: Any) -> None:
    """For moto, every event fits a rule without a pattern, and sending it to a function fails: so would publishing one.

    In AWS such a rule is a schedule, which no event fits.
    """
    if rule.event_pattern.get_pattern():
        _send_to_targets(rule, *event, **options)


Rule.send_to_targets = _send_if_pattern  # type: ignore[assignment, method-assign]


class SerializedApp:
    """Passes one request at a time on to a WSGI application, until its answer is complete."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._lock = Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # A slow upload is read before the lock is taken, or it would hold up everybody else's requests.
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
    """moto's, for the S3 metadata that has underscores in its name; without the line for each request."""


_server_lock = Lock()


@contextmanager
def serve_aws(host: str = LOCALHOST) -> Iterator[str]:
    """Serve an empty AWS on a free port and give its endpoint URL. All is gone at the end.

    A process can have one at a time, for moto keeps what is stored in its modules: `RuntimeError` for a second one,
    which would empty the first.
    """
    if not _server_lock.acquire(blocking=False):
        raise RuntimeError("this process already serves an AWS")
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
