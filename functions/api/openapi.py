"""/openapi.json and /docs. Powertools generates the document from the routes and their models.

What all routes have in common is added here instead of in every decorator.
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

from functions.api.routes import load_all_routes
from functions.api.schemas.errors import ErrorResponse

API_DESCRIPTION = """Call recordings and their transcripts.

All routes below `/api` require an API key: `Authorization: Bearer KEY`. Every error has the shape `Error`; `message`
says what to do. API Gateway itself responds with 429 when the stack's request limit is exceeded. Times are RFC 3339 in
UTC. Lists are paginated: send `nextCursor` as `cursor`, with the same filters, until it is null."""

TAG_DESCRIPTIONS: Mapping[str, str] = {
    "call-recordings": "List, view, correct and transcribe recordings; get their transcripts and audio.",
    "scheduler": "Scheduled tasks and their runs.",
    "transcription-calls": "HTTP requests to the WhisperX server.",
    "modules": "Settings of the integrations.",
    "health": "Health check.",
}
SCHEMA_NAMES: Mapping[str, str] = {"Status": "TranscriptionStatus"}
"""Models whose schema has another name. All others keep theirs, without the suffix `Response`."""

SCHEMA_PREFIX = "#/components/schemas/"
SCHEMA_REFERENCE = re.compile(SCHEMA_PREFIX + r"(\w+)")
ERROR_CONTENT = {content_types.APPLICATION_JSON: {"schema": {"$ref": f"{SCHEMA_PREFIX}ErrorResponse"}}}
THROTTLED_CONTENT = {
    content_types.APPLICATION_JSON: {"schema": {"type": "object", "properties": {"message": {"type": "string"}}}}
}
"""The body of API Gateway's own 429."""

LINK_DESCRIPTION = "Signature of a URL returned by …/audio-link."
RESPONSE_HEADERS: Mapping[int, Mapping[str, str]] = {
    201: {"Location": "Path of the recording."},
    202: {"Location": "Path of the run, if the response is a run."},
    206: {"Content-Range": "The bytes in this response, and the total.", "ETag": "For `If-Range`."},
    302: {"Location": "A URL that is valid for five minutes."},
    304: {"ETag": "Tag of the content that the client has."},
    416: {"Content-Range": "The total number of bytes."},
    503: {"Retry-After": "Seconds to wait."},
}
"""Documented response headers, by status."""
BODILESS_STATUSES = (204, 302, 304)
"""Responses without a body."""

DOCS_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
)
"""The Swagger page is a single document that contains all its code and connects only to this API."""


def documented_responses(*statuses: int) -> dict[int, Any]:
    """Document a route's own statuses, for its decorator. Its success and what all routes have are added later."""
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def install(app: APIGatewayHttpResolver) -> None:
    """Add both routes to `app`. The document is generated on the first request, after all routes are loaded."""

    @cache
    def openapi_json() -> str:
        load_all_routes(app)
        return json.dumps(build_openapi(app), ensure_ascii=False)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response[str]:
        return Response(HTTPStatus.OK, content_types.APPLICATION_JSON, openapi_json())

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response[str]:
        return Response(
            HTTPStatus.OK,
            "text/html; charset=utf-8",
            _swagger_page(openapi_json()),
            headers={"Content-Security-Policy": DOCS_CONTENT_SECURITY_POLICY},
        )


def build_openapi(app: APIGatewayHttpResolver) -> dict[str, Any]:
    """Build the OpenAPI 3.1 document of the routes that are loaded."""
    from aws_lambda_powertools.event_handler.openapi.models import APIKey, HTTPBearer, Tag

    for route in app._static_routes + app._dynamic_routes:  # noqa: SLF001 — Powertools has no public way
        _document_route(route)
    text = app.get_openapi_json_schema(
        title="Callscribe",
        version="1.0",
        description=API_DESCRIPTION,
        tags=[Tag(name=name, description=text) for name, text in TAG_DESCRIPTIONS.items()],
        security_schemes={
            "bearer": HTTPBearer(description="A key from the stack's API-key secret."),
            "link": APIKey.model_validate({"in": "query", "name": "signature", "description": LINK_DESCRIPTION}),
        },
    )
    document: dict[str, Any] = json.loads(
        SCHEMA_REFERENCE.sub(lambda reference: SCHEMA_PREFIX + _schema_name(reference[1]), text)
    )
    for operations in document["paths"].values():
        for operation in operations.values():
            del operation["responses"]["422"]  # Powertools' own status; invalid requests get a 400 here
    error_schema = ErrorResponse.model_json_schema(ref_template=SCHEMA_PREFIX + "{model}")
    schemas = {**document["components"]["schemas"], **error_schema.pop("$defs"), "ErrorResponse": error_schema}
    document["components"]["schemas"] = {
        _schema_name(name): schema for name, schema in schemas.items() if not name.endswith("ValidationError")
    }
    return document


def _document_route(route: Any) -> None:
    """Set what all routes have in common. The function `list_recordings` becomes the operation `listRecordings`."""
    requires_key, name = route.path.startswith("/api/"), route.func.__name__
    route.operation_id = to_camel(name)
    route.summary = name.replace("_", " ").capitalize()
    route.description = inspect.getdoc(route.func)
    route.tags = [route.path.split("/")[2 if requires_key else 1]]
    route.security = route.security or ([{"bearer": []}] if requires_key else None)
    common_statuses = (400, 401, 429, 500, 503) if requires_key else (400,)
    body_statuses = (413, 415) if route.dependant.body_params else ()
    route.responses = documented_responses(route.status_code, *common_statuses, *body_statuses) | (
        route.responses or {}
    )
    for status, response in route.responses.items():
        if status in RESPONSE_HEADERS:
            response["headers"] = {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in RESPONSE_HEADERS[status].items()
            }
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            response["content"] = THROTTLED_CONTENT
        elif status >= HTTPStatus.BAD_REQUEST:
            response["content"] = ERROR_CONTENT
        elif status in BODILESS_STATUSES:
            response["content"] = {}


def _schema_name(model: str) -> str:
    return SCHEMA_NAMES.get(model, model.removesuffix("Response"))


def _swagger_page(document: str) -> str:
    from aws_lambda_powertools.event_handler.openapi import swagger_ui

    folder = files(swagger_ui)
    script, style = ((folder / name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css"))
    page: str = swagger_ui.generate_swagger_html(document.replace("</", "<\\/"), script, style, "", None, False)
    return page
