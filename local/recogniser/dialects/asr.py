"""The dialect `asr`, as in whisper-asr-webservice: no health route, and 500 for a file that is not audio."""

import json
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, request

from local.recogniser.dialects.fastapi import read_options, validation_errors
from local.recogniser.engines.base import Recogniser

BOOLEAN_OPTIONS = ("encode", "vad_filter", "word_timestamps", "diarize")


def add_routes(app: Flask, recogniser: Recogniser) -> None:
    @app.post("/asr")
    def asr() -> Response | tuple[dict[str, Any], int]:
        audio = request.files.get("audio_file")
        errors = validation_errors("audio_file", BOOLEAN_OPTIONS)
        if errors or audio is None:
            return {"detail": errors}, 422
        options, output = read_options(request.args), request.args.get("output", "txt")
        if not recogniser.knows(options.language):
            raise ValueError("there is no model for this language")
        if output not in ("json", "txt"):
            raise ValueError("output must be 'json' or 'txt'")
        result = recogniser.transcribe(audio.stream, options)
        if output == "json":
            body = json.dumps(result)
        else:
            body = "".join(segment["text"].strip() + "\n" for segment in result["segments"])
        response = Response(body, content_type="text/plain; charset=utf-8")
        response.headers["Asr-Engine"] = recogniser.engine.name
        name = quote(f"{audio.filename}.{output}")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
