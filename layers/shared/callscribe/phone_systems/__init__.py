"""What the name of a recording tells of the call, by the phone system that wrote it.

A family's module is a table of forms, and `families.py` the order in which they are tried. They are imported when the
first name is read: most runs find nothing new, and a cold start should not pay for them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from callscribe.call_metadata.metadata import CallMetadata

if TYPE_CHECKING:
    from callscribe.phone_systems.custom_patterns import CustomPattern

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
"""What the setting of the phone system may be, and what each is called."""


def extract_metadata(path: str, system: str = "", patterns: "Sequence[CustomPattern]" = ()) -> CallMetadata:
    """What a recording's name tells, each field with its origin. Never raises; what it leaves open stays empty.

    `path`: an S3 key or URL, or a local path. `system`: one of SYSTEMS, whose forms are tried first; empty to recognise
    it. `patterns`: the site's own; the first that matches has the last word on what it tells.
    """
    from callscribe.phone_systems.recording_path import MAX_STEM_LENGTH, parse_path
    from callscribe.phone_systems.registry import detect

    recording_path = parse_path(path)
    if len(recording_path.stem) > MAX_STEM_LENGTH:
        return CallMetadata()
    built_in = detect(recording_path, system) or CallMetadata()
    if not patterns:
        return built_in
    from callscribe.phone_systems.custom_patterns import merge_built_in

    custom = next(
        (metadata for pattern in patterns if (metadata := pattern.extract_metadata(recording_path.path)) is not None),
        None,
    )
    return built_in if custom is None else merge_built_in(custom, built_in)
