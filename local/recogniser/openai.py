"""The dialect `openai`, as in whisperx-api-server: all options in the form, segments nested."""

from typing import Any

from flask import Flask, Response, request

from local.recogniser.fastapi import validation_errors
from local.recogniser.speech import Recogniser, UndecodableAudio

MODEL = "pocketsphinx"
MODELS = ("", MODEL, "whisper-1")  # the last is the default of clients of OpenAI's API

type Reply = Response | dict[str, Any] | tuple[dict[str, Any], int]


def add_routes(app: Flask, recogniser: Recogniser) -> None:
    @app.post("/v1/audio/transcriptions")
    def transcriptions() -> Reply:
        if error := _request_error():
            return error
        try:
            return _to_response(recogniser.transcribe(request.files["file"].stream))
        except UndecodableAudio:
            return {"detail": "Failed to load audio: the file is not a decodable audio file."}, 422

    @app.get("/v1/models")
    def models() -> Reply:
        return {"object": "list", "data": [{"object": "model", "id": MODEL, "created": 0, "owned_by": "callscribe"}]}

    @app.get("/healthcheck")
    def health() -> Reply:
        return {"status": "healthy"}


def _request_error() -> tuple[dict[str, Any], int] | None:
    """Return the error response to an invalid request, or None."""
    if errors := validation_errors("file", ()):
        return {"detail": errors}, 422
    if request.form.get("model", "") not in MODELS:
        return {"detail": "Model not found."}, 404
    language = request.form.get("language", "en")
    if language != "en":
        problem = {"type": "enum", "loc": ["body", "language"], "msg": "Input should be 'en'", "input": language}
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
