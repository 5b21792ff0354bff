"""What servers made with FastAPI have in common: validation errors and the OpenAPI document."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask, request

from local.recogniser.engines.base import Engine, RecognitionOptions

FALSE_VALUES = {"false", "0", "off", "no", "f", "n"}
BOOLEAN_VALUES = {"true", "1", "on", "yes", "t", "y", *FALSE_VALUES}
"""As Pydantic reads them."""


def read_options(values: Mapping[str, str]) -> RecognitionOptions:
    """Return the options of a request from its query or form, which has been validated."""
    return RecognitionOptions(
        language=values.get("language") or None, vad_filter=values.get("vad_filter", "").lower() not in FALSE_VALUES
    )


def validation_errors(
    file_field: str, boolean_options: Iterable[str] = ("vad_filter",), *, location: str = "query"
) -> list[dict[str, Any]]:
    """Return FastAPI's validation errors for the file and the boolean options of the current request.

    `location`: where the options are, `query` or `body`.
    """
    values = request.args if location == "query" else request.form
    errors: list[dict[str, Any]] = [
        {
            "type": "bool_parsing",
            "loc": [location, name],
            "msg": "Input should be a valid boolean, unable to interpret input",
            "input": values[name],
        }
        for name in boolean_options
        if name in values and values[name].lower() not in BOOLEAN_VALUES
    ]
    file_location = ["body", file_field]
    if file_field in request.form:  # a part without a file name is an ordinary form field
        message = "Value error, Expected UploadFile, received: <class 'str'>"
        errors.append({"type": "value_error", "loc": file_location, "msg": message, "input": "", "ctx": {"error": {}}})
    elif file_field not in request.files:
        errors.append({"type": "missing", "loc": file_location, "msg": "Field required", "input": None})
    return errors


def openapi_document(app: Flask, engine: Engine) -> dict[str, Any]:
    """Return an OpenAPI document with the routes, and only with what clients look for in it."""
    paths: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in ("static", "openapi"):
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            route = rule.rule.replace("<", "{").replace(">", "}")
            paths.setdefault(route, {}).update({method.lower(): {"responses": {"200": {}}} for method in methods})
    info = {"title": f"Callscribe's local recogniser ({engine.name})", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths}
