"""File names of two-way radio: the callee is a talkgroup, the caller the id of a radio. Neither is an extension."""

from callscribe.phone_systems.filename_pattern import FilenamePattern, no_extension

RADIO = "radio"

TRUNK_RECORDER = (
    # 3105-1702513859_772693750.0-call_42: talkgroup, epoch, frequency in Hz (the date in the folder is local)
    FilenamePattern(
        system="trunk-recorder",
        pattern=r"""
            (?P<callee>[0-9]+) - (?P<epoch>[0-9]{10}) _ [0-9]{1,11}(?:\.[0-9]+){0,2}(?:e\+[0-9]{2})?
            (?:-call_(?P<call_id>[0-9]+))?""",
        kind=RADIO,
        extension_from=no_extension,
    ),
)

SDRTRUNK = (
    # 20260811_090010Fulton_TO_54241_FROM_1234567
    FilenamePattern(
        system="sdrtrunk",
        pattern=r"""
            (?P<date>[0-9]{8})_(?P<time>[0-9]{6}) (?:[^0-9].*)? _TO_ (?P<callee>[^_]*)
            (?:_FROM_(?P<caller>[^_]*))? (?:_(?!TO_).*)?""",
        kind=RADIO,
        extension_from=no_extension,
    ),
)

KENWOOD = (
    # 20140930_174530_AR_N65519
    FilenamePattern(
        system="kenwood",
        pattern=r"(?P<date>[0-9]{8})_(?P<time>[0-9]{6}) _ [A-Z]{2} _ [A-Z]? (?P<caller>[0-9]+)",
        kind=RADIO,
        extension_from=no_extension,
    ),
)
