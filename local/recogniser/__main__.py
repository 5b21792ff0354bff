"""A small speech recogniser of WhisperX's `asr` dialect: the demo and the tests need no GPU and no network.

It is PocketSphinx with its US English model: offline and real recognition, but of modest accuracy, most of
all on telephone audio. English only, lower case, no punctuation, no speakers; `output` is `json` or `txt`.
Statuses and shapes follow whisper-asr-webservice, which also does one job at a time.
"""

import argparse
import hmac
import json
import sys
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server

from local.recogniser.speech import Recogniser

BOOLEANS = {"true", "false", "1", "0", "on", "off", "yes", "no", "t", "f", "y", "n"}  # as Pydantic reads them
BOOLEAN_OPTIONS = ("encode", "vad_filter", "word_timestamps", "diarize")


class UnsupportedOption(Exception):
    """A language or an output that this recogniser does not have."""


def create_app(recogniser: Recogniser, api_key: str | None = None) -> Flask:  # noqa: C901 — one route after another
    app = Flask(__name__)

    @app.before_request
    def authorise() -> tuple[dict[str, str], int] | None:
        given = request.headers.get("Authorization", "").encode()
        if api_key is not None and not hmac.compare_digest(given, f"Bearer {api_key}".encode()):
            return {"detail": "Unauthorized"}, 401
        return None

    @app.post("/asr")
    def asr() -> Response | tuple[dict[str, Any], int]:
        audio = request.files.get("audio_file")
        faults = _faults()
        if faults or audio is None:
            return {"detail": faults}, 422
        language, output = request.args.get("language", "en"), request.args.get("output", "txt")
        if language not in ("", "en"):
            raise UnsupportedOption("language must be 'en': there is no model for another one")
        if output not in ("json", "txt"):
            raise UnsupportedOption("output must be 'json' or 'txt'")
        result = recogniser.transcribe(audio.stream)
        if output == "json":
            body = json.dumps(result)
        else:
            body = "".join(segment["text"].strip() + "\n" for segment in result["segments"])
        response = Response(body, content_type="text/plain; charset=utf-8")
        response.headers["Asr-Engine"] = "pocketsphinx"
        name = quote(f"{audio.filename}.{output}")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    @app.get("/openapi.json")
    def openapi() -> dict[str, Any]:
        with recogniser.busy:  # the real one answers nothing while a job runs
            return OPENAPI

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[dict[str, str], int]:
        return {"detail": error.name}, error.code or 500

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        print(f"500: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return Response("Internal Server Error", 500, content_type="text/plain; charset=utf-8")

    return app


def _faults() -> list[dict[str, Any]]:
    """What FastAPI would find wrong with the request, in its words."""
    faults: list[dict[str, Any]] = [
        {
            "type": "bool_parsing",
            "loc": ["query", name],
            "msg": "Input should be a valid boolean, unable to interpret input",
            "input": request.args[name],
        }
        for name in BOOLEAN_OPTIONS
        if name in request.args and request.args[name].lower() not in BOOLEANS
    ]
    place = ["body", "audio_file"]
    if "audio_file" in request.form:  # a part without a file name is an ordinary form field
        message = "Value error, Expected UploadFile, received: <class 'str'>"
        faults.append({"type": "value_error", "loc": place, "msg": message, "input": "", "ctx": {"error": {}}})
    elif "audio_file" not in request.files:
        faults.append({"type": "missing", "loc": place, "msg": "Field required", "input": None})
    return faults


OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Callscribe's local recogniser (PocketSphinx)", "version": "1"},
    "paths": {
        "/asr": {
            "post": {
                "parameters": [
                    {"name": "output", "in": "query", "schema": {"enum": ["txt", "json"], "default": "txt"}},
                    {"name": "language", "in": "query", "schema": {"enum": ["en"]}},
                ],
                "requestBody": {"content": {"multipart/form-data": {"schema": {"required": ["audio_file"]}}}},
                "responses": {"200": {"description": "The transcript"}},
            }
        }
    },
}


class QuietRequestHandler(WSGIRequestHandler):
    """No access log: file names in requests hold telephone numbers."""

    timeout = 60  # a client that connects and stays silent must not keep its thread for good

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.recogniser", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--api-key", metavar="KEY", help="demand Authorization: Bearer KEY")
    args = parser.parse_args()
    app = create_app(Recogniser(), args.api_key)
    server = make_server(args.host, args.port, app, threaded=True, request_handler=QuietRequestHandler)
    print(f"listening on http://{args.host}:{server.server_port}", flush=True)
    # SIGTERM keeps its default action: a handler in Python would wait until PocketSphinx is done.
    server.serve_forever()


if __name__ == "__main__":
    main()
