"""A small speech recogniser that speaks as WhisperX servers do: the demo and the tests need no GPU and no network.

It is PocketSphinx with its US English model: offline and real recognition, but of modest accuracy, most of
all on telephone audio. English only, lower case, no punctuation, no speakers. Each dialect has its own module, whose
statuses and shapes follow a real server; one job is done at a time in all of them.
"""

import argparse
import hmac
import sys
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from callscribe.settings.whisperx import DIALECTS
from local.http_server import QuietHandler
from local.recogniser.fastapi import openapi_document
from local.recogniser.speech import Recogniser


def create_app(recogniser: Recogniser, dialect: str, api_key: str | None = None) -> Flask:
    app = Flask(__name__)

    @app.before_request
    def authorise() -> tuple[dict[str, str], int] | None:
        authorization = request.headers.get("Authorization", "").encode()
        if api_key is not None and not hmac.compare_digest(authorization, f"Bearer {api_key}".encode()):
            return {"detail": "Unauthorized"}, 401
        return None

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[dict[str, str], int]:
        return {"detail": error.name}, error.code or 500

    @app.errorhandler(Exception)
    def internal_error(error: Exception) -> Response:
        print(f"500: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return Response("Internal Server Error", 500, content_type="text/plain; charset=utf-8")

    @app.get("/openapi.json")
    def openapi() -> dict[str, Any]:
        # whisper-asr-webservice answers nothing while a job runs
        with recogniser.lock if dialect == "asr" else nullcontext():
            return openapi_document(app)

    import_module(f"local.recogniser.{dialect}").add_routes(app, recogniser)
    return app


class RecogniserHandler(QuietHandler):
    """Without an access log, for file names in requests hold telephone numbers."""

    timeout = 60  # a client that connects and stays silent must not keep its thread for good


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.recogniser", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--dialect", choices=DIALECTS, default="asr", help="what it speaks (default: %(default)s)")
    parser.add_argument("--api-key", metavar="KEY", help="demand Authorization: Bearer KEY")
    args = parser.parse_args()
    app = create_app(Recogniser(), args.dialect, args.api_key)
    server = make_server(args.host, args.port, app, threaded=True, request_handler=RecogniserHandler)
    print(f"listening on http://{args.host}:{server.server_port}", flush=True)
    # SIGTERM keeps its default action: a handler in Python would wait until PocketSphinx is done.
    server.serve_forever()


if __name__ == "__main__":
    main()
