"""The HTTP API: one function behind an API Gateway HTTP API."""

import os
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.errors import CallscribeError
from callscribe.store import models
from callscribe.telemetry import logger
from functions.api import auth, errors
from functions.api.body import with_json_body
from functions.api.routes import (
    call_recordings,
    call_recordings_module,
    modules,
    scheduler,
    transcription_calls,
    transcripts,
)

app = APIGatewayHttpResolver(enable_validation=True)
errors.install(app)
for routes in (call_recordings, transcripts, scheduler, transcription_calls, call_recordings_module, modules):
    app.include_router(routes.router)


@app.get("/health")
def health() -> dict[str, str]:
    """Whether the API answers; open to everyone, and asks nobody else."""
    return {"status": "ok"}


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an API Gateway v2 event.

    The key comes before everything else, so that nobody without one learns even whether a body is well-formed.
    """
    try:
        if auth.is_guarded(event):
            auth.require_key(event)
            models.bind(os.environ)
        return app.resolve(with_json_body(event), context)
    except errors.ApiError as error:
        return errors.wire(error)
    except CallscribeError as error:
        return errors.wire(errors.of_callscribe(error))
