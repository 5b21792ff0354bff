"""/api/modules/whisperx: the customer's server, its settings, and its API key, which is write-only."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic.alias_generators import to_camel

from callscribe import aws
from callscribe.errors import StoreError
from callscribe.recordings.run import Module
from callscribe.settings.whisperx import ENV_FIELD, HEADER_SAFE, VALIDATORS, server_origin
from callscribe.store import settings_overrides
from callscribe.store.settings_overrides import DisabledState
from functions.api import invoke
from functions.api.openapi import documented_responses
from functions.api.schemas.base import Absent
from functions.api.schemas.modules import ModuleTestResult, WhisperXModule, WhisperXTestRequest, WhisperXUpdateRequest
from functions.api.settings import (
    save_overrides,
    settings,
    settings_error,
    validate_overrides,
    whisperx_defaults,
)

KEY_NOT_HEADER_SAFE = "contains characters that cannot be sent in a header: use printable ASCII without spaces"

KEY_FOR_ANOTHER_SERVER = (
    "is required, because baseUrl is another server and the stored key is not sent to it; "
    "send null if the server needs no key"
)

KEY_FIELD, SERVER_FIELD = "apiKey", "server"
"""Members of the secret, a JSON object: the key, and the origin of the server that it belongs to."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/whisperx")
def get_whisperx_module() -> WhisperXModule:
    """Get the effective settings: template defaults with the changes made here."""
    overrides = settings_overrides.load()
    return _to_response(overrides.whisperx, overrides.disabled_state, is_key_set=_is_key_set())


@router.put("/api/modules/whisperx", responses=documented_responses(409))
def update_whisperx_module(change: Annotated[WhisperXUpdateRequest, Body()]) -> WhisperXModule:
    """Change the submitted settings, together or not at all.

    They apply from the next run of the process task, the key within five minutes. If `baseUrl` changes to another
    server, `apiKey` must be sent too. With `{"enabled": false}`, nothing is queued or transcribed until the module is
    enabled again.
    """
    overrides = settings_overrides.load()
    new_overrides = _validate_settings(overrides.whisperx, change)
    with _replaced_key(
        change.new_api_key, server_origin(whisperx_defaults().effective_settings(new_overrides).whisperx_url)
    ):
        disabled_state = save_overrides(Module.WHISPERX, overrides, new_overrides, change.requested_enabled)
    is_key_set = _is_key_set() if change.new_api_key is None else bool(change.new_api_key)
    return _to_response(new_overrides, disabled_state, is_key_set=is_key_set)


@router.post("/api/modules/whisperx/test", responses=documented_responses(502, 504))
def check_whisperx_module(request: Annotated[WhisperXTestRequest | Absent, Body()] = None) -> ModuleTestResult:
    """Test the connection to the server, with the submitted or the current settings.

    The process function itself runs the test, from its network. No audio is sent.
    """
    payload: dict[str, Any] = {}
    if request:
        payload["settings"] = _validate_settings(settings_overrides.load().whisperx, request)
        if request.new_api_key is not None:
            payload["apiKey"] = request.new_api_key
    return ModuleTestResult(**invoke.run_module_test(settings().process_function, payload))


def _validate_settings(overrides: Mapping[str, Any], request: WhisperXTestRequest) -> dict[str, Any]:
    """Merge and validate the settings. Raises: ApiError 400, which lists every error but never quotes a key."""
    key_errors = {} if HEADER_SAFE.fullmatch(request.new_api_key or "") else {"api_key": KEY_NOT_HEADER_SAFE}
    new_overrides = validate_overrides(overrides, request.submitted_settings(), VALIDATORS, key_errors)
    # Otherwise someone who may change the address could read the key by having it sent to a server of their own.
    before, after = (
        whisperx_defaults().effective_settings(values).whisperx_url for values in (overrides, new_overrides)
    )
    if request.new_api_key is None and server_origin(before) != server_origin(after) and _is_key_set():
        raise settings_error({"api_key": KEY_FOR_ANOTHER_SERVER})
    return new_overrides


def _to_response(overrides: Mapping[str, Any], disabled_state: DisabledState, *, is_key_set: bool) -> WhisperXModule:
    effective_settings = whisperx_defaults().effective_settings(overrides)
    return WhisperXModule(
        enabled=Module.WHISPERX not in disabled_state.disabled_modules,
        **{name: getattr(effective_settings, field) for name, field in ENV_FIELD.items()},
        api_key_set=is_key_set,
        changed=[to_camel(name) for name in ENV_FIELD if name in overrides],
    )


@contextmanager
def _replaced_key(key: str | None, server: str) -> Iterator[None]:
    """Store the key, unless it is None, before the enclosed work; restore the previous key if that fails.

    The key is stored with the `server` it belongs to, and the process task sends it to no other, even if two users
    change the settings at the same time. An empty key means that none is sent. If the function dies in between, the new
    key stays with the previous settings: the client got no response and sets both again.

    Raises: StoreError, which never quotes the key.
    """
    if key is None:
        yield
        return
    previous_secret, secret = _read_secret(), json.dumps({KEY_FIELD: key, SERVER_FIELD: server})
    _write_secret(secret, "store the key")
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # the first error is the one to report
            if _read_secret() == secret:  # no one else has changed it in the meantime
                _write_secret(previous_secret, "restore the previous key")
        raise


def _is_key_set() -> bool:
    """Whether a key is stored. Raises: StoreError."""
    try:
        return bool(json.loads(_read_secret())[KEY_FIELD])
    except (ValueError, KeyError, TypeError):  # not written by this API; runs of the process task report it
        return False


def _read_secret() -> str:
    with _secret_errors("return the secret of the key"):
        return aws.read_secret(settings().whisperx_secret)


def _write_secret(secret: str, action: str) -> None:
    with _secret_errors(action):
        aws.client("secretsmanager").put_secret_value(SecretId=settings().whisperx_secret, SecretString=secret)


@contextmanager
def _secret_errors(action: str) -> Iterator[None]:
    try:
        with aws.map_aws_errors():
            yield
    except aws.AwsError as error:
        # no cause: botocore quotes an invalid parameter in its message, and here that is the secret
        raise StoreError(f"Secrets Manager did not {action} ({error.code}). Try again.") from None
