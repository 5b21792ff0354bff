"""The forms of all families, in the order in which they are tried: those that cannot be mistaken first."""

from collections.abc import Sequence
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
from callscribe.phone_systems.name import Name

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
        ("android", mobile.ANDROID),
        ("vicidial goautodial", vicidial.FORMS),
        ("asterisk", asterisk.FORMS),
        ("miarec", recorders.MIAREC),
        ("puzzel", cloud.PUZZEL),
        ("", recorders.ANYBODY),
    )
]
"""By the settings that each family of forms is for, in the order in which they are tried."""


def recognised(name: Name, system: str) -> CallMetadata | None:
    """What the first form that fits tells; those of the `system` are tried before the others, unless it is empty.

    A system whose names are those of another, as Issabel's are FreePBX's, is known by the setting only.
    """
    if system:
        for systems, forms in FORMS:
            if system in systems and (found := _first(forms, name)) is not None:
                return replace(found, phone_system=system)
    return next((found for _, forms in FORMS if (found := _first(forms, name)) is not None), None)


def _first(forms: Sequence[Form], name: Name) -> CallMetadata | None:
    return next((found for form in forms if (found := form.read(name)) is not None), None)
