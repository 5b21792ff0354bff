"""Where the routes are: a module of them is imported when something below its address is first asked for.

A request needs one of them, and whoever sends the first waits for all that is imported before.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

ROUTES: Mapping[str, tuple[str, ...]] = {
    "/api/call-recordings": ("collection", "call_recordings", "transcripts", "audio"),
    "/api/scheduler": ("scheduler",),
    "/api/transcription-calls": ("transcription_calls",),
    "/api/modules/call-recordings": ("call_recordings_module",),
    "/api/modules/whisperx": ("whisperx_module",),
    "/admin": ("admin",),
}
"""The modules of routes/ by how all their addresses begin."""


def include(app: APIGatewayHttpResolver, path: str) -> None:
    """Makes `app` serve what there is at this path."""
    for beginning in ROUTES:
        if path.startswith(beginning):
            _include(app, beginning)


def include_all(app: APIGatewayHttpResolver) -> None:
    """Makes `app` serve everything."""
    for beginning in ROUTES:
        _include(app, beginning)


@cache
def _include(app: APIGatewayHttpResolver, beginning: str) -> None:
    """Once for each."""
    for name in ROUTES[beginning]:
        app.include_router(import_module(f"functions.api.routes.{name}").router)
