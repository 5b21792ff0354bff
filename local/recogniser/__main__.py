"""A small speech recogniser with the HTTP APIs of WhisperX servers, so that demo and tests need no GPU.

By default it is PocketSphinx, which needs no network; `--engine whisper` is far more accurate. Neither labels speakers.
Each dialect has its own Python module, with the status codes and documents of a real server. As in those, one recording
is transcribed at a time.
"""

import argparse
import hmac
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from callscribe.settings.whisperx import DIALECTS
from local.http_server import QuietHandler
from local.recogniser import ENGINES, ERROR_PREFIX, READY_PREFIX
from local.recogniser.dialects.fastapi import openapi_document
from local.recogniser.engines.base import Engine, EngineError, Recogniser


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
        # whisper-asr-webservice does not respond to anything while it transcribes
        with recogniser.lock if dialect == "asr" else nullcontext():
            return openapi_document(app, recogniser.engine)

    import_module(f"local.recogniser.dialects.{dialect}").add_routes(app, recogniser)
    return app


class RecogniserHandler(QuietHandler):
    """A handler without an access log, because file names in requests contain phone numbers."""

    timeout = 60  # a client that connects and sends nothing must not keep its thread forever


def load_engine(name: str, model_dir: Path | None) -> Engine:
    """Load an engine, which is only installed in its own environment. Raises: EngineError."""
    if name == "whisper":
        from local.recogniser.engines import whisper

        return whisper.load_engine(model_dir, lambda line: print(line, flush=True))
    from local.recogniser.engines.pocketsphinx import PocketSphinxEngine

    return PocketSphinxEngine()


def main() -> None:
    """Print what takes time, and then either `listening on URL` or `error: REASON`."""
    parser = argparse.ArgumentParser(prog="python -m local.recogniser", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0: any free port (default: %(default)s)")
    parser.add_argument("--dialect", choices=DIALECTS, default="asr", help="which API to serve (default: %(default)s)")
    parser.add_argument(
        "--engine", choices=ENGINES, default=ENGINES[0], help="what recognises speech (default: %(default)s)"
    )
    parser.add_argument("--model-dir", type=Path, metavar="DIR", help="with --engine whisper: the folder of the model")
    parser.add_argument("--api-key", metavar="KEY", help="require Authorization: Bearer KEY")
    args = parser.parse_args()
    try:
        engine = load_engine(args.engine, args.model_dir)
    except EngineError as error:
        print(f"{ERROR_PREFIX}{error}", flush=True)
        sys.exit(1)
    app = create_app(Recogniser(engine), args.dialect, args.api_key)
    server = make_server(args.host, args.port, app, threaded=True, request_handler=RecogniserHandler)
    print(f"{READY_PREFIX}http://{args.host}:{server.server_port}", flush=True)
    # SIGTERM keeps its default action: a Python handler would not run before PocketSphinx returns
    server.serve_forever()


if __name__ == "__main__":
    main()
