"""/openapi.json and /docs: what the routes and their models say of themselves, for people and for generated clients.

Powertools makes the document from the models. What it cannot know is said here: our errors in the place of its own,
the key, and names that make a good client: `list_recordings` is the operation `listRecordings`.
"""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from pydantic.alias_generators import to_camel

from functions.api.answers import EVERYWHERE, HEADERS, STATUSES, marked
from functions.api.routing import include_all
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
SCHEMAS = "#/components/schemas/"
SCHEMA = re.compile(SCHEMAS + r"(\w+)")
CALLED = {
    "Status": "TranscriptionStatus",
    "Outcome": "RunStatus",
    "TaskView": "ScheduledTask",
    "TranscriptView": "TranscriptSummary",
    "CallView": "TranscriptionCall",
    "CallList": "TranscriptionCallList",
    "CallRecordingsView": "CallRecordingsModule",
    "WhisperXView": "WhisperXModule",
}
"""Models that are called otherwise in a generated client; of the rest, a `View` behind the name is left out."""

ERROR = {"schema": {"$ref": f"{SCHEMAS}ErrorView"}}
THROTTLED = {"schema": {"type": "object", "properties": {"message": {"type": "string"}}}}
"""API Gateway's own."""

REQUEST_HEADERS: Mapping[str, Mapping[str, str]] = {
    "/transcript": {"If-None-Match": "The `ETag` of what one has: 304 where it is still the same."},
    "/audio": {
        "If-None-Match": "The `ETag` of what one has: 304 where it is still the same.",
        "If-Range": "The `ETag` of what one has a part of: otherwise the whole is sent.",
        "Range": "A part of a file in a folder, such as `bytes=0-4194303`.",
    },
}
"""By the end of the path."""
PARAMETER = re.compile(r"\{(\w+)\}")
EMPTY = (204, 302, 304)
"""Answers without a body."""

POWERTOOLS_OWN = "Successful Response"
PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
)
"""Swagger's page is one document with all its code in it, and speaks to this API alone."""


def install(app: APIGatewayHttpResolver) -> None:
    """Makes `app` serve both."""

    @cache
    def document() -> str:
        return json.dumps(specification(app), ensure_ascii=False)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response[str]:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, document())

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response[str]:
        return Response(
            HTTPStatus.OK,
            "text/html; charset=utf-8",
            _page(document()),
            headers={"Content-Security-Policy": PAGE_POLICY},
        )


def specification(app: APIGatewayHttpResolver) -> dict[str, Any]:
    """The whole document, as OpenAPI 3.1."""
    include_all(app)
    document: dict[str, Any] = json.loads(app.get_openapi_json_schema(title=TITLE, version=VERSION))
    routes = {(_path(route.path), route.method.lower()): route for route in app._static_routes + app._dynamic_routes}  # noqa: SLF001 — it offers no other way
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, routes[path, method].func)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    problem = ErrorView.model_json_schema(ref_template=SCHEMAS + "{model}")
    schemas |= {**problem.pop("$defs"), "ErrorView": problem}
    for schema in schemas.values():
        for member in schema.get("properties", {}).values():
            member.pop("title", None)
    document = json.loads(SCHEMA.sub(lambda found: SCHEMAS + _called(found[1]), json.dumps(document)))
    schemas = {_called(name): schema for name, schema in document["components"]["schemas"].items()}
    return {
        **document,
        "info": {**document["info"], "description": DESCRIPTION},
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {PARAMETER.sub(_in_camels, path): each for path, each in document["paths"].items()},
        "components": {"schemas": schemas, "securitySchemes": {"bearer": BEARER, "link": LINK}},
    }


def _complete(operation: dict[str, Any], path: str, route: Any) -> None:
    guarded = path.startswith("/api/")
    operation["operationId"] = to_camel(route.__name__)
    operation["summary"] = route.__name__.replace("_", " ").capitalize()
    operation["description"] = inspect.getdoc(route) or ""
    operation["tags"] = [path.split("/")[2 if guarded else 1]]
    operation["security"] = [{"bearer": []}] if guarded else []
    if path.endswith("/audio"):
        operation["security"].append({"link": []})
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _given(parameter["schema"])
        if parameter["in"] == "path":
            parameter["name"] = to_camel(parameter["name"])
    for name, text in REQUEST_HEADERS.get(path[path.rindex("/") :], {}).items():
        header = {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        operation.setdefault("parameters", []).append(header)
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        content["schema"] = _given(content["schema"])
    operation["responses"] = _responses(operation, guarded=guarded, own=marked(route))


def _called(name: str) -> str:
    return CALLED.get(name, name.removesuffix("View"))


def _given(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of what may be left out, as it is where it is not: nobody sends null instead."""
    rest = {name: value for name, value in schema.items() if name not in ("title", "anyOf")}
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, **({"anyOf": kinds} if kinds else {})}


def _responses(operation: Mapping[str, Any], *, guarded: bool, own: Iterable[int]) -> dict[str, Any]:
    """What Powertools knows of them, with our errors in the place of its 422."""
    told = {int(status): answer for status, answer in operation["responses"].items() if status != "422"}
    success = next(iter(told.values()))
    body = (413, 415) if "requestBody" in operation else ()
    for status in {400, 405, *own, *body, *(EVERYWHERE if guarded else ())}:
        told[status] = {"description": STATUSES[status]}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            told[status]["content"] = {content_types.APPLICATION_JSON: THROTTLED}
        elif status >= HTTPStatus.BAD_REQUEST:
            told[status]["content"] = {content_types.APPLICATION_JSON: ERROR}
        elif status not in EMPTY:
            told[status]["content"] = success["content"]
    for status, answer in told.items():
        if answer["description"] == POWERTOOLS_OWN:
            answer["description"] = STATUSES[status]
        if status in EMPTY:
            answer.pop("content", None)
        if status in HEADERS:
            answer["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS[status].items()
            }
    return {str(status): told[status] for status in sorted(told)}


def _in_camels(parameter: re.Match[str]) -> str:
    return "{" + to_camel(parameter[1]) + "}"


def _path(rule: str) -> str:
    """`/api/call-recordings/<recording_id>` as the document has it."""
    return rule.replace("<", "{").replace(">", "}")


def _page(document: str) -> str:
    from aws_lambda_powertools.event_handler.openapi import swagger_ui

    folder = files(swagger_ui)
    script, style = ((folder / name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css"))
    page: str = swagger_ui.generate_swagger_html(document.replace("</", "<\\/"), script, style, "", None, False)
    return page
