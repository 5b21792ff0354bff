"""Caption lines: where the text of a caption may be broken, and its one or two lines."""

import re
from functools import cache

from callscribe.transcripts.transcript import UNSPACED_SCRIPTS

MAX_LINE_CHARACTERS = 42
"""A caption has at most two lines of this length, as is usual for subtitles. The speaker before the text counts."""

PAUSE_BONUS = 12
"""By how many characters the two lines of a caption may differ more if the first one ends at a pause."""

OPENING = re.escape("([{“‘「『（【〈《")
"""Brackets that must not end a line."""

PAUSE_MARKS = tuple(".?!…,;:。？！、，；：")
"""Punctuation after which a caption preferably ends."""


def with_speaker(speaker: str | None, text: str) -> str:
    """The text of a caption or line in a format without markup for speakers."""
    return f"{speaker}: {text}" if speaker else text


def indent_of(speaker: str | None) -> int:
    """The characters before the text of a caption. A very long name of a speaker counts only in part."""
    return min(len(with_speaker(speaker, "")), MAX_LINE_CHARACTERS // 2)


@cache
def unit_pattern(indent: int) -> re.Pattern[str]:
    """What a line is never broken within: a word that fits in it, or a character of a script without spaces with the
    brackets before it and the punctuation after it."""
    max_length = MAX_LINE_CHARACTERS - indent
    return re.compile(
        rf"[{OPENING}]{{0,4}}(?:[{UNSPACED_SCRIPTS}][^\w\s{OPENING}]{{0,4}}|[^\s{UNSPACED_SCRIPTS}{OPENING}]{{1,{max_length}}})\s*"
        rf"|[{OPENING}]{{1,4}}\s*|\s+"
    )


def wrap(text: str, indent: int) -> tuple[str, ...] | None:
    """The text in one or two lines; None if they would be too long."""
    if indent + len(text) <= MAX_LINE_CHARACTERS:
        return (text,)
    if indent + len(text) > 2 * MAX_LINE_CHARACTERS + 1:  # the space between the lines is left out
        return None
    breaks = (
        (text[: match.end()].rstrip(), text[match.end() :].lstrip()) for match in unit_pattern(indent).finditer(text)
    )
    fitting = [
        (first, second)
        for first, second in breaks
        if indent + len(first) <= MAX_LINE_CHARACTERS and len(second) <= MAX_LINE_CHARACTERS
        if not second.isdigit()  # some parsers of SubRip take it for the number of the next caption
    ]
    return min(fitting, key=lambda lines: _imbalance(lines[0], lines[1], indent), default=None)


def _imbalance(first: str, second: str, indent: int) -> int:
    return abs(indent + len(first) - len(second)) - PAUSE_BONUS * first.endswith(PAUSE_MARKS)
