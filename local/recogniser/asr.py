"""The dialect `asr`, as in whisper-asr-webservice: no health route, and 500 for a file that is not audio."""

import json
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, request

from local.recogniser.fastapi import validation_errors
from local.recogniser.speech import Recogniser

BOOLEAN_OPTIONS = ("encode", "vad_filter", "word_timestamps", "diarize")


def add_routes(app: Flask, recogniser: Recogniser) -> None:
    @app.post("/asr")
    def asr() -> Response | tuple[dict[str, Any], int]:
        audio = request.files.get("audio_file")
        errors = validation_errors("audio_file", BOOLEAN_OPTIONS)
        if errors or audio is None:
            return {"detail": errors}, 422
        language, output = request.args.get("language", "en"), request.args.get("output", "txt")
        if language not in ("", "en"):
            raise ValueError("language must be 'en': there is no model for another language")
        if output not in ("json", "txt"):
            raise ValueError("output must be 'json' or 'txt'")
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
