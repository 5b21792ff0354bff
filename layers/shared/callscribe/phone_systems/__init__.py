"""Parse call metadata from the names of recordings, by the phone system that wrote them.

Each family of phone systems has a Python module with a table of filename patterns. They are imported when the first
name is parsed: most runs find no new file, and a cold start should not pay for them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from callscribe.call_metadata.metadata import CallMetadata

if TYPE_CHECKING:
    from callscribe.phone_systems.custom_patterns import CustomPattern
    from callscribe.phone_systems.filename_pattern import FilenamePattern, RecordingPath

SYSTEMS: Mapping[str, str] = {
    "freepbx": "FreePBX",
    "issabel": "Issabel",
    "elastix": "Elastix",
    "asterisk": "Asterisk",
    "fusionpbx": "FusionPBX",
    "freeswitch": "FreeSWITCH",
    "3cx": "3CX",
    "grandstream": "Grandstream UCM",
    "yeastar": "Yeastar",
    "vicidial": "VICIdial",
    "goautodial": "GoAutoDial",
    "amazon-connect": "Amazon Connect",
    "twilio": "Twilio",
    "genesys-cloud": "Genesys Cloud",
    "ringcentral": "RingCentral",
    "zoom-phone": "Zoom Phone",
    "teams": "Microsoft Teams",
    "8x8": "8x8",
    "puzzel": "Puzzel",
    "trunk-recorder": "trunk-recorder",
    "sdrtrunk": "SDRTrunk",
    "kenwood": "Kenwood NX",
    "bcr": "Basic Call Recorder (Android)",
    "samsung": "Samsung",
    "xiaomi": "Xiaomi",
    "lg": "LG",
    "android": "Android (Huawei, GrapheneOS, LineageOS)",
    "miarec": "MiaRec",
    "telesis": "Telesis",
}
"""The values of the phone system setting, with their display names."""


def extract_metadata(path: str, system: str = "", patterns: "Sequence[CustomPattern]" = ()) -> CallMetadata:
    """Parse the path of a recording; each field has its provenance. Never raises: unknown fields stay empty.

    `path`: an S3 key or URL, or a local path. `system`: one of SYSTEMS, whose patterns are tried first; empty to detect
    the system. `patterns`: custom patterns; the first that matches takes precedence over the built-in ones.
    """
    from callscribe.phone_systems.filename_pattern import MAX_STEM_LENGTH, parse_path

    recording_path = parse_path(path)
    if len(recording_path.stem) > MAX_STEM_LENGTH:
        return CallMetadata()
    built_in = _match_built_in(recording_path, system) or CallMetadata()
    if not patterns:
        return built_in
    from callscribe.phone_systems.custom_patterns import merge_built_in

    custom = next(
        (metadata for pattern in patterns if (metadata := pattern.extract_metadata(recording_path.path)) is not None),
        None,
    )
    return built_in if custom is None else merge_built_in(custom, built_in)


@cache
def patterns_by_system() -> "Sequence[tuple[frozenset[str], Sequence[FilenamePattern]]]":
    """The patterns of each family of phone systems, in the order in which they are tried: the least ambiguous first."""
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

    families = (
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
    return [(frozenset(systems.split()), patterns) for systems, patterns in families]


def _match_built_in(path: "RecordingPath", system: str) -> CallMetadata | None:
    """The metadata of the first pattern that matches; the patterns of `system`, if it is set, are tried first.

    Some systems write the names of another, as Issabel writes those of FreePBX: only the setting identifies them.
    """
    if system:
        for systems, patterns in patterns_by_system():
            if system in systems and (metadata := _first_match(patterns, path)) is not None:
                return replace(metadata, phone_system=system)
    return _first_match((pattern for _, patterns in patterns_by_system() for pattern in patterns), path)


def _first_match(patterns: "Iterable[FilenamePattern]", path: "RecordingPath") -> CallMetadata | None:
    return next((metadata for pattern in patterns if (metadata := pattern.extract_metadata(path)) is not None), None)
