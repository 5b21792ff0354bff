"""The connection test: whether the WhisperX server can be used as it is configured, and what to change if not.

It sends no audio. These servers check options, and most of them the API key, only when they get audio; the result says
what was not checked.
"""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from callscribe.errors import TranscriptionError
from callscribe.settings.whisperx import DIALECTS, Credentials, WhisperXSettings
from callscribe.whisperx import RequestLogger, Response, Timeouts, get_dialect_info
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.connection_failures import (
    NOT_WHISPERX,
    UNFINISHED,
    UNVERIFIED,
    ConnectionTestResult,
    connection_failure,
    failure,
)
from callscribe.whisperx.error_tables import AUTHENTICATION_FAILED, MISSING_ROUTE_STATUSES
from callscribe.whisperx.response_errors import raise_for_status

MAX_TEST_SECONDS = 15.0
"""The limit for the whole test, since a user is waiting for its result."""

CONNECT_SECONDS = 4.0
RESPONSE_SECONDS = 6.0

AUTH_ERROR_STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

POST_ONLY_STATUSES = (
    *MISSING_ROUTE_STATUSES,
    *(HTTPStatus.BAD_REQUEST, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY),
    HTTPStatus.NOT_IMPLEMENTED,
)
"""What a server responds to a GET if it only knows its upload route, or a proxy hides the others."""

OPENAPI_PATH = "/openapi.json"

MODEL_ID = re.compile("[A-Za-z0-9][A-Za-z0-9._/:-]{0,79}")
SPEECH_MODEL = re.compile("(?i)whisper|transcri|speech|voxtral|parakeet|canary|asr|stt")
MAX_SHOWN_MODELS = 10
"""Of the models that a server lists, the message shows this many, and only names that look like names."""

MODEL_ALIAS = "whisper-1"
"""Many servers accept OpenAI's name for their own model, and do not list it."""


def run_connection_test(
    settings: WhisperXSettings, credentials: Credentials, log_request: RequestLogger = lambda _exchange: None
) -> ConnectionTestResult:
    """Test the connection within MAX_TEST_SECONDS. Whatever the server does is a result, not an error.

    Raises: ConfigurationError, when there is no such dialect.
    """
    executor = ThreadPoolExecutor(1)  # name resolution has no timeout of its own
    try:
        return executor.submit(ConnectionTest(settings, credentials, log_request).run).result(MAX_TEST_SECONDS)
    except TimeoutError:
        return UNFINISHED
    finally:
        executor.shutdown(wait=False)


