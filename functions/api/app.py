"""The HTTP API: one function behind an API Gateway HTTP API."""

from callscribe import cold_start  # first, and finish_imports() last: the garbage collector is off in between

# isort: split
import time
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.errors import CallscribeError
from callscribe.observability import logger
from functions.api import auth, errors, http_response, openapi
from functions.api.http_request import check_parameters_and_body, require_json_body
from functions.api.routes import load_routes
from functions.api.settings import configure_tables, cors_origins

LINK_KEY_NAME = "link"
"""Logged instead of a key name when the request used a signed link."""

app = APIGatewayHttpResolver(enable_validation=True)

errors.install(app)
openapi.install(app)
app.use([check_parameters_and_body])


@app.get("/health")
def get_health() -> dict[str, str]:
    """Check that the API responds. Needs no key and depends on no other service."""
    return {"status": "ok"}


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle an API Gateway event, payload format 2.0."""
    started_at = time.monotonic()
    allowed_origins = cors_origins()
    key_name, response = _handle_request(event, context, allowed_origins)
    # neither path nor query: they may contain phone numbers
    logger.info(
        "request", status=int(response["statusCode"]), key=key_name, ms=round(1000 * (time.monotonic() - started_at))
    )
    return http_response.finalize(response, event, allowed_origins, is_link=auth.is_link(event))


def _handle_request(
    event: dict[str, Any], context: LambdaContext, allowed_origins: str
) -> tuple[str | None, dict[str, Any]]:
    """Return the name of the key and the response.

    The key is checked before everything else: without one, a client does not even learn whether its body is valid JSON.
    """
    key_name = None
    try:
        if response := http_response.preflight_response(event, allowed_origins):
            return key_name, response
        if auth.is_guarded(event):
            key_name = LINK_KEY_NAME if auth.is_valid_link(event) else auth.require_key(event)
            app.append_context(key=key_name)  # type: ignore[no-untyped-call]
            configure_tables()
        load_routes(app, event["rawPath"])
        return key_name, app.resolve(require_json_body(event), context)
    except errors.ApiError as error:
        return key_name, errors.to_gateway_response(error)
    except CallscribeError as error:
        return key_name, errors.to_gateway_response(errors.from_domain_error(error))
    except Exception as error:  # noqa: BLE001 — else the client would get API Gateway's own message, and the log nothing
        return key_name, errors.to_gateway_response(errors.from_unexpected(error))


cold_start.finish_imports()
