"""/api/modules/whisperx: the customer's server, how it is spoken to, and its key, which is set and never shown."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic.alias_generators import to_camel

from callscribe.run import Module
from callscribe.store import module_settings
from callscribe.store.switches import Switches
from callscribe.whisperx_settings import CHECKS, FIELDS, SENDABLE, server_of, with_kept
from functions.api import changes, invoke, secret
from functions.api.errors import ApiError
from functions.api.settings import settings, whisperx
from functions.api.specification import answers
from functions.api.views.modules import ModuleTest, WhisperXChange, WhisperXTrial, WhisperXView
from functions.api.views.wire import Absent

UNSENDABLE = "holds what cannot be sent in a header: only printable ASCII without spaces can be"

OF_ANOTHER = (
    "must be sent too, for baseUrl names another server, to which the key that is kept is not sent; "
    "null if it wants none"
)

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/whisperx")
def get_whisperx_module() -> WhisperXView:
    """The settings as they count: the template's, and what was set here in their place."""
    kept = module_settings.read()
    return _view(kept.whisperx, kept.switches, key_set=secret.is_set())


@router.put("/api/modules/whisperx", responses=answers(409))
def update_whisperx_module(change: Annotated[WhisperXChange, Body()]) -> WhisperXView:
    """Changes what is given, all of it or nothing. The next run of process counts with it; the key within five minutes.

    Where `baseUrl` comes to name another server, its `apiKey` must be sent too. `{"enabled": false}`: nothing is queued
    or transcribed until it is enabled again.
    """
    kept = module_settings.read()
    values = _checked(kept.whisperx, change)
    with secret.written(change.key, server_of(with_kept(whisperx(), values).whisperx_url)):
        off = changes.keep(Module.WHISPERX, kept, values, change.switch)
    return _view(values, off, key_set=secret.is_set() if change.key is None else bool(change.key))


@router.post("/api/modules/whisperx/test", responses=answers(502, 504))
def check_whisperx_module(wish: Annotated[WhisperXTrial | Absent, Body()] = None) -> ModuleTest:
    """Whether the server answers, as it is set or with what is given; by process itself, from its network.

    No audio goes out.
    """
    payload: dict[str, Any] = {"trigger": "test"}
    if wish:
        payload["settings"] = _checked(module_settings.read().whisperx, wish)
        if wish.key is not None:
            payload["apiKey"] = wish.key
    verdict = invoke.call(settings().process_function, payload)
    if verdict is None:
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "function_slow", "The test took too long. Try again.")
    return ModuleTest(**verdict)


def _checked(kept: Mapping[str, Any], wish: WhisperXTrial) -> dict[str, Any]:
    """What is to be kept. Raises ApiError 400 that names every fault, and quotes no key."""
    faults = {} if SENDABLE.fullmatch(wish.key or "") else {"api_key": UNSENDABLE}
    values = changes.checked(kept, wish.given(), CHECKS, faults)
    # else whoever may set the address could have the key sent to a server of their own, and so read it
    before, after = (with_kept(whisperx(), each).whisperx_url for each in (kept, values))
    if wish.key is None and server_of(before) != server_of(after) and secret.is_set():
        raise changes.refused({"api_key": OF_ANOTHER})
    return values


def _view(values: Mapping[str, Any], off: Switches, *, key_set: bool) -> WhisperXView:
    effective = with_kept(whisperx(), values)
    return WhisperXView(
        enabled=Module.WHISPERX not in off.disabled,
        **{name: getattr(effective, field) for name, field in FIELDS.items()},
        api_key_set=key_set,
        changed=[to_camel(name) for name in FIELDS if name in values],
    )
