"""/api/modules: the integrations, and whether they are enabled. The settings of call-recordings are apart."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.run import Module
from callscribe.store import switches
from functions.api import invoke
from functions.api.errors import ApiError
from functions.api.settings import settings
from functions.api.views import ModuleChange, ModuleTest, ModuleView

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/<slug>")
def get_module(slug: Annotated[Module, Path()]) -> ModuleView:
    return ModuleView(slug=slug, enabled=slug not in switches.read().disabled)


@router.post("/api/modules/<slug>/test")
def test_module(slug: Annotated[Module, Path()]) -> ModuleTest:
    """Tries a module as it is configured, in the function that does its work: it is that one's network and rights.

    `whisperx`: whether the server answers; no audio goes out. `call-recordings`: whether recordings can be found.
    """
    own = settings()
    function = own.process_function if slug is Module.WHISPERX else own.sync_function
    verdict = invoke.call(function, {"trigger": "test"})
    if verdict is None:
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "function_slow", "The test took too long. Try again.")
    return ModuleTest(**verdict)


@router.put("/api/modules/<slug>")
def put_module(slug: Annotated[Module, Path()], change: Annotated[ModuleChange, Body()]) -> ModuleView:
    """Disables a module, so that its tasks do nothing, or enables it again."""
    switches.enable(slug, enabled=change.enabled)
    return ModuleView(slug=slug, enabled=change.enabled)
