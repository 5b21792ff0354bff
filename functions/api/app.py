"""The HTTP API: one function behind an API Gateway HTTP API."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.telemetry import logger
from functions.api import errors
from functions.api.auth import require_key
from functions.api.routes import call_recordings
from functions.api.settings import settings

app = APIGatewayHttpResolver(enable_validation=True)
app.use(middlewares=[require_key])
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
    return app.resolve(event, context)
