"""The HTTP API: one function behind an API Gateway HTTP API."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.errors import ConfigurationError
from callscribe.telemetry import logger
from functions.api import auth, errors
from functions.api.routes import call_recordings
from functions.api.settings import settings

app = APIGatewayHttpResolver(enable_validation=True)
errors.install(app)
app.include_router(call_recordings.router)


@app.get("/health")
def health() -> dict[str, str]:
    """Whether the API answers; open to everyone, and asks nobody else."""
    return {"status": "ok"}


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an API Gateway v2 event."""
    settings()
    try:
        refusal = auth.refusal(event)
    except ConfigurationError as error:
        logger.error("the API key cannot be checked", reason=error.message)
        refusal = errors.ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, error.code, error.message)
    return errors.wire(refusal) if refusal else app.resolve(event, context)
