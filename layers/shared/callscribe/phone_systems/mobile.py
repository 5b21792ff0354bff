"""File names of recorders in mobile phones: the number or name of the other party, rarely the direction."""

from dataclasses import replace
from datetime import datetime

from callscribe.call_metadata.metadata import CallMetadata, Direction
from callscribe.call_metadata.phone_numbers import digits_only, parse_name, parse_phone_number
from callscribe.phone_systems.filename_pattern import (
    FilenamePattern,
    Groups,
    RecordingPath,
    no_extension,
    require_number,
)

MIN_NUMBER_DIGITS = 5
"""Fewer digits without a word around them are not treated as a phone number."""

SAMSUNG_PREFIXES = (
    *("Call recording", "Call Recording", "Voice call", "Anrufaufnahme", "Anrufaufzeichnung", "Запись вызова"),
    *("Запись звонка", "Запис виклику", "통화 녹음", "通话录音", "通話錄音", "通話録音", "Grabación de llamada"),
    *("Gravação de chamada", "Registrazione chiamata", "Enregistrement d'appel", "Nagranie rozmowy", "Gespreksopname"),
)
"""How names of Samsung's recordings begin, in the language of the phone."""


def _assign_remote_side(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata:
    remote = groups["remote"]
    metadata = replace(metadata, party=parse_name(groups["name"] or remote))
    if metadata.direction is Direction.INBOUND:
        return replace(metadata, caller=parse_phone_number(remote))
    if metadata.direction is Direction.OUTBOUND:
        return replace(metadata, callee=parse_phone_number(remote))
    return replace(metadata, kind="conference" if groups["direction"] == "conference" else None)


def _strip_samsung_prefix(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata | None:
    """Reject a name that has neither Samsung's prefix nor only a number: six digits are not always a date."""
    remote = groups["remote"] or ""
    for prefix in SAMSUNG_PREFIXES:
        if remote == prefix or remote.startswith(prefix + " "):
            remote = remote.removeprefix(prefix)
            break
    else:
        if not (parse_phone_number(remote) and len(digits_only(remote)) >= MIN_NUMBER_DIGITS):
            return None
    return replace(metadata, remote_number=parse_phone_number(remote), party=parse_name(remote))


def _assign_number_and_name(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata:
    """Swap number and name if needed: for a number that the phone knows, such as 112, the name is in the brackets."""
    name, number = groups["name"] or "", groups["number"] or ""
    if not parse_phone_number(number) and parse_phone_number(name):
        name, number = number, name
    return replace(metadata, remote_number=parse_phone_number(number), party=parse_name(name))


def _add_milliseconds(metadata: CallMetadata, groups: Groups, _path: RecordingPath) -> CallMetadata:
    started_at = metadata.started_at
    with_milliseconds = (
        started_at.replace(microsecond=1000 * int(groups["milliseconds"] or 0))
        if isinstance(started_at, datetime)
        else started_at
    )
    return replace(metadata, started_at=with_milliseconds)


BCR = (
    # 20230414_215701.088-0400_in_sim1_+15551234567_Jane Doe
    FilenamePattern(
        system="bcr",
        pattern=r"""
            (?P<date>[0-9]{8})_(?P<time>[0-9]{6}(?:\.[0-9]{1,6})?)(?P<zone>[+-][0-9]{4}|Z)
            (?:_(?P<direction>in|out|conference))? (?:_sim[0-9]+)? (?:_(?P<remote>[^_]*))? (?:_(?P<name>.*))?""",
        reject_invalid_date=False,
        extension_from=no_extension,
        refine=_assign_remote_side,
    ),
)

SAMSUNG = (
    # Call recording 037110101_200827_141229
    FilenamePattern(
        system="samsung",
        pattern=r"(?P<remote>.+) [_\ ] (?P<date>[0-9]{6}) _ (?P<time>[0-9]{6})",
        extension_from=no_extension,
        refine=_strip_samsung_prefix,
    ),
)

XIAOMI = (
    # Вызов@Jane(0078462010155)_20230215113029
    FilenamePattern(
        system="xiaomi",
        pattern=r"""
            (?:[^@]*@)? (?P<name>.*) \( (?P<number>[^()]*) \) _ (?P<date>[0-9]{8})(?P<time>[0-9]{6})""",
        extension_from=no_extension,
        refine=_assign_number_and_name,
    ),
)

ANDROID = (
    # by Huawei: Jane@5551234567_20230215113029
    FilenamePattern(
        system="android",
        pattern=r"(?P<party>[^@]*) @ (?P<remote_number>[^@_]*) _ (?P<date>[0-9]{8})(?P<time>[0-9]{6})",
        extension_from=no_extension,
        refine=require_number,
    ),
    # by GrapheneOS: CallRecord_20230619-121746_+15551234567
    FilenamePattern(
        system="android",
        pattern=r"CallRecord_ (?P<date>[0-9]{8})-(?P<time>[0-9]{6}) _ (?P<remote_number>[^_]*)",
        extension_from=no_extension,
    ),
    # by LineageOS: +15551234567_240506_225406577
    FilenamePattern(
        system="android",
        pattern=r"(?P<remote_number>\+?[0-9]+) _ (?P<date>[0-9]{6}) _ (?P<time>[0-9]{6})(?P<milliseconds>[0-9]{3})",
        extension_from=no_extension,
        refine=_add_milliseconds,
    ),
)

LG = (
    # 0d20151122141548p+74993460160
    FilenamePattern(
        system="lg",
        pattern=r"[0-9]d (?P<date>[0-9]{8})(?P<time>[0-9]{6}) p (?P<remote_number>.*)",
        extension_from=no_extension,
    ),
)
