"""/api/modules: the integrations, and whether they are enabled."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from callscribe.run import Module
from callscribe.store import switches
from functions.api.views import ModuleChange, ModuleView

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/<slug>")
def get_module(slug: Annotated[Module, Path()]) -> ModuleView:
    return ModuleView(slug=slug, enabled=slug not in switches.read().disabled)


@router.put("/api/modules/<slug>")
def put_module(slug: Annotated[Module, Path()], change: Annotated[ModuleChange, Body()]) -> ModuleView:
    """Disables a module, so that its tasks do nothing, or enables it again."""
    switches.enable(slug, enabled=change.enabled)
    return ModuleView(slug=slug, enabled=change.enabled)