class ConnectionTest:
    def __init__(self, settings: WhisperXSettings, credentials: Credentials, log_request: RequestLogger) -> None:
        self._dialect = settings.whisperx_dialect
        configured_first = sorted(DIALECTS, key=lambda dialect: dialect != self._dialect)
        self._dialects = {
            dialect: get_dialect_info(dialect).for_url(settings.whisperx_url) for dialect in configured_first
        }
        self._settings = settings
        self._credentials = credentials
        self._log_request = log_request
        self._base_url = self._dialects[self._dialect].to_base_url(settings.whisperx_url)
        self._deadline = time.monotonic() + MAX_TEST_SECONDS

    def run(self) -> ConnectionTestResult:
        try:
            result = self._evaluate()
            return (self._test_other_readings() if result in (NOT_WHISPERX, UNVERIFIED) else None) or result
        except TranscriptionError as error:
            return connection_failure(error)

    def _evaluate(self) -> ConnectionTestResult:
        openapi_response = self._get(OPENAPI_PATH)
        is_hidden = openapi_response.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_IMPLEMENTED)
        if not is_hidden and (problem := self._check_status(openapi_response)):
            return problem
        spoken_dialects = self._spoken_dialects(openapi_response)
        if self._dialect in spoken_dialects:
            return self._check_credentials()
        if spoken_dialects:
            return self._wrong_dialect(spoken_dialects)
        upload_response = self._get(self._dialects[self._dialect].upload_path)
        responses = (openapi_response, upload_response)
        if all(response.status in POST_ONLY_STATUSES for response in responses):
            return UNVERIFIED
        problems = (self._check_status(response) for response in responses)
        return next((problem for problem in problems if problem), NOT_WHISPERX)

    def _test_other_readings(self) -> ConnectionTestResult | None:
        """The result if the URL ends in the route of another dialect, or in the path to the server."""
        own_url, given_url = self._base_url, self._settings.whisperx_url.rstrip("/")
        readings = [dialect_info.to_base_url(given_url) for dialect_info in self._dialects.values()]
        for self._base_url in sorted({*readings, given_url} - {own_url}):
            spoken_dialects = self._spoken_dialects(self._get(OPENAPI_PATH))
            if self._dialect in spoken_dialects:
                route = self._dialects[self._dialect].upload_path
                return failure(
                    "endpoint_not_found",
                    f"The routes of the server begin below this URL. Append {route} to the server URL.",
                )
            if spoken_dialects:
                return self._wrong_dialect(spoken_dialects)
        return None

    def _wrong_dialect(self, spoken_dialects: list[str]) -> ConnectionTestResult:
        servers = " and ".join(self._dialects[dialect].server_name for dialect in spoken_dialects)
        suggestion = f"choose the dialect {' or '.join(spoken_dialects)} instead of {self._dialect}"
        return failure("wrong_dialect", f"The server responds like {servers}: {suggestion}.")

    def _check_credentials(self) -> ConnectionTestResult:
        """The dialect is right. Check the credentials with a route that may require them, then the model."""
        name = "API key" if self._credentials.api_key else "headers"
        result = "No API key is set, and the server did not require one for this test."
        if self._credentials:
            result = f"It did not check the {name}, which this server does not require for the requests of this test."
        response = None
        for path in self._dialects[self._dialect].auth_check_paths:
            response = self._get(path)
            is_hidden = path == OPENAPI_PATH and response.status == HTTPStatus.FORBIDDEN
            if response.status in MISSING_ROUTE_STATUSES or is_hidden:
                continue
            if problem := self._check_status(response):
                return problem
            if self._credentials and self._get(path, Credentials()).status in AUTH_ERROR_STATUSES:
                result = f"It accepts the {name}."
            break
        message = f"The server responds and uses the dialect {self._dialect}. {result}"
        models = _listed_models(response) if response and self._dialects[self._dialect].lists_models else None
        if models is not None:
            return self._check_model(models, message)
        return ConnectionTestResult(ok=True, code="ok", message=message)

    def _check_model(self, models: list[str], message: str) -> ConnectionTestResult:
        model = dict(self._settings.extra_options).get("model", self._settings.whisperx_model)
        shown = _describe_models(models)
        if model and models and model not in (*models, MODEL_ALIAS):
            advice = "Choose one of these, or load the model on the server." if shown else "Correct the model."
            return failure("model_not_found", f"The server does not have the model {model}. {shown}{advice}")
        if model in models:
            return ConnectionTestResult(ok=True, code="ok", message=f"{message} It has the model {model}.")
        if not model and models:
            shown = f"No model is set, so the server uses its default, if it has one. {shown}"
        return ConnectionTestResult(ok=True, code="ok", message=f"{message} {shown or 'It lists no models.'}".rstrip())

    def _spoken_dialects(self, openapi_response: Response) -> list[str]:
        """The dialects with an upload route in the server's OpenAPI description, or with a route that responds."""
        paths = _json_member(openapi_response, "paths")
        described = [
            dialect
            for dialect, dialect_info in self._dialects.items()
            if isinstance(paths, dict) and dialect_info.upload_path in paths
        ]
        return described or [dialect for dialect in self._dialects if self._has_route(dialect)]

    def _has_route(self, dialect: str) -> bool:
        """Whether the server has the upload route of a dialect, which allows POST only, or the dialect's list."""
        dialect_info = self._dialects[dialect]
        if self._get(dialect_info.upload_path).status == HTTPStatus.METHOD_NOT_ALLOWED:
            return True
        return bool(dialect_info.list_member) and isinstance(
            _json_member(self._get(dialect_info.auth_check_paths[0]), dialect_info.list_member), list
        )

    def _check_status(self, response: Response) -> ConnectionTestResult | None:
        """The failure that the status means; None for success, and for a route that does not exist."""
        if response.status in MISSING_ROUTE_STATUSES:
            return None
        try:
            raise_for_status(response)
        except TranscriptionError as error:
            names_no_scheme = error.message == AUTHENTICATION_FAILED.message.format(response.status)
            if names_no_scheme and not self._credentials:
                return failure(
                    error.code,
                    f"The server requires an API key ({response.status}), and none is set. Set the API key, or the "
                    "header that this server requires instead.",
                )
            return failure(error.code, error.message)
        return None

    def _get(self, path: str, credentials: Credentials | None = None) -> Response:
        seconds_left = max(0.1, self._deadline - time.monotonic())
        timeouts = Timeouts(min(CONNECT_SECONDS, seconds_left), min(RESPONSE_SECONDS, seconds_left))
        credentials = self._credentials if credentials is None else credentials
        ca_certificates = self._settings.whisperx_ca_certificate
        client = WhisperXClient(self._base_url, credentials, self._log_request, ca_certificates=ca_certificates)
        return client.get(path, timeouts, lambda response: response)


def _json_member(response: Response, name: str) -> Any:
    """A member of the JSON object in the body; None if there is no such object or member."""
    try:
        return json.loads(response.body)[name]
    except (ValueError, RecursionError, TypeError, LookupError):
        return None


def _listed_models(response: Response) -> list[str] | None:
    """The ids of the models in a response in OpenAI's form; None if it has another one."""
    models = _json_member(response, "data")
    if not isinstance(models, list):
        return None
    return [model["id"] for model in models if isinstance(model, dict) and isinstance(model.get("id"), str)]


def _describe_models(models: list[str]) -> str:
    """A sentence that lists the models; those for speech, if their names say so. Empty if no name can be shown."""
    names = sorted({name for name in models if MODEL_ID.fullmatch(name)})
    names = [name for name in names if SPEECH_MODEL.search(name)] or names
    if not names:
        return ""
    more = f" and {len(names) - MAX_SHOWN_MODELS} more" if len(names) > MAX_SHOWN_MODELS else ""
    return f"It has: {', '.join(names[:MAX_SHOWN_MODELS])}{more}. "
