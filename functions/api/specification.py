"""/openapi.json and /docs: Powertools makes the document from the routes and their models.

What all routes have in common is added here, so that no decorator repeats it.
"""

import inspect
import json
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from pydantic.alias_generators import to_camel

from functions.api.routing import include_all
from functions.api.views.problems import ErrorView

DESCRIPTION = """Call recordings and their transcripts.

All routes below `/api` want a key: `Authorization: Bearer KEY`. Every error has one shape, `Error`; its `message`
says what to do. More requests than the stack allows are answered with 429 by API Gateway itself. Times are RFC 3339 in
UTC. Lists come in pages: send `nextCursor` as `cursor`, with the same filters, until it is null."""

TAGS: Mapping[str, str] = {
    "call-recordings": "Recordings: list, look at, put right; their transcripts and audio.",
    "scheduler": "The tasks and their runs.",
    "transcription-calls": "What was exchanged with the transcription service.",
    "modules": "Settings of the integrations.",
    "health": "Whether the API answers.",
}
SCHEMA_NAMES: Mapping[str, str] = {
    "Status": "TranscriptionStatus",
    "Outcome": "RunStatus",
    "TaskView": "ScheduledTask",
    "TranscriptView": "TranscriptSummary",
    "CallView": "TranscriptionCall",
    "CallList": "TranscriptionCallList",
    "CallRecordingsView": "CallRecordingsModule",
    "WhisperXView": "WhisperXModule",
}
"""Models that have another name in a generated client. Of all others, only a `View` at the end is left out."""

SCHEMAS = "#/components/schemas/"
REFERENCE = re.compile(SCHEMAS + r"(\w+)")
ERROR = {content_types.APPLICATION_JSON: {"schema": {"$ref": f"{SCHEMAS}ErrorView"}}}
THROTTLED = {
    content_types.APPLICATION_JSON: {"schema": {"type": "object", "properties": {"message": {"type": "string"}}}}
}
"""API Gateway's own."""

LINK = "Of an address that …/audio-link gave."
HEADERS: Mapping[int, Mapping[str, str]] = {
    201: {"Location": "Where it is."},
    202: {"Location": "Where its run is, if it is one."},
    206: {"Content-Range": "Which part it is, and of how many bytes.", "ETag": "For `If-Range`."},
    302: {"Location": "An address that is good for five minutes."},
    304: {"ETag": "Of what the client has."},
    416: {"Content-Range": "How many bytes there are."},
    503: {"Retry-After": "Seconds."},
}
"""Headers of a response that a client needs, by status."""
EMPTY = (204, 302, 304)
"""Answers without a body."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
)
"""Swagger's page is one document with all its code in it, and speaks to this API alone."""


def answers(*statuses: int) -> dict[int, Any]:
    """For the decorator of a route: its own statuses, without that of its success and those of all routes."""
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


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
    from aws_lambda_powertools.event_handler.openapi.models import APIKey, HTTPBearer, Tag

    include_all(app)
    for route in app._static_routes + app._dynamic_routes:  # noqa: SLF001 — it offers no other way
        _describe(route)
    text = app.get_openapi_json_schema(
        title="Callscribe",
        version="1.0",
        description=DESCRIPTION,
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        security_schemes={
            "bearer": HTTPBearer(description="A key of the stack's API-key secret."),
            "link": APIKey.model_validate({"in": "query", "name": "signature", "description": LINK}),
        },
    )
    document: dict[str, Any] = json.loads(REFERENCE.sub(lambda found: SCHEMAS + _schema_name(found[1]), text))
    for operations in document["paths"].values():
        for operation in operations.values():
            del operation["responses"]["422"]  # Powertools' own; such a request is answered with 400
    problem = ErrorView.model_json_schema(ref_template=SCHEMAS + "{model}")
    schemas = {**document["components"]["schemas"], **problem.pop("$defs"), "ErrorView": problem}
    document["components"]["schemas"] = {
        _schema_name(name): schema for name, schema in schemas.items() if not name.endswith("ValidationError")
    }
    return document


def _describe(route: Any) -> None:
    """Sets what a route has in common with all others: `list_recordings` becomes the operation `listRecordings`."""
    guarded, name = route.path.startswith("/api/"), route.func.__name__
    route.operation_id = to_camel(name)
    route.summary = name.replace("_", " ").capitalize()
    route.description = inspect.getdoc(route.func)
    route.tags = [route.path.split("/")[2 if guarded else 1]]
    route.security = route.security or ([{"bearer": []}] if guarded else None)
    common = (400, 401, 429, 500, 503) if guarded else (400,)
    body = (413, 415) if route.dependant.body_params else ()
    route.responses = answers(route.status_code, *common, *body) | (route.responses or {})
    for status, answer in route.responses.items():
        if status in HEADERS:
            answer["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS[status].items()
            }
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            answer["content"] = THROTTLED
        elif status >= HTTPStatus.BAD_REQUEST:
            answer["content"] = ERROR
        elif status in EMPTY:
            answer["content"] = {}


def _schema_name(model: str) -> str:
    return SCHEMA_NAMES.get(model, model.removesuffix("View"))


def _page(document: str) -> str:
    from aws_lambda_powertools.event_handler.openapi import swagger_ui

    folder = files(swagger_ui)
    script, style = ((folder / name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css"))
    page: str = swagger_ui.generate_swagger_html(document.replace("</", "<\\/"), script, style, "", None, False)
    return page
