"""/api/modules/whisperx: the customer's server, its settings, and its credentials, which are write-only."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic.alias_generators import to_camel

from callscribe import aws
from callscribe.errors import StoreError
from callscribe.recordings.run import Module
from callscribe.settings.whisperx import ENV_FIELD, VALIDATORS, Credentials, credential_errors, server_origin
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

FOR_ANOTHER_SERVER = (
    "{}, because baseUrl is another server and the stored ones are not sent to it; send null if the server needs none"
)
REQUIRED = {
    "api_key": FOR_ANOTHER_SERVER.format("is required"),
    "headers": FOR_ANOTHER_SERVER.format("are required"),
}

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/whisperx")
def get_whisperx_module() -> WhisperXModule:
    """Get the effective settings: template defaults with the changes made here."""
    overrides = settings_overrides.load()
    return _to_response(overrides.whisperx, overrides.disabled_state, _parse_secret(_read_secret()))


@router.put("/api/modules/whisperx", responses=documented_responses(409))
def update_whisperx_module(change: Annotated[WhisperXUpdateRequest, Body()]) -> WhisperXModule:
    """Change the submitted settings, together or not at all.

    They apply from the next run of the process task, the key and the headers within five minutes. If `baseUrl` changes
    to another server, `apiKey` and `headers` must be sent too, if they are set. With `{"enabled": false}`, nothing is
    queued or transcribed until the module is enabled again.
    """
    overrides, secret = settings_overrides.load(), _read_secret()
    credentials = _parse_secret(secret)
    new_overrides = _validate_settings(overrides.whisperx, change, credentials)
    if new_credentials := change.new_credentials:
        server = server_origin(whisperx_defaults().effective_settings(new_overrides).whisperx_url)
        credentials = replace(credentials, **new_credentials, server=server)
    with _replaced_secret(secret, credentials.to_secret()) if new_credentials else nullcontext():
        disabled_state = save_overrides(Module.WHISPERX, overrides, new_overrides, change.requested_enabled)
    return _to_response(new_overrides, disabled_state, credentials)


@router.post("/api/modules/whisperx/test", responses=documented_responses(502, 504))
def check_whisperx_module(request: Annotated[WhisperXTestRequest | Absent, Body()] = None) -> ModuleTestResult:
    """Test the connection to the server, with the submitted or the current settings.

    The process function itself runs the test, from its network. No audio is sent.
    """
    payload: dict[str, Any] = {}
    if request:
        stored = _parse_secret(_read_secret())
        payload["settings"] = _validate_settings(settings_overrides.load().whisperx, request, stored)
        if new_credentials := request.new_credentials:
            # if nothing is stored, the function need not read the secret, which may be malformed
            payload["credentials"] = ({} if stored else {"api_key": "", "headers": {}}) | new_credentials
    return ModuleTestResult(**invoke.run_module_test(settings().process_function, payload))


def _validate_settings(
    overrides: Mapping[str, Any], request: WhisperXTestRequest, stored: Credentials
) -> dict[str, Any]:
    """Merge and validate the settings. Raises: ApiError 400, which lists every error but never quotes a secret."""
    new_credentials = request.new_credentials
    errors = credential_errors(replace(stored, **new_credentials)) if new_credentials else {}
    new_overrides = validate_overrides(overrides, request.submitted_settings(), VALIDATORS, errors)
    # Otherwise someone who may change the address could read the key by having it sent to a server of their own.
    before, after = (
        server_origin(whisperx_defaults().effective_settings(values).whisperx_url)
        for values in (overrides, new_overrides)
    )
    stored_for = stored.server or server_origin(whisperx_defaults().whisperx_url)
    if stored_for != after and (before != after or new_credentials):
        missing = [name for name in REQUIRED if getattr(stored, name) and name not in new_credentials]
        if missing:
            raise settings_error({name: REQUIRED[name] for name in missing})
    return new_overrides


def _to_response(
    overrides: Mapping[str, Any], disabled_state: DisabledState, credentials: Credentials
) -> WhisperXModule:
    effective_settings = whisperx_defaults().effective_settings(overrides)
    return WhisperXModule(
        enabled=Module.WHISPERX not in disabled_state.disabled_modules,
        **{name: getattr(effective_settings, field) for name, field in ENV_FIELD.items()},
        api_key_set=bool(credentials.api_key),
        header_names=list(credentials.headers),
        changed=[to_camel(name) for name in ENV_FIELD if name in overrides],
    )


@contextmanager
def _replaced_secret(previous: str, secret: str) -> Iterator[None]:
    """Store the secret before the enclosed work; restore the previous one if that fails.

    The credentials are stored with the server they belong to, and the process task sends them to no other, even if two
    users change the settings at the same time. If the function dies in between, the new ones stay with the previous
    settings: the client got no response and sets both again.

    Raises: StoreError, which never quotes the secret.
    """
    _write_secret(secret, "store the key and the headers")
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # the first error is the one to report
            if _read_secret() == secret:  # no one else has changed it in the meantime
                _write_secret(previous or Credentials().to_secret(), "restore the previous secret")
        raise


def _parse_secret(secret: str) -> Credentials:
    """The stored credentials; none if the secret was not written by this API and is malformed."""
    try:
        return Credentials.from_secret(secret)
    except ValueError:  # runs of the process task report it
        return Credentials()


def _read_secret() -> str:
    with _secret_errors("return the secret of the WhisperX server"):
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
