"""Where the routes are: a module of them is imported when something below its address is first asked for.

A request needs one of them, and whoever sends the first waits for all that is imported before.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

ROUTE_MODULES: Mapping[str, tuple[str, ...]] = {
    "/api/call-recordings": ("recordings", "recording", "transcripts", "audio"),
    "/api/scheduler": ("scheduler",),
    "/api/transcription-calls": ("transcription_calls",),
    "/api/modules/call-recordings": ("call_recordings_module",),
    "/api/modules/whisperx": ("whisperx_module",),
    "/admin": ("admin",),
}
"""The modules of routes/ by how all their addresses begin."""


def load_routes(app: APIGatewayHttpResolver, path: str) -> None:
    """Makes `app` serve what there is at this path."""
    for prefix in ROUTE_MODULES:
        if path.startswith(prefix):
            _load_once(app, prefix)


def load_all_routes(app: APIGatewayHttpResolver) -> None:
    """Makes `app` serve everything."""
    for prefix in ROUTE_MODULES:
        _load_once(app, prefix)


@cache
def _load_once(app: APIGatewayHttpResolver, prefix: str) -> None:
    """Once for each."""
    for name in ROUTE_MODULES[prefix]:
        app.include_router(import_module(f"functions.api.routes.{name}").router)
