"""Merging the transcripts of both channels of a call: nothing is lost and nothing is added."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import CallMetadata, Direction
from callscribe.recordings.recording import Channel
from callscribe.transcripts.stereo import AUTO, ChannelLayout, channel_layout, merge_channels
from callscribe.transcripts.transcript import Segment, Transcript, Word

LEFT, RIGHT = Channel.LEFT, Channel.RIGHT


def spoken(*words, text=None, times=True):
    """A segment from words: (text, start, end)."""
    parsed_words = tuple(Word(text=word, start=start, end=end) for word, start, end in words)
    start, end = (words[0][1], words[-1][2]) if times else (None, None)
    return Segment(text=text or " ".join(word for word, _, _ in words), start=start, end=end, words=parsed_words)


def transcript_of(*segments, language="en"):
    return Transcript(segments=segments, language=language)


def lines(merged):
    return [f"{segment.speaker}: {segment.text}" for segment in merged.segments]


def test_both_parties_are_labelled_and_merged_in_chronological_order():
    left = transcript_of(spoken(("Hello?", 0.5, 0.9)), spoken(("Thanks.", 4.0, 4.5)))
    right = transcript_of(spoken(("Good", 1.0, 1.2), ("day.", 1.3, 1.6)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert lines(merged) == ["caller: Hello?", "agent: Good day.", "caller: Thanks."]
    assert [segment.channel for segment in merged.segments] == ["left", "right", "left"]
    assert {word.speaker for word in merged.segments[1].words} == {"agent"}
    assert lines(merge_channels({LEFT: left}, ChannelLayout.CALLER_RIGHT)) == ["agent: Hello?", "agent: Thanks."]


def test_segment_is_split_at_a_pause_in_which_the_other_party_speaks():
    left = transcript_of(spoken(("My", 0.0, 0.2), ("order,", 0.3, 0.6), ("4711,", 2.0, 2.5), ("please.", 5.0, 5.5)))
    right = transcript_of(spoken(("Yes?", 1.0, 1.4), ("Right.", 3.0, 3.5)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert lines(merged) == ["caller: My order,", "agent: Yes?", "caller: 4711,", "agent: Right.", "caller: please."]
    times = [(segment.start, segment.end) for segment in merged.segments]
    assert times == [(0.0, 0.6), (1.0, 1.4), (2.0, 2.5), (3.0, 3.5), (5.0, 5.5)]


def test_segment_is_not_split_if_the_other_party_does_not_speak_in_its_pauses():
    left = transcript_of(spoken(("One", 0.0, 0.2), ("two.", 8.0, 8.2)))
    talking_over = transcript_of(spoken(("Sorry", 0.1, 9.0)))
    before_and_after = transcript_of(spoken(("Hm.", 20.0, 20.1)))
    for right in (talking_over, before_and_after, transcript_of()):
        merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
        assert "caller: One two." in lines(merged)


def test_segment_without_times_stays_after_the_previous_one():
    left = transcript_of(
        Segment(text="First"), spoken(("Hello", 1.0, 2.0)), Segment(text="untimed"), spoken(("later", 9.0, 9.5))
    )
    right = transcript_of(spoken(("Between", 5.0, 6.0)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert [segment.text for segment in merged.segments] == ["First", "Hello", "untimed", "Between", "later"]


def test_words_without_times_stay_with_the_previous_word():
    left = transcript_of(spoken(("Number", 0.0, 0.5), ("4711", None, None), ("please", 3.0, 3.5)))
    right = transcript_of(spoken(("Yes", 1.0, 1.5)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert lines(merged) == ["caller: Number 4711", "agent: Yes", "caller: please"]


def test_segment_is_not_split_if_its_words_do_not_match_its_text():
    left = transcript_of(spoken(("vier", 0.0, 0.5), ("sieben", 3.0, 3.5), text="4 7"))
    right = transcript_of(spoken(("Ja", 1.0, 1.5)))
    assert lines(merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)) == ["caller: 4 7", "agent: Ja"]


def test_left_channel_comes_first_at_the_same_time():
    both = transcript_of(spoken(("A", 1.0, 2.0)))
    assert lines(merge_channels({RIGHT: both, LEFT: both}, ChannelLayout.CALLER_RIGHT)) == ["agent: A", "caller: A"]


def test_language_comes_from_the_channel_with_more_text():
    long, short = transcript_of(spoken(("Viel", 0, 1), ("Text", 1, 2)), language="de"), transcript_of(language="nn")
    assert merge_channels({LEFT: short, RIGHT: long}, ChannelLayout.CALLER_LEFT).language == "de"
    assert merge_channels({LEFT: long, RIGHT: short}, ChannelLayout.CALLER_LEFT).language == "de"
    assert merge_channels({}, ChannelLayout.CALLER_LEFT) == Transcript(segments=())


INBOUND, OUTBOUND, INTERNAL = Direction
NUMBER = "5551234567"


@pytest.mark.parametrize(
    ("system", "call", "left", "right"),
    [
        ("amazon-connect", {"direction": OUTBOUND}, "caller", "agent"),
        ("puzzel", {"direction": INBOUND}, "caller", "agent"),
        ("vicidial", {}, "agent", "caller"),
        ("bcr", {"direction": INBOUND}, "agent", "caller"),
        ("bcr", {"direction": OUTBOUND}, "agent", "caller"),
        ("freeswitch", {"direction": INBOUND}, "caller", "agent"),
        ("freeswitch", {"direction": OUTBOUND}, "agent", "caller"),
        ("fusionpbx", {"direction": OUTBOUND, "caller": NUMBER, "callee": "1001"}, "agent", "caller"),
        ("fusionpbx", {"direction": INTERNAL, "caller": "1001", "callee": NUMBER}, "caller", "callee"),
        # the direction is unknown, but one side is an extension and the other one is not
        ("fusionpbx", {"caller": "1001", "callee": NUMBER}, "agent", "caller"),
        ("fusionpbx", {"caller": NUMBER, "callee": "1001"}, "caller", "agent"),
        ("fusionpbx", {"caller": "1001", "callee": "1002"}, "caller", "callee"),
        ("fusionpbx", {"caller": NUMBER, "callee": NUMBER}, "caller", "callee"),
        ("fusionpbx", {"callee": "1001"}, "caller", "callee"),
        ("fusionpbx", {}, "caller", "callee"),
    ],
)
def test_speakers_follow_from_the_phone_system_and_the_sides_of_the_call(system, call, left, right):
    layout = channel_layout(AUTO, system, CallMetadata(**call))
    assert [layout.speaker_for(channel) for channel in (LEFT, RIGHT)] == [left, right]


def test_layout_that_is_set_takes_precedence_over_that_of_the_phone_system():
    call = CallMetadata(direction=OUTBOUND)
    assert channel_layout("mono", "freeswitch", call) is None
    assert channel_layout("caller-left", "freeswitch", call) is ChannelLayout.CALLER_LEFT
    assert channel_layout("calling-side-left", "", call) is ChannelLayout.CALLER_RIGHT
    assert channel_layout(AUTO, "", call) is channel_layout(AUTO, "yeastar", call) is None


@st.composite
def transcripts(draw):
    """The transcript of one channel: segments and words in order, with pauses; some words without times."""
    segments, position = [], draw(st.floats(0, 5))
    for number in range(draw(st.integers(0, 4))):
        words = []
        for index in range(draw(st.integers(1, 4))):
            start = position + draw(st.sampled_from([0.0, 0.1, 1.0, 3.0]))
            position = start + draw(st.sampled_from([0.0, 0.2, 0.5]))
            times = [(start, position), (start, None), (None, None)]
            words.append((f"w{number}{index}", *draw(st.sampled_from(times if index else times[:1]))))
        separator = draw(st.sampled_from([" ", "… ", ""]))
        segments.append(spoken(*words, text=separator.join(word for word, _, _ in words)))
        position += draw(st.sampled_from([0.0, 0.5, 2.0]))
    return transcript_of(*segments)


@given(st.dictionaries(st.sampled_from(Channel), transcripts()), st.sampled_from(ChannelLayout))
def test_merged_transcript_has_all_words_of_both_channels_in_chronological_order(by_channel, layout):
    merged = merge_channels(by_channel, layout).segments
    for channel, original in by_channel.items():
        segments = [segment for segment in merged if segment.channel == channel]
        assert {segment.speaker for segment in segments} <= {layout.speaker_for(channel)}
        assert without_spaces(segments) == without_spaces(original.segments)
        assert words_of(segments) == words_of(original.segments)
        assert {segment.start for segment in original.segments} <= {segment.start for segment in segments}
        ends = Counter(segment.end for segment in original.segments)
        assert ends <= Counter(segment.end for segment in segments)
        assert len(segments) >= len(original.segments)
    assert all(one.start <= following.start for one, following in pairwise(merged))
    if len(by_channel) < 2:
        assert len(merged) == sum(len(original.segments) for original in by_channel.values())
    assert all(segment.text for segment in merged)


def without_spaces(segments):
    return "".join("".join(segment.text for segment in segments).split())


def words_of(segments):
    return [(word.text, word.start, word.end) for segment in segments for word in segment.words]


@given(st.dictionaries(st.sampled_from(Channel), transcripts(), min_size=2))
def test_split_segment_has_the_other_party_in_between(by_channel):
    merged = merge_channels(by_channel, ChannelLayout.CALLER_LEFT).segments
    starts = {(channel, segment.start) for channel, original in by_channel.items() for segment in original.segments}
    for one, following in pairwise(merged):
        if (following.channel, following.start) not in starts:  # a later part of a split segment
            assert one.channel != following.channel
