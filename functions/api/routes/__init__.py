"""The routes of the API, imported when a path with their prefix is first requested.

A request needs the modules of one prefix only; importing all of them would delay the first one.
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
"""The Python modules of this package by the prefix of their paths."""


def load_routes(app: APIGatewayHttpResolver, path: str) -> None:
    """Add the routes that may match this path."""
    for prefix in ROUTE_MODULES:
        if path.startswith(prefix):
            _load_once(app, prefix)


def load_all_routes(app: APIGatewayHttpResolver) -> None:
    """Add every route."""
    for prefix in ROUTE_MODULES:
        _load_once(app, prefix)


@cache
def _load_once(app: APIGatewayHttpResolver, prefix: str) -> None:
    for name in ROUTE_MODULES[prefix]:
        app.include_router(import_module(f"{__name__}.{name}").router)
