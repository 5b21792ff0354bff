"""/api/modules/call-recordings: how recordings are recognised and their names read, and a look at what comes of it."""

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
from callscribe.module_settings import CallRecordingsSettings, faults, tidy
from callscribe.phone_systems.understanding import EXAMPLES, previewed
from callscribe.run import Module
from callscribe.store import lists, module_settings, switches
from callscribe.store.lists import Filters
from functions.api.errors import ApiError
from functions.api.settings import settings
from functions.api.views import (
    CallRecordingsChange,
    CallRecordingsView,
    NamedCall,
    NamesPreview,
    PreviewRequest,
    call_fields,
)

LOOKED_AT = 200
"""Names of a preview: one request."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/call-recordings")
def get_settings() -> CallRecordingsView:
    """The settings as they count: the template's, and what was set here in their place."""
    kept = module_settings.read()
    return _view(kept.values, enabled=Module.CALL_RECORDINGS not in kept.switches.disabled)


@router.put("/api/modules/call-recordings")
def put_settings(change: Annotated[CallRecordingsChange, Body()]) -> CallRecordingsView:
    """Changes what is given, all of it or nothing. Recordings that are known already stay as they were read."""
    kept = module_settings.read()
    given = change.given()
    values = _checked(kept.values, given)
    if given and not module_settings.keep(kept, values):
        message = "Somebody else changed the settings at this moment. Look, and try again."
        raise ApiError(HTTPStatus.CONFLICT, "changed_meanwhile", message)
    enabled = Module.CALL_RECORDINGS not in kept.switches.disabled
    if "enabled" in change.model_fields_set:
        enabled = change.enabled
        switches.enable(Module.CALL_RECORDINGS, enabled=enabled)
    return _view(values, enabled=enabled)


@router.post("/api/modules/call-recordings/preview")
def preview_names(wish: Annotated[PreviewRequest | None, Body()] = None) -> NamesPreview:
    """How the newest names are read with these settings; nothing is changed by it."""
    given = wish.given() if wish else {}
    tried = _effective(_checked(module_settings.read().values, given))
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
    """What is to be kept once this is given; null keeps nothing. Raises ApiError 400 that names every fault."""
    values = {name: value for name, value in {**kept, **given}.items() if value is not None}
    if "extensions" in values:
        values["extensions"] = tidy(values["extensions"])
    if found := faults(values):
        details = [{"field": to_camel(name), "message": fault} for name, fault in found.items()]
        message = "; ".join(f"{each['field']}: {each['message']}" for each in details)
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid_settings", f"Nothing was changed. {message}", details=details)
    return values


def _effective(values: Mapping[str, Any]) -> CallRecordingsSettings:
    return settings().call_recordings.with_kept(values)


def _view(values: Mapping[str, Any], *, enabled: bool) -> CallRecordingsView:
    effective = _effective(values)
    return CallRecordingsView(
        enabled=enabled,
        phone_system=effective.phone_system,
        time_zone=effective.time_zone,
        patterns=list(effective.patterns),
        extensions=sorted(effective.audio),
        changed=[to_camel(each.name) for each in fields(CallRecordingsSettings) if each.name in values],
    )


def _named(path: str, found: CallMetadata, recorded_at: datetime) -> NamedCall:
    return NamedCall(path=path, recorded_at=recorded_at, **call_fields(found))
