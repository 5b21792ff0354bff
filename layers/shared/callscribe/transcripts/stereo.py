"""Stereo calls: which party is on which channel, and how the transcripts of both channels are merged."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import merge as merge_sorted
from itertools import groupby

from callscribe.call_metadata.metadata import CallMetadata, Direction
from callscribe.call_metadata.phone_numbers import parse_extension
from callscribe.recordings.recording import Channel
from callscribe.transcripts.transcript import Segment, Transcript

CALLER, AGENT, CALLEE = "caller", "agent", "callee"


class ChannelLayout(StrEnum):
    """Which party is on which channel.

    If one side is the agent, who uses the phone system, the other party is the caller, whoever called. Otherwise the
    side that called is the caller, and the other one the callee.
    """

    CALLER_LEFT = "caller-left"
    CALLER_RIGHT = "caller-right"
    CALLING_SIDE_LEFT = "calling-side-left"
    """The side that called is on the left. Which of the two is the agent depends on the direction of the call."""

    def speaker_for(self, channel: Channel) -> str:
        """The speaker label for a channel."""
        left, right = _SPEAKERS[self]
        return left if channel is Channel.LEFT else right

    @classmethod
    def from_speakers(cls, left: str | None, right: str | None) -> "ChannelLayout":
        """The layout with these speakers on the channels."""
        return next(layout for layout, speakers in _SPEAKERS.items() if speakers == (left, right))

    def for_direction(self, direction: Direction | None) -> "ChannelLayout":
        """The layout of a call of this direction; unchanged if there is no agent, or the agent's side is not known."""
        return _LAYOUT_BY_DIRECTION.get((self, direction), self)


_SPEAKERS: Mapping[ChannelLayout, tuple[str, str]] = {
    ChannelLayout.CALLER_LEFT: (CALLER, AGENT),
    ChannelLayout.CALLER_RIGHT: (AGENT, CALLER),
    ChannelLayout.CALLING_SIDE_LEFT: (CALLER, CALLEE),
}
_LAYOUT_BY_DIRECTION: Mapping[tuple[ChannelLayout, Direction | None], ChannelLayout] = {
    (ChannelLayout.CALLING_SIDE_LEFT, Direction.INBOUND): ChannelLayout.CALLER_LEFT,
    (ChannelLayout.CALLING_SIDE_LEFT, Direction.OUTBOUND): ChannelLayout.CALLER_RIGHT,
}

DEFAULT_LAYOUTS: Mapping[str, ChannelLayout] = {
    "amazon-connect": ChannelLayout.CALLER_LEFT,
    "bcr": ChannelLayout.CALLER_RIGHT,
    "freeswitch": ChannelLayout.CALLING_SIDE_LEFT,
    "fusionpbx": ChannelLayout.CALLING_SIDE_LEFT,
    "goautodial": ChannelLayout.CALLER_RIGHT,
    "puzzel": ChannelLayout.CALLER_LEFT,
    "vicidial": ChannelLayout.CALLER_RIGHT,
}
"""By phone system, for those confirmed. FreeSWITCH's documentation of RECORD_STEREO: leg A, the caller, is on the left.
BCR (https://github.com/chenxiaolong/BCR/pull/772): the uplink, the user of the phone, is on the left. Yeastar documents
that the received audio is on the left, but not of which side, so it is not listed."""

AUTO, MONO = "auto", "mono"
CHANNEL_MODES = (AUTO, MONO, *ChannelLayout)
"""The values of the setting `channels`."""


def channel_layout(channels: str, phone_system: str, metadata: CallMetadata) -> ChannelLayout | None:
    """The layout of a stereo recording for the setting `channels`; None to send the recording unsplit.

    `auto` uses the default of the phone system. `phone_system` is empty if it is unknown.
    """
    if channels == AUTO:
        layout = DEFAULT_LAYOUTS.get(phone_system)
    else:
        layout = None if channels == MONO else ChannelLayout(channels)
    return layout.for_direction(_find_direction(metadata)) if layout else None


def _find_direction(call: CallMetadata) -> Direction | None:
    """The direction; if it is unknown, it follows from an extension on one side and a longer number on the other."""
    if call.direction or not call.caller or not call.callee:
        return call.direction
    is_caller_local, is_callee_local = (parse_extension(number) is not None for number in (call.caller, call.callee))
    if is_caller_local == is_callee_local:
        return None
    return Direction.OUTBOUND if is_caller_local else Direction.INBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fragment:
    """The words `first_word` up to `end_word` (exclusive) of a segment. `start`, in seconds, sorts the fragments."""

    start: float
    channel: Channel
    segment_index: int
    first_word: int
    end_word: int


