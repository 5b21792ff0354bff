"""stub"""

from enum import StrEnum


class Sides(StrEnum):
    CALLER_LEFT = "caller-left"
    CALLER_RIGHT = "caller-right"


def sides_of(channels, phone_system):
    return None


def merge(transcripts, sides):
    return next(iter(transcripts.values()))
CHANNELS = ("auto", "mono", "caller-left", "caller-right")
