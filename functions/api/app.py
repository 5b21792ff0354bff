"""The HTTP API: one function behind an API Gateway HTTP API."""

from callscribe import cold_start

# isort: split
import time
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.errors import CallscribeError
from callscribe.observability import logger
from functions.api import auth, errors, http_response, openapi
from functions.api.http_request import reject_unknown_parameters, require_json_body
from functions.api.settings import configure_tables, cors_origins

LINK_KEY_NAME = "link"
"""What the log has in the place of a key's name."""

ROUTE_MODULES: Mapping[str, tuple[str, ...]] = {
    "/api/call-recordings": ("recordings", "recording", "transcripts", "audio"),
    "/api/scheduler": ("scheduler",),
    "/api/transcription-calls": ("transcription_calls",),
    "/api/modules/call-recordings": ("call_recordings_module",),
    "/api/modules/whisperx": ("whisperx_module",),
    "/admin": ("admin",),
}
"""The modules of routes/ by how all their addresses begin."""

app = APIGatewayHttpResolver(enable_validation=True)


def load_routes(path: str) -> None:
    """Makes `app` serve what there is at this path."""
    for prefix in ROUTE_MODULES:
        if path.startswith(prefix):
            _load_once(prefix)


def load_all_routes() -> None:
    """Makes `app` serve everything."""
    for prefix in ROUTE_MODULES:
        _load_once(prefix)


@cache
def _load_once(prefix: str) -> None:
    """Once for each."""
    for name in ROUTE_MODULES[prefix]:
        app.include_router(import_module(f"functions.api.routes.{name}").router)


errors.install(app)
openapi.install(app, load_all_routes)
app.use([reject_unknown_parameters])


@app.get("/health")
def get_health() -> dict[str, str]:
    """Whether the API answers; open to everyone, and asks nobody else."""
    return {"status": "ok"}


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an API Gateway v2 event."""
    started_at = time.monotonic()
    allowed_origins = cors_origins()
    key_name, response = _handle_request(event, context, allowed_origins)
    # neither path nor query: phone numbers may stand there
    logger.info(
        "request", status=int(response["statusCode"]), key=key_name, ms=round(1000 * (time.monotonic() - started_at))
    )
    return http_response.finalize(response, event, allowed_origins, is_signed_link=key_name == LINK_KEY_NAME)


def _handle_request(
    event: dict[str, Any], context: LambdaContext, allowed_origins: str
) -> tuple[str | None, dict[str, Any]]:
    """The name of the key, and the answer.

    The key comes before everything else, so that nobody without one learns even whether a body is well-formed.
    """
    key_name = None
    try:
        if response := http_response.preflight_response(event, allowed_origins):
            return key_name, response
        if auth.is_guarded(event):
            key_name = LINK_KEY_NAME if auth.is_valid_link(event) else auth.require_key(event)
            app.append_context(key=key_name)  # type: ignore[no-untyped-call]
            configure_tables()
        load_routes(event["rawPath"])
        return key_name, app.resolve(require_json_body(event), context)
    except errors.ApiError as error:
        return key_name, errors.to_gateway_response(error)
    except CallscribeError as error:
        return key_name, errors.to_gateway_response(errors.from_domain_error(error))
    except Exception as error:  # noqa: BLE001 — else the client would have API Gateway's own words, and the log none
        return key_name, errors.to_gateway_response(errors.from_unexpected(error))


cold_start.finish_imports()
