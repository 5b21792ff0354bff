"""What servers made with FastAPI have in common: validation errors and the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

from flask import Flask, request

BOOLEAN_VALUES = {"true", "false", "1", "0", "on", "off", "yes", "no", "t", "f", "y", "n"}  # as Pydantic reads them


def validation_errors(file_field: str, boolean_options: Iterable[str]) -> list[dict[str, Any]]:
    """Return FastAPI's validation errors for the file and the boolean options of the current request."""
    errors: list[dict[str, Any]] = [
        {
            "type": "bool_parsing",
            "loc": ["query", name],
            "msg": "Input should be a valid boolean, unable to interpret input",
            "input": request.args[name],
        }
        for name in boolean_options
        if name in request.args and request.args[name].lower() not in BOOLEAN_VALUES
    ]
    location = ["body", file_field]
    if file_field in request.form:  # a part without a file name is an ordinary form field
        message = "Value error, Expected UploadFile, received: <class 'str'>"
        errors.append({"type": "value_error", "loc": location, "msg": message, "input": "", "ctx": {"error": {}}})
    elif file_field not in request.files:
        errors.append({"type": "missing", "loc": location, "msg": "Field required", "input": None})
    return errors


def openapi_document(app: Flask) -> dict[str, Any]:
    """Return an OpenAPI document with the routes, and only with what clients look for in it."""
    paths: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in ("static", "openapi"):
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            route = rule.rule.replace("<", "{").replace(">", "}")
            paths.setdefault(route, {}).update({method.lower(): {"responses": {"200": {}}} for method in methods})
    info = {"title": "Callscribe's local recogniser (PocketSphinx)", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths}
