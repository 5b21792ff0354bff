"""The forms of all families, in the order in which they are tried: those that cannot be mistaken first."""

from collections.abc import Sequence
from dataclasses import replace

from callscribe.call_metadata.metadata import CallMetadata
from callscribe.phone_systems import (
    appliances,
    asterisk,
    cloud,
    freepbx,
    freeswitch,
    mobile,
    radio,
    recorders,
    vicidial,
)
from callscribe.phone_systems.filename_pattern import FilenamePattern
from callscribe.phone_systems.recording_path import RecordingPath

PATTERNS_BY_SYSTEM: Sequence[tuple[frozenset[str], Sequence[FilenamePattern]]] = [
    (frozenset(systems.split()), patterns)
    for systems, patterns in (
        ("yeastar", appliances.YEASTAR),
        ("freepbx issabel elastix", (*freepbx.PATTERNS, *freepbx.ELASTIX)),
        ("3cx", appliances.THREECX),
        ("grandstream", appliances.GRANDSTREAM),
        ("amazon-connect", cloud.AMAZON_CONNECT),
        ("genesys-cloud", cloud.GENESYS_CLOUD),
        ("fusionpbx freeswitch", freeswitch.PATTERNS),
        ("ringcentral", cloud.RINGCENTRAL),
        ("twilio", cloud.TWILIO),
        ("8x8", cloud.EIGHT_BY_EIGHT),
        ("teams", cloud.TEAMS),
        ("bcr", mobile.BCR),
        ("trunk-recorder", radio.TRUNK_RECORDER),
        ("sdrtrunk", radio.SDRTRUNK),
        ("kenwood", radio.KENWOOD),
        ("zoom-phone", cloud.ZOOM_PHONE),
        ("telesis", recorders.TELESIS),
        ("xiaomi", mobile.XIAOMI),
        ("lg", mobile.LG),
        ("samsung", mobile.SAMSUNG),
        ("android", mobile.ANDROID),
        ("vicidial goautodial", vicidial.PATTERNS),
        ("asterisk", asterisk.PATTERNS),
        ("miarec", recorders.MIAREC),
        ("puzzel", cloud.PUZZEL),
        ("", recorders.GENERIC),
    )
]
"""By the settings that each family of forms is for, in the order in which they are tried."""


def detect(path: RecordingPath, system: str) -> CallMetadata | None:
    """What the first form that fits tells; those of the `system` are tried before the others, unless it is empty.

    A system whose names are those of another, as Issabel's are FreePBX's, is known by the setting only.
    """
    if system:
        for systems, patterns in PATTERNS_BY_SYSTEM:
            if system in systems and (metadata := _first_match(patterns, path)) is not None:
                return replace(metadata, phone_system=system)
    return next(
        (metadata for _, patterns in PATTERNS_BY_SYSTEM if (metadata := _first_match(patterns, path)) is not None), None
    )


def _first_match(patterns: Sequence[FilenamePattern], path: RecordingPath) -> CallMetadata | None:
    return next((metadata for pattern in patterns if (metadata := pattern.extract_metadata(path)) is not None), None)
