"""The two sides of a stereo call: whom each channel holds, and how both become one conversation."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import merge as merge_sorted
from itertools import groupby

from callscribe.recording import Channel
from callscribe.transcript import Segment, Transcript

CALLER, AGENT = "caller", "agent"


class Sides(StrEnum):
    """On which channel the other party is. On the other one is the agent: whoever's phone system recorded the call."""

    CALLER_LEFT = "caller-left"
    CALLER_RIGHT = "caller-right"

    def speaker(self, channel: Channel) -> str:
        """Who speaks on that channel."""
        caller = Channel.LEFT if self is Sides.CALLER_LEFT else Channel.RIGHT
        return CALLER if channel is caller else AGENT


SIDES: Mapping[str, Sides] = {
    "amazon-connect": Sides.CALLER_LEFT,
    "freeswitch": Sides.CALLER_LEFT,
    "fusionpbx": Sides.CALLER_LEFT,
    "puzzel": Sides.CALLER_LEFT,
    "yeastar": Sides.CALLER_LEFT,
    "goautodial": Sides.CALLER_RIGHT,
    "vicidial": Sides.CALLER_RIGHT,
}
"""By phone system, as far as it is confirmed. FreeSWITCH and Yeastar put what they receive on the left."""

AUTO, MONO = "auto", "mono"
CHANNELS = (AUTO, MONO, *Sides)
"""What the setting of this name may be."""


def sides_of(channels: str, phone_system: str) -> Sides | None:
    """Who speaks where in a stereo recording, by the setting; None to send it as it is.

    `auto` is what is known of the phone system, which may be empty.
    """
    if channels == AUTO:
        return SIDES.get(phone_system)
    return None if channels == MONO else Sides(channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """The words from `first` up to `last` of segment `number` of a channel. `at`: its place in time, in seconds."""

    at: float
    channel: Channel
    number: int
    first: int
    last: int


def merge(transcripts: Mapping[Channel, Transcript], sides: Sides) -> Transcript:
    """One transcript in the order in which things were said, each segment with its speaker and its channel.

    A segment in whose pause the other side speaks is broken there. One without times stays behind the one before it.
    The language is that of the channel with more text.
    """
    heard = {channel: transcripts[channel] for channel in Channel if channel in transcripts}
    onsets = {channel: sorted(_onsets(transcript.segments)) for channel, transcript in heard.items()}
    lanes = []
    for channel, transcript in heard.items():
        others = [onset for other in heard if other is not channel for onset in onsets[other]]
        lanes.append(list(_pieces(channel, transcript.segments, others)))
    spoken = merge_sorted(*lanes, key=lambda piece: piece.at)
    # where nothing came between the pieces of a segment after all, it stays whole
    segments = []
    for (channel, number), group in groupby(spoken, key=lambda piece: (piece.channel, piece.number)):
        pieces = list(group)
        part = _part(heard[channel].segments[number], pieces[0].first, pieces[-1].last)
        segments.append(_labelled(part, channel, sides.speaker(channel)))
    longest = max(heard.values(), key=lambda transcript: len(transcript.text), default=None)
    return Transcript(segments=tuple(segments), language=longest.language if longest else None)


def _onsets(segments: Sequence[Segment]) -> Iterator[float]:
    """When somebody begins to say something: each word or, where words have no times, each segment."""
    for segment in segments:
        starts = [word.start for word in segment.words if word.start is not None]
        yield from starts or ([] if segment.start is None else [segment.start])


def _pieces(channel: Channel, segments: Sequence[Segment], others: Sequence[float]) -> Iterator[_Piece]:
    """The segments of one channel, broken where one of the `others` begins in a pause."""
    at = 0.0
    for number, segment in enumerate(segments):
        at = max(at, segment.start or 0.0)
        first = 0
        for cut, start in _cuts(segment, others):
            yield _Piece(at=at, channel=channel, number=number, first=first, last=cut)
            first, at = cut, max(at, start)
        yield _Piece(at=at, channel=channel, number=number, first=first, last=len(segment.words))


def _cuts(segment: Segment, others: Sequence[float]) -> Iterator[tuple[int, float]]:
    """Each word before which the segment is to be broken, and its start."""
    if _places(segment) is None:
        return
    spoken_until: float | None = None
    for number, word in enumerate(segment.words):
        if word.start is None:
            continue
        if spoken_until is not None:
            began = bisect_left(others, spoken_until)
            if began < len(others) and others[began] < word.start:
                yield number, word.start
        spoken_until = max(spoken_until or 0.0, word.end or word.start)


def _places(segment: Segment) -> list[int] | None:
    """Where in the text each word stands; None unless all of them are found there, one behind the other."""
    places, at = [], 0
    for word in segment.words:
        at = segment.text.find(word.text, at) if word.text else -1
        if at < 0:
            return None
        places.append(at)
        at += len(word.text)
    return places


def _part(segment: Segment, first: int, last: int) -> Segment:
    """The words from `first` up to `last` of a segment, with what stands between them in its text."""
    everything = len(segment.words)
    if first == 0 and last == everything:
        return segment
    places = [*(_places(segment) or ()), len(segment.text)]
    words = segment.words[first:last]
    last_word_ends = max((word.end for word in words if word.end is not None), default=None)
    return replace(
        segment,
        text=segment.text[places[first] if first else 0 : places[last]].strip(),
        start=words[0].start if first else segment.start,
        end=segment.end if last == everything else last_word_ends,
        words=words,
    )


def _labelled(segment: Segment, channel: Channel, speaker: str) -> Segment:
    words = tuple(replace(word, speaker=speaker) for word in segment.words)
    return replace(segment, speaker=speaker, channel=channel.value, words=words)