def merge_channels(transcripts: Mapping[Channel, Transcript], layout: ChannelLayout) -> Transcript:
    """Merge both transcripts in chronological order; each segment gets its speaker and its channel.

    A segment is split at a pause in which the other party speaks. A segment without times stays after the previous one.
    The language is that of the channel with more text.
    """
    by_channel = {channel: transcripts[channel] for channel in Channel if channel in transcripts}
    word_starts = {channel: sorted(_word_starts(transcript.segments)) for channel, transcript in by_channel.items()}
    channel_fragments = []
    for channel, transcript in by_channel.items():
        other_starts = [word_start for other in by_channel if other is not channel for word_start in word_starts[other]]
        channel_fragments.append(list(_split_segments(channel, transcript.segments, other_starts)))
    fragments = merge_sorted(*channel_fragments, key=lambda fragment: fragment.start)
    # consecutive fragments of one segment are joined again
    segments = []
    for (channel, segment_index), group in groupby(
        fragments, key=lambda fragment: (fragment.channel, fragment.segment_index)
    ):
        segment_fragments = list(group)
        segment = slice_segment(
            by_channel[channel].segments[segment_index], segment_fragments[0].first_word, segment_fragments[-1].end_word
        )
        segments.append(_label_segment(segment, channel, layout.speaker_for(channel)))
    longest = max(by_channel.values(), key=lambda transcript: len(transcript.text), default=None)
    return Transcript(segments=tuple(segments), language=longest.language if longest else None)


def _word_starts(segments: Sequence[Segment]) -> Iterator[float]:
    """The start of each word or, if the words have no times, of each segment."""
    for segment in segments:
        starts = [word.start for word in segment.words if word.start is not None]
        yield from starts or ([] if segment.start is None else [segment.start])


def _split_segments(
    channel: Channel, segments: Sequence[Segment], other_starts: Sequence[float]
) -> Iterator[_Fragment]:
    """The segments of one channel, split where one of `other_starts` is in a pause."""
    position = 0.0
    for index, segment in enumerate(segments):
        position = max(position, segment.start or 0.0)
        first_word = 0
        for cut, start in _break_points(segment, other_starts):
            yield _Fragment(start=position, channel=channel, segment_index=index, first_word=first_word, end_word=cut)
            first_word, position = cut, max(position, start)
        yield _Fragment(
            start=position, channel=channel, segment_index=index, first_word=first_word, end_word=len(segment.words)
        )


def _break_points(segment: Segment, other_starts: Sequence[float]) -> Iterator[tuple[int, float]]:
    """The index and start of each word before which the segment is split."""
    if word_offsets(segment) is None:
        return
    spoken_until: float | None = None
    for index, word in enumerate(segment.words):
        if word.start is None:
            continue
        if spoken_until is not None:
            next_start_index = bisect_left(other_starts, spoken_until)
            if next_start_index < len(other_starts) and other_starts[next_start_index] < word.start:
                yield index, word.start
        spoken_until = max(spoken_until or 0.0, word.end or word.start)


def word_offsets(segment: Segment) -> list[int] | None:
    """The offset of each word in the text; None unless all of them occur there in this order."""
    offsets, offset = [], 0
    for word in segment.words:
        offset = segment.text.find(word.text, offset) if word.text else -1
        if offset < 0:
            return None
        offsets.append(offset)
        offset += len(word.text)
    return offsets


def slice_segment(segment: Segment, first_word: int, end_word: int) -> Segment:
    """The part of a segment with the words `first_word` up to `end_word` (exclusive), and the text between them."""
    word_count = len(segment.words)
    if first_word == 0 and end_word == word_count:
        return segment
    offsets = [*(word_offsets(segment) or ()), len(segment.text)]
    words = segment.words[first_word:end_word]
    last_word_end = max((word.end for word in words if word.end is not None), default=None)
    return replace(
        segment,
        text=segment.text[offsets[first_word] if first_word else 0 : offsets[end_word]].strip(),
        start=words[0].start if first_word else segment.start,
        end=segment.end if end_word == word_count else last_word_end,
        words=words,
    )


def _label_segment(segment: Segment, channel: Channel, speaker: str) -> Segment:
    words = tuple(replace(word, speaker=speaker) for word in segment.words)
    return replace(segment, speaker=speaker, channel=channel.value, words=words)
