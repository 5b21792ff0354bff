"""The dialect `openai`, as in whisperx-api-server: all options in the form, segments nested."""

from typing import Any

from flask import Flask, Response, request

from local.recogniser.dialects.fastapi import read_options, validation_errors
from local.recogniser.engines.audio import UndecodableAudio
from local.recogniser.engines.base import Recogniser

DEFAULT_MODELS = ("", "whisper-1")
"""Accepted besides the engine's own model: clients of OpenAI's API send the second one by default."""

type Reply = Response | dict[str, Any] | tuple[dict[str, Any], int]


def add_routes(app: Flask, recogniser: Recogniser) -> None:
    @app.post("/v1/audio/transcriptions")
    def transcriptions() -> Reply:
        if error := _request_error(recogniser):
            return error
        try:
            return _to_response(recogniser.transcribe(request.files["file"].stream, read_options(request.form)))
        except UndecodableAudio:
            return {"detail": "Failed to load audio: the file is not a decodable audio file."}, 422

    @app.get("/v1/models")
    def models() -> Reply:
        model = {"object": "model", "id": recogniser.engine.model, "created": 0, "owned_by": "callscribe"}
        return {"object": "list", "data": [model]}

    @app.get("/healthcheck")
    def health() -> Reply:
        return {"status": "healthy"}


def _request_error(recogniser: Recogniser) -> tuple[dict[str, Any], int] | None:
    """Return the error response to an invalid request, or None."""
    if errors := validation_errors("file", location="body"):
        return {"detail": errors}, 422
    if request.form.get("model", "") not in (*DEFAULT_MODELS, recogniser.engine.model):
        return {"detail": "Model not found."}, 404
    language = request.form.get("language", "")
    if not recogniser.knows(language):
        expected = ", ".join(f"'{code}'" for code in sorted(recogniser.engine.languages))
        message = f"Input should be one of {expected}"
        problem = {"type": "enum", "loc": ["body", "language"], "msg": message, "input": language}
        return {"detail": [problem]}, 422
    return None


def _to_response(result: dict[str, Any]) -> Reply:
    """Return the transcript in the requested format."""
    text = "\n".join(segment["text"].strip() for segment in result["segments"])
    match request.form.get("response_format", "json"):
        case "verbose_json":
            nested = {name: result[name] for name in ("segments", "word_segments")}
            return {"segments": nested, "language": result["language"], "text": text}
        case "text":
            return Response(text, content_type="text/plain; charset=utf-8")
        case _:
            return {"text": text}
