"""Read the call detail records of FreeSWITCH's mod_xml_cdr and mod_json_cdr, one file per leg of a call.

Their values are URL-encoded. Source: mod_xml_cdr in the documentation of FreeSWITCH.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.call_metadata.phone_numbers import find_local_extension
from callscribe.sidecars.field_parsers import (
    metadata_from_record,
    normalise_keys,
    parse_text_value,
    parse_timestamp_value,
)

KEY_SETS = (
    frozenset(("coreuuid", "hangupcause")),
    frozenset(("startepoch", "hangupcause")),
    frozenset(("variables", "callflow")),
)
"""A record with all keys of one of these sets is one of FreeSWITCH."""

LEG_KEYS = ("direction", "channeldata")
"""The direction of the leg, which is inbound for every leg A: an extension that dials out calls the switch."""


def is_freeswitch_cdr(record: Mapping[str, Any]) -> bool:
    return any(keys <= record.keys() for keys in KEY_SETS)


def flatten(record: Mapping[str, Any]) -> dict[str, Any]:
    """The variables and the first caller profile of a JSON record, as in one of XML, all with normalised keys."""
    flat = dict(record)
    variables, callflow = record.get("variables"), record.get("callflow")
    steps = callflow if isinstance(callflow, list) else [callflow]
    profiles = [normalise_keys(step).get("callerprofile") for step in steps if isinstance(step, Mapping)]
    for part in (variables, *profiles[:1]):
        if isinstance(part, Mapping):
            flat = normalise_keys(part) | flat
    return flat


def read_freeswitch_cdr(record: Mapping[str, Any]) -> CallMetadata:
    """The metadata of a leg. The direction of the call is known only if the dial plan has set `call_direction`."""
    decoded = {
        key: unquote(value) if isinstance(value, str) else value
        for key, value in flatten(record).items()
        if key not in LEG_KEYS
    }
    metadata = metadata_from_record(decoded)
    metadata = replace(
        metadata,
        phone_system="fusionpbx" if "domainuuid" in decoded else "freeswitch",
        started_at=parse_timestamp_value(decoded.get("startepoch")) or metadata.started_at,
        call_id=parse_text_value(decoded.get("uuid")) or metadata.call_id,
    )
    return replace(metadata, extension=find_local_extension(metadata))
