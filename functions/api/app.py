"""The HTTP API: one function behind an API Gateway HTTP API."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, content_types
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.errors import ConfigurationError
from callscribe.telemetry import logger
from functions.api import auth, errors
from functions.api.routes import call_recordings
from functions.api.settings import settings

FORM = "application/x-www-form-urlencoded"

app = APIGatewayHttpResolver(enable_validation=True)
errors.install(app)
app.include_router(call_recordings.router)


@app.get("/health")
def health() -> dict[str, str]:
    """Whether the API answers; open to everyone, and asks nobody else."""
    return {"status": "ok"}


def taken_as_json(event: dict[str, Any]) -> dict[str, Any]:
    """The event with a form's content type made JSON's: `curl -d` sends that one unless told otherwise.

    There are no forms here, and a key in a header is nothing that a foreign page's form could send.
    """
    headers = event.get("headers") or {}
    form = any(name.lower() == "content-type" and value.startswith(FORM) for name, value in headers.items())
    if not form:
        return event
    others = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return {**event, "headers": {**others, "content-type": content_types.APPLICATION_JSON}}


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an API Gateway v2 event."""
    settings()
    try:
        refusal = auth.refusal(event)
    except ConfigurationError as error:
        logger.error("the API key cannot be checked", reason=error.message)
        refusal = errors.ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, error.code, error.message)
    return errors.wire(refusal) if refusal else app.resolve(taken_as_json(event), context)
