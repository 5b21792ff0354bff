"""/openapi.json and /docs: what the routes and their models say of themselves, for people and for generated clients.

Powertools makes the document from the models. What it cannot know is said here: our errors in the place of its own,
the key, and names that make a good client: `list_recordings` is the operation `listRecordings`.
"""

import inspect
import json
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from pydantic.alias_generators import to_camel

from functions.api.answers import EVERYWHERE, STATUSES, marked
from functions.api.views.problems import ErrorView

VERSION = "1.0"
TITLE = "Callscribe"
DESCRIPTION = """Call recordings and their transcripts.

All routes below `/api` want a key: `Authorization: Bearer KEY`. Every error has one shape, `ErrorView`; its `message`
says what to do. More requests than the stack allows are answered with 429 by API Gateway itself. Times are RFC 3339 in
UTC. Lists come in pages: send `nextCursor` as `cursor`, with the same filters, until it is null."""

TAGS: Mapping[str, str] = {
    "call-recordings": "Recordings: list, look at, put right; their transcripts and audio.",
    "scheduler": "The tasks and their runs.",
    "transcription-calls": "What was exchanged with the transcription service.",
    "modules": "Settings of the integrations.",
    "health": "Whether the API answers.",
}
BEARER = {"type": "http", "scheme": "bearer", "description": "A key of the stack's API-key secret."}
LINK = {
    "type": "apiKey",
    "in": "query",
    "name": "signature",
    "description": "Of an address that …/audio-link gave.",
}
ERROR = {"schema": {"$ref": "#/components/schemas/ErrorView"}}
PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
)
"""Swagger's page is one document with all its code in it, and speaks to this API alone."""


def install(app: APIGatewayHttpResolver) -> None:
    """Makes `app` serve both."""

    @cache
    def document() -> str:
        return json.dumps(specification(app), ensure_ascii=False)

    @app.get("/openapi.json", include_in_schema=False, compress=True)
    def openapi() -> Response[str]:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, document())

    @app.get("/docs", include_in_schema=False, compress=True)
    def docs() -> Response[str]:
        return Response(
            HTTPStatus.OK,
            "text/html; charset=utf-8",
            _page(document()),
            headers={"Content-Security-Policy": PAGE_POLICY},
        )


def specification(app: APIGatewayHttpResolver) -> dict[str, Any]:
    """The whole document, as OpenAPI 3.1."""
    document: dict[str, Any] = json.loads(app.get_openapi_json_schema(title=TITLE, version=VERSION))
    routes = {(_path(route.path), route.method.lower()): route for route in app._static_routes + app._dynamic_routes}  # noqa: SLF001 — it offers no other way
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, routes[path, method].func)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    problem = ErrorView.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), "ErrorView": problem}
    document["components"]["securitySchemes"] = {"bearer": BEARER, "link": LINK}
    document["info"]["description"] = DESCRIPTION
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    return document


def _complete(operation: dict[str, Any], path: str, route: Any) -> None:
    guarded = path.startswith("/api/")
    operation["operationId"] = to_camel(route.__name__)
    operation["summary"] = route.__name__.replace("_", " ").capitalize()
    operation["description"] = inspect.getdoc(route) or ""
    operation["tags"] = [path.split("/")[2 if guarded else 1]]
    operation["security"] = [{"bearer": []}] if guarded else []
    if path.endswith("/audio"):
        operation["security"].append({"link": []})
    responses = operation["responses"]
    responses.pop("422", None)
    success = next(iter(responses.values()))
    for parameter in operation.get("parameters", ()):
        parameter["schema"].pop("title", None)
    for status in _statuses(operation, guarded, marked(route)):
        answer: dict[str, Any] = {"description": STATUSES[status]}
        if status < HTTPStatus.BAD_REQUEST:
            answer |= {"content": success["content"]} if "content" in success and status not in (302, 304) else {}
        else:
            answer["content"] = {content_types.APPLICATION_JSON: ERROR}
        responses[str(status)] = answer
    for status, answer in responses.items():
        if answer["description"] == "Successful Response":
            answer["description"] = STATUSES[int(status)]
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(operation: Mapping[str, Any], guarded: bool, own: Iterable[int]) -> list[int]:
    takes = {400} if "parameters" in operation else set()
    body = {400, 413, 415} if "requestBody" in operation else set()
    return sorted({*own, *takes, *body, *(EVERYWHERE if guarded else ())})


def _path(rule: str) -> str:
    """`/api/call-recordings/<recording_id>` as the document has it."""
    return rule.replace("<", "{").replace(">", "}")


def _page(document: str) -> str:
    from aws_lambda_powertools.event_handler.openapi import swagger_ui

    folder = files(swagger_ui)
    script, style = ((folder / name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css"))
    page: str = swagger_ui.generate_swagger_html(document.replace("</", "<\\/"), script, style, "", None, False)
    return page
