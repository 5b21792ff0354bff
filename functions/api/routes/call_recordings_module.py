"""/api/modules/call-recordings: where the recordings are, and how their names are parsed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic.alias_generators import to_camel

from callscribe import phone_systems
from callscribe.call_metadata.metadata import CallMetadata, Provenance, recorded_at
from callscribe.recordings.recording_filter import RecordingFilter
from callscribe.recordings.run import Module
from callscribe.settings.call_recordings import VALIDATORS, CallRecordingsSettings, normalise_extensions
from callscribe.sources import ARCHIVED
from callscribe.store import recording_queries, settings_overrides
from callscribe.store.settings_overrides import DisabledState
from functions.api import invoke
from functions.api.openapi import documented_responses
from functions.api.schemas.base import Absent
from functions.api.schemas.modules import (
    CallRecordingsModule,
    CallRecordingsTestRequest,
    CallRecordingsUpdateRequest,
    ModuleTestResult,
    NamesPreview,
    ParsedName,
    PreviewRequest,
)
from functions.api.schemas.recordings import to_metadata_fields
from functions.api.settings import save_overrides, settings, settings_error, validate_overrides

SAMPLE_SIZE = 200
"""Names of a preview: as many as one DynamoDB request returns."""

MAX_EXAMPLES = 20
"""Names that a preview shows of those that were understood, and of those that were not."""

ACCEPTED_TEST_CODES = ("no_recordings", ARCHIVED)
"""Failed tests that do not prevent a new recordings path: there may be no recordings yet, or only an archive."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/api/modules/call-recordings")
def get_call_recordings_module() -> CallRecordingsModule:
    """Get the effective settings: template defaults with the changes made here."""
    overrides = settings_overrides.load()
    return _to_response(overrides.call_recordings, overrides.disabled_state)


@router.put("/api/modules/call-recordings", responses=documented_responses(409, 502, 504))
def update_call_recordings_module(change: Annotated[CallRecordingsUpdateRequest, Body()]) -> CallRecordingsModule:
    """Change the submitted settings, together or not at all. Metadata of existing recordings does not change.

    A new `recordingsPath` is tested first and rejected if sync cannot list it, or cannot read its newest recording.
    """
    overrides = settings_overrides.load()
    new_overrides = _validate_settings(overrides.call_recordings, change.submitted_settings())
    if (
        settings().effective_settings(new_overrides).recordings_path
        != settings().effective_settings(overrides.call_recordings).recordings_path
    ):
        test_result = _run_test(new_overrides)
        if not test_result.ok and test_result.code not in ACCEPTED_TEST_CODES:
            raise settings_error({"recordings_path": test_result.message})
    return _to_response(
        new_overrides, save_overrides(Module.CALL_RECORDINGS, overrides, new_overrides, change.requested_enabled)
    )


@router.post("/api/modules/call-recordings/test", responses=documented_responses(502, 504))
def check_call_recordings_module(
    request: Annotated[CallRecordingsTestRequest | Absent, Body()] = None,
) -> ModuleTestResult:
    """Test whether sync finds recordings, with the submitted or the current settings.

    The sync function itself runs the test, with its own permissions.
    """
    return _run_test(
        _validate_settings(settings_overrides.load().call_recordings, request.submitted_settings()) if request else None
    )


@router.post("/api/modules/call-recordings/preview")
def preview_names(request: Annotated[PreviewRequest | Absent, Body()] = None) -> NamesPreview:
    """Preview how the newest file names are parsed with these settings. Changes nothing."""
    new_values = request.submitted_settings() if request else {}
    effective_settings = settings().effective_settings(
        _validate_settings(settings_overrides.load().call_recordings, new_values)
    )
    zone, patterns = effective_settings.zone, effective_settings.custom_patterns
    recordings = recording_queries.page(RecordingFilter(), limit=SAMPLE_SIZE).items
    metadata_by_path = {
        recording.path: phone_systems.extract_metadata(recording.path, effective_settings.phone_system, patterns)
        for recording in recordings
    }
    parsed = {path: metadata for path, metadata in metadata_by_path.items() if metadata.non_empty()}
    modified_at_by_path = {recording.path: recording.modified_at for recording in recordings}
    return NamesPreview(
        names=len(metadata_by_path),
        understood=len(parsed),
        by_pattern=sum(Provenance.PATTERN in metadata.provenance.values() for metadata in parsed.values()),
        systems=dict(Counter(filter(None, (metadata.phone_system for metadata in parsed.values()))).most_common()),
        examples=[
            _to_parsed_name(path, metadata, recorded_at(metadata, zone, modified_at_by_path[path]))
            for path, metadata in islice(parsed.items(), MAX_EXAMPLES)
        ],
        not_understood=[path for path in metadata_by_path if path not in parsed][:MAX_EXAMPLES],
    )


def _validate_settings(overrides: Mapping[str, Any], new_values: Mapping[str, Any]) -> dict[str, Any]:
    """Merge and validate the settings. Raises: ApiError 400, which lists every error."""
    if new_values.get("extensions") is not None:
        new_values = {**new_values, "extensions": normalise_extensions(new_values["extensions"])}
    return validate_overrides(overrides, new_values, VALIDATORS)


def _run_test(overrides: Mapping[str, Any] | None) -> ModuleTestResult:
    """Test these overrides; None tests the stored ones. Raises: ApiError, see `run_module_test`."""
    payload = {} if overrides is None else {"settings": dict(overrides)}
    return ModuleTestResult(**invoke.run_module_test(settings().sync_function, payload))


def _to_response(overrides: Mapping[str, Any], disabled_state: DisabledState) -> CallRecordingsModule:
    effective_settings = settings().effective_settings(overrides)
    return CallRecordingsModule(
        enabled=Module.CALL_RECORDINGS not in disabled_state.disabled_modules,
        recordings_path=effective_settings.recordings_path,
        phone_system=effective_settings.phone_system,
        time_zone=effective_settings.time_zone,
        patterns=list(effective_settings.patterns),
        channels=effective_settings.channels,
        extensions=sorted(effective_settings.recording_extensions),
        phone_systems=sorted(phone_systems.SYSTEMS),
        changed=[to_camel(field.name) for field in fields(CallRecordingsSettings) if field.name in overrides],
    )


def _to_parsed_name(path: str, metadata: CallMetadata, call_time: datetime) -> ParsedName:
    return ParsedName(path=path, recorded_at=call_time, **to_metadata_fields(metadata))
