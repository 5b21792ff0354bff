"""The HTTP API: one function behind an API Gateway HTTP API."""

from callscribe import start

# isort: split
import os
import time
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from callscribe.errors import CallscribeError
from callscribe.store import models
from callscribe.telemetry import logger
from functions.api import auth, errors, headers, links, routing, specification
from functions.api.body import with_json_body
from functions.api.parameters import only_known
from functions.api.settings import origins

LINK = "link"
"""What the log has in the place of a key's name."""

app = APIGatewayHttpResolver(enable_validation=True)
errors.install(app)
specification.install(app)
app.use([only_known])


@app.get("/health")
def get_health() -> dict[str, str]:
    """Whether the API answers; open to everyone, and asks nobody else."""
    return {"status": "ok"}


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes an API Gateway v2 event."""
    began = time.monotonic()
    allowed = origins()
    key, answer = _answer(event, context, allowed)
    # neither path nor query: phone numbers may stand there
    logger.info("request", status=int(answer["statusCode"]), key=key, ms=round(1000 * (time.monotonic() - began)))
    return headers.finished(answer, event, allowed, linked=key == LINK)


def _answer(event: dict[str, Any], context: LambdaContext, allowed: str) -> tuple[str | None, dict[str, Any]]:
    """The name of the key, and the answer.

    The key comes before everything else, so that nobody without one learns even whether a body is well-formed.
    """
    key = None
    try:
        if answer := headers.preflight(event, allowed):
            return key, answer
        if auth.is_guarded(event):
            key = LINK if links.opens(event) else auth.require_key(event)
            app.append_context(key=key)  # type: ignore[no-untyped-call]
            models.bind(os.environ)
        routing.include(app, event["rawPath"])
        return key, app.resolve(with_json_body(event), context)
    except errors.ApiError as error:
        return key, errors.wire(error)
    except CallscribeError as error:
        return key, errors.wire(errors.of_callscribe(error))
    except Exception as error:  # noqa: BLE001 — else the client would have API Gateway's own words, and the log none
        return key, errors.wire(errors.of_fault(error))


start.ended()
