"""What the name of a recording tells of the call, by the phone system that wrote it.

A family's module is a table of forms; here they stand in the order in which they are tried: the ones that cannot be
mistaken first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from callscribe.metadata import CallMetadata
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
from callscribe.phone_systems.form import Form
from callscribe.phone_systems.name import LONGEST, take_apart
from callscribe.phone_systems.preview import Preview, previewed
from callscribe.phone_systems.site_patterns import SitePattern, completed, parse_pattern

__all__ = ["SYSTEMS", "Preview", "SitePattern", "parse_pattern", "preview", "read"]

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
    "miarec": "MiaRec",
    "telesis": "Telesis",
}
"""What the setting of the phone system may be, and what each is called."""

FORMS: Sequence[tuple[frozenset[str], Sequence[Form]]] = [
    (frozenset(systems.split()), forms)
    for systems, forms in (
        ("yeastar", appliances.YEASTAR),
        ("freepbx issabel elastix", (*freepbx.FORMS, *freepbx.ELASTIX)),
        ("3cx", appliances.THREECX),
        ("grandstream", appliances.GRANDSTREAM),
        ("amazon-connect", cloud.AMAZON_CONNECT),
        ("genesys-cloud", cloud.GENESYS_CLOUD),
        ("fusionpbx freeswitch", freeswitch.FORMS),
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
        ("vicidial goautodial", vicidial.FORMS),
        ("asterisk", asterisk.FORMS),
        ("miarec", recorders.MIAREC),
        ("puzzel", cloud.PUZZEL),
        ("", recorders.ANYBODY),
    )
]
"""By the settings that each family of forms is for, in the order in which they are tried."""

NOTHING = CallMetadata()


def read(path: str, system: str = "", patterns: Sequence[SitePattern] = ()) -> CallMetadata:
    """What a recording's name tells, each field with its origin. Never raises; nothing is guessed.

    `path`: an S3 key or URL, or a local path. `system`: one of SYSTEMS, whose forms are tried first; empty to recognise
    it. `patterns`: the site's own, tried before; the first that matches has the last word on what it tells.
    """
    name = take_apart(path)
    if len(name.stem) > LONGEST:
        return NOTHING
    built_in = NOTHING
    for systems, forms in sorted(FORMS, key=lambda family: system not in family[0]) if system else FORMS:
        built_in = next((found for form in forms if (found := form.read(name))), NOTHING)
        if built_in is not NOTHING:
            if system in systems and system:
                built_in = replace(built_in, phone_system=system)
            break
    for pattern in patterns:
        told = pattern.read(name.path)
        if told is not None:
            return completed(told, built_in)
    return built_in


def preview(names: Iterable[str], system: str = "", patterns: Sequence[SitePattern] = ()) -> Preview:
    """How far these names are understood with these settings."""
    return previewed(names, lambda name: read(name, system, patterns))
