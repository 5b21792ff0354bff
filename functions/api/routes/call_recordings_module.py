"""/api/modules/call-recordings: where recordings lie, how they are recognised and their names read."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic.alias_generators import to_camel

from callscribe import phone_systems
from callscribe.metadata import CallMetadata, moment_of
from callscribe.module_settings import CHECKS, CallRecordingsSettings, tidy
from callscribe.phone_systems.understanding import EXAMPLES, previewed
from callscribe.run import Module
from callscribe.store import lists, module_settings
from callscribe.store.lists import Filters
from callscribe.store.switches import Switches
from functions.api import changes, invoke
from functions.api.errors import ApiError
from functions.api.settings import settings
from functions.api.specification import answers
from functions.api.views.modules import (
    CallRecordingsChange,
    CallRecordingsTrial,
    CallRecordingsView,
    ModuleTest,
    NamedCall,
    NamesPreview,
    PreviewRequest,
)
from functions.api.views.recordings import call_fields
from functions.api.views.wire import Absent

LOOKED_AT = 200
"""Names of a preview: one request."""

HARMLESS = ("no_recordings",)
"""What a test may find of a path that is to be set: there may be none yet."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/call-recordings")
def get_call_recordings_module() -> CallRecordingsView:
    """The settings as they count: the template's, and what was set here in their place."""
    kept = module_settings.read()
    return _view(kept.call_recordings, kept.switches)


@router.put("/api/modules/call-recordings", responses=answers(409, 502, 504))
def update_call_recordings_module(change: Annotated[CallRecordingsChange, Body()]) -> CallRecordingsView:
    """Changes what is given, all of it or nothing. Recordings that are known already stay as they were read.

    Another `recordingsPath` is tried first: one that sync cannot list is refused.
    """
    kept = module_settings.read()
    values = _checked(kept.call_recordings, change.given())
    if _effective(values).recordings_path != _effective(kept.call_recordings).recordings_path:
        found = _tried(values)
        if not found.ok and found.code not in HARMLESS:
            raise changes.refused({"recordings_path": found.message})
    return _view(values, changes.keep(Module.CALL_RECORDINGS, kept, values, change.switch))


@router.post("/api/modules/call-recordings/test", responses=answers(502, 504))
def check_call_recordings_module(wish: Annotated[CallRecordingsTrial | Absent, Body()] = None) -> ModuleTest:
    """Whether recordings can be found, as it is set or with what is given; by sync itself, with its rights."""
    return _tried(_checked(module_settings.read().call_recordings, wish.given()) if wish else None)


@router.post("/api/modules/call-recordings/preview")
def preview_names(wish: Annotated[PreviewRequest | Absent, Body()] = None) -> NamesPreview:
    """How the newest names are read with these settings; nothing is changed by it."""
    given = wish.given() if wish else {}
    tried = _effective(_checked(module_settings.read().call_recordings, given))
    zone, patterns = tried.zone, tried.site_patterns
    recordings = lists.page(Filters(), limit=LOOKED_AT).recordings
    names = {each.path: phone_systems.read(each.path, tried.phone_system, patterns) for each in recordings}
    counts = previewed(names, names.__getitem__)
    written = {each.path: each.modified_at for each in recordings}
    examples = [(path, found) for path, found in names.items() if found.known()][:EXAMPLES]
    return NamesPreview(
        names=counts.names,
        understood=counts.understood,
        by_pattern=counts.by_pattern,
        systems=dict(counts.systems),
        examples=[_named(path, found, moment_of(found, zone, written[path])) for path, found in examples],
        not_understood=list(counts.not_understood),
    )


def _checked(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ApiError 400 that names every fault."""
    if given.get("extensions") is not None:
        given = {**given, "extensions": tidy(given["extensions"])}
    return changes.checked(kept, given, CHECKS)


def _tried(values: Mapping[str, Any] | None) -> ModuleTest:
    """With these settings, or as it is set. Raises ApiError."""
    tried = {} if values is None else {"settings": dict(values)}
    verdict = invoke.call(settings().sync_function, {"trigger": "test", **tried})
    if verdict is None:
        raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "function_slow", "The test took too long. Try again.")
    return ModuleTest(**verdict)


def _effective(values: Mapping[str, Any]) -> CallRecordingsSettings:
    return settings().call_recordings.with_kept(values)


def _view(values: Mapping[str, Any], off: Switches) -> CallRecordingsView:
    effective = _effective(values)
    return CallRecordingsView(
        enabled=Module.CALL_RECORDINGS not in off.disabled,
        recordings_path=effective.recordings_path,
        phone_system=effective.phone_system,
        time_zone=effective.time_zone,
        patterns=list(effective.patterns),
        channels=effective.channels,
        extensions=sorted(effective.audio),
        phone_systems=sorted(phone_systems.SYSTEMS),
        changed=[to_camel(each.name) for each in fields(CallRecordingsSettings) if each.name in values],
    )


def _named(path: str, found: CallMetadata, recorded_at: datetime) -> NamedCall:
    return NamedCall(path=path, recorded_at=recorded_at, **call_fields(found))
