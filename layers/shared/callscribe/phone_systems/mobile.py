"""Recorders in mobile phones. They tell the other side by number or by name, few the direction."""

from dataclasses import replace
from datetime import datetime

from callscribe.metadata import CallMetadata, Direction
from callscribe.numbers import digits_of, number
from callscribe.phone_systems.form import Form, Groups, of_nobody, with_a_number
from callscribe.phone_systems.name import Name
from callscribe.words import person

SHORTEST_NUMBER = 5
"""Digits of a number that has no words around it that say what it is."""

WORDS = (
    *("Call recording", "Call Recording", "Voice call", "Anrufaufnahme", "Anrufaufzeichnung", "Запись вызова"),
    *("Запись звонка", "Запис виклику", "통화 녹음", "通话录音", "通話錄音", "通話録音", "Grabación de llamada"),
    *("Gravação de chamada", "Registrazione chiamata", "Enregistrement d'appel", "Nagranie rozmowy", "Gespreksopname"),
)
"""With which Samsung's recordings begin, by the phone's language."""


def _other_side(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata:
    who = groups["who"]
    number_or_name = replace(found, party=person(groups["name"] or who))
    if groups["way"] == "in":
        return replace(number_or_name, direction=Direction.INBOUND, caller=number(who))
    if groups["way"] == "out":
        return replace(number_or_name, direction=Direction.OUTBOUND, callee=number(who))
    return replace(number_or_name, kind="conference" if groups["way"] == "conference" else None)


def _behind_the_words(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata | None:
    """Without words of Samsung's before it, or a number alone, six digits need not be a date."""
    who = groups["who"] or ""
    for words in WORDS:
        if who == words or who.startswith(words + " "):
            who = who.removeprefix(words)
            break
    else:
        if not (number(who) and len(digits_of(who)) >= SHORTEST_NUMBER):
            return None
    return replace(found, remote_number=number(who), party=person(who))


def _in_brackets(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata:
    """Number and name; of a number that the phone itself knows, such as 112, the brackets hold the name."""
    name, digits = groups["name"] or "", groups["digits"] or ""
    if not number(digits) and number(name):
        name, digits = digits, name
    return replace(found, remote_number=number(digits), party=person(name))


def _to_the_millisecond(found: CallMetadata, groups: Groups, _name: Name) -> CallMetadata:
    at = found.started_at
    exact = at.replace(microsecond=1000 * int(groups["milliseconds"] or 0)) if isinstance(at, datetime) else at
    return replace(found, started_at=exact)


BCR = (
    # 20230414_215701.088-0400_in_sim1_+15551234567_Jane Doe
    Form(
        system="bcr",
        pattern=r"""
            (?P<date>[0-9]{8})_(?P<time>[0-9]{6}(?:\.[0-9]{1,6})?)(?P<zone>[+-][0-9]{4}|Z)
            (?:_(?P<way>in|out|conference))? (?:_sim[0-9]+)? (?:_(?P<who>[^_]*))? (?:_(?P<name>.*))?""",
        strict=False,
        extension=of_nobody,
        also=_other_side,
    ),
)

SAMSUNG = (
    # Call recording 037110101_200827_141229
    Form(
        system="samsung",
        pattern=r"(?P<who>.+) [_\ ] (?P<date>[0-9]{6}) _ (?P<time>[0-9]{6})",
        extension=of_nobody,
        also=_behind_the_words,
    ),
)

XIAOMI = (
    # Вызов@Jane(0078462010155)_20230215113029
    Form(
        system="xiaomi",
        pattern=r"""
            (?:[^@]*@)? (?P<name>.*) \( (?P<digits>[^()]*) \) _ (?P<date>[0-9]{8})(?P<time>[0-9]{6})""",
        extension=of_nobody,
        also=_in_brackets,
    ),
)

ANDROID = (
    # of Huawei, Jane@5551234567_20230215113029
    Form(
        system="android",
        pattern=r"(?P<party>[^@]*) @ (?P<remote_number>[^@_]*) _ (?P<date>[0-9]{8})(?P<time>[0-9]{6})",
        extension=of_nobody,
        also=with_a_number,
    ),
    # of GrapheneOS, CallRecord_20230619-121746_+15551234567
    Form(
        system="android",
        pattern=r"CallRecord_ (?P<date>[0-9]{8})-(?P<time>[0-9]{6}) _ (?P<remote_number>[^_]*)",
        extension=of_nobody,
    ),
    # of LineageOS, +15551234567_240506_225406577
    Form(
        system="android",
        pattern=r"(?P<remote_number>\+?[0-9]+) _ (?P<date>[0-9]{6}) _ (?P<time>[0-9]{6})(?P<milliseconds>[0-9]{3})",
        extension=of_nobody,
        also=_to_the_millisecond,
    ),
)

LG = (
    # 0d20151122141548p+74993460160
    Form(
        system="lg",
        pattern=r"[0-9]d (?P<date>[0-9]{8})(?P<time>[0-9]{6}) p (?P<remote_number>.*)",
        extension=of_nobody,
    ),
)
