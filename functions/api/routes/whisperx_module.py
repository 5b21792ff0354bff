"""/api/modules/whisperx: the customer's server, how it is spoken to, and its key, which is set and never shown."""

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
from callscribe.store.disabled_state import DisabledState
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

KEY_NOT_HEADER_SAFE = "holds what cannot be sent in a header: only printable ASCII without spaces can be"

KEY_FOR_ANOTHER_SERVER = (
    "must be sent too, for baseUrl names another server, to which the key that is kept is not sent; "
    "null if it wants none"
)

KEY_FIELD, SERVER_FIELD = "apiKey", "server"
"""What the key is called in the secret, a JSON object, and the server that it is for."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/whisperx")
def get_whisperx_module() -> WhisperXModule:
    """The settings as they count: the template's, and what was set here in their place."""
    overrides = settings_overrides.load()
    return _to_response(overrides.whisperx, overrides.disabled_state, is_key_set=_is_key_set())


@router.put("/api/modules/whisperx", responses=documented_responses(409))
def update_whisperx_module(change: Annotated[WhisperXUpdateRequest, Body()]) -> WhisperXModule:
    """Changes what is given, all of it or nothing. The next run of process counts with it; the key within five minutes.

    Where `baseUrl` comes to name another server, its `apiKey` must be sent too. `{"enabled": false}`: nothing is queued
    or transcribed until it is enabled again.
    """
    overrides = settings_overrides.load()
    new_overrides = _validate_settings(overrides.whisperx, change)
    with _replaced_key(
        change.new_api_key, server_origin(whisperx_defaults().with_overrides(new_overrides).whisperx_url)
    ):
        disabled_state = save_overrides(Module.WHISPERX, overrides, new_overrides, change.requested_enabled)
    return _to_response(
        new_overrides,
        disabled_state,
        is_key_set=_is_key_set() if change.new_api_key is None else bool(change.new_api_key),
    )


@router.post("/api/modules/whisperx/test", responses=documented_responses(502, 504))
def check_whisperx_module(request: Annotated[WhisperXTestRequest | Absent, Body()] = None) -> ModuleTestResult:
    """Whether the server answers, as it is set or with what is given; by process itself, from its network.

    No audio goes out.
    """
    payload: dict[str, Any] = {}
    if request:
        payload["settings"] = _validate_settings(settings_overrides.load().whisperx, request)
        if request.new_api_key is not None:
            payload["apiKey"] = request.new_api_key
    return ModuleTestResult(**invoke.run_module_test(settings().process_function, payload))


def _validate_settings(overrides: Mapping[str, Any], request: WhisperXTestRequest) -> dict[str, Any]:
    """What is to be kept. Raises ApiError 400 that names every fault, and quotes no key."""
    key_errors = {} if HEADER_SAFE.fullmatch(request.new_api_key or "") else {"api_key": KEY_NOT_HEADER_SAFE}
    new_overrides = validate_overrides(overrides, request.submitted_settings(), VALIDATORS, key_errors)
    # else whoever may set the address could have the key sent to a server of their own, and so read it
    before, after = (whisperx_defaults().with_overrides(each).whisperx_url for each in (overrides, new_overrides))
    if request.new_api_key is None and server_origin(before) != server_origin(after) and _is_key_set():
        raise settings_error({"api_key": KEY_FOR_ANOTHER_SERVER})
    return new_overrides


def _to_response(overrides: Mapping[str, Any], disabled_state: DisabledState, *, is_key_set: bool) -> WhisperXModule:
    effective_settings = whisperx_defaults().with_overrides(overrides)
    return WhisperXModule(
        enabled=Module.WHISPERX not in disabled_state.disabled_modules,
        **{name: getattr(effective_settings, field) for name, field in ENV_FIELD.items()},
        api_key_set=is_key_set,
        changed=[to_camel(name) for name in ENV_FIELD if name in overrides],
    )


@contextmanager
def _replaced_key(key: str | None, server: str) -> Iterator[None]:
    """Sets the key, if one is given, before what is done inside; should that fail, the former is put back.

    With it stands the `server` that it is for: whatever two who change settings at once do to each other, process sends
    it to no other. An empty one means that none is sent. Raises StoreError, which quotes nothing. Who dies in between
    leaves the new key with the former settings: whoever asked had no answer, and sets both again.
    """
    if key is None:
        yield
        return
    previous_secret, secret = _read_secret(), json.dumps({KEY_FIELD: key, SERVER_FIELD: server})
    _write_secret(secret, "take the key, and nothing was changed")
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # what went wrong first is what is told
            if _read_secret() == secret:  # nobody else has set another meanwhile
                _write_secret(previous_secret, "take the former key back")
        raise


def _is_key_set() -> bool:
    """Whether there is a key. Raises StoreError."""
    try:
        return bool(json.loads(_read_secret())[KEY_FIELD])
    except (ValueError, KeyError, TypeError):  # somebody wrote something else; the runs of process say so
        return False


def _read_secret() -> str:
    with _secret_errors("tell whether there is a key"):
        secret: str = (
            aws.client("secretsmanager").get_secret_value(SecretId=settings().whisperx_secret).get("SecretString", "")
        )
    return secret


def _write_secret(secret: str, action: str) -> None:
    with _secret_errors(action):
        aws.client("secretsmanager").put_secret_value(SecretId=settings().whisperx_secret, SecretString=secret)


@contextmanager
def _secret_errors(action: str) -> Iterator[None]:
    try:
        with aws.map_aws_errors():
            yield
    except aws.AwsError as error:
        # no cause: botocore's message about a wrong parameter quotes it, and here it is the secret
        raise StoreError(f"Secrets Manager did not {action} ({error.code}). Try again.") from None
