"""Both sides of a call become one conversation, in which nothing is lost and nothing invented."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.recordings.recording import Channel
from callscribe.transcripts.stereo import DEFAULT_LAYOUTS, ChannelLayout, merge_channels
from callscribe.transcripts.transcript import Segment, Transcript, Word

LEFT, RIGHT = Channel.LEFT, Channel.RIGHT


def said(*words, text=None, times=True):
    """A segment of words: (text, start, end)."""
    made = tuple(Word(text=word, start=start, end=end) for word, start, end in words)
    start, end = (words[0][1], words[-1][2]) if times else (None, None)
    return Segment(text=text or " ".join(word for word, _, _ in words), start=start, end=end, words=made)


def heard(*segments, language="en"):
    return Transcript(segments=segments, language=language)


def lines(transcript):
    return [f"{segment.speaker}: {segment.text}" for segment in transcript.segments]


def test_each_side_is_named_and_speaks_in_its_turn():
    left = heard(said(("Hello?", 0.5, 0.9)), said(("Thanks.", 4.0, 4.5)))
    right = heard(said(("Good", 1.0, 1.2), ("day.", 1.3, 1.6)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert lines(merged) == ["caller: Hello?", "agent: Good day.", "caller: Thanks."]
    assert [segment.channel for segment in merged.segments] == ["left", "right", "left"]
    assert {word.speaker for word in merged.segments[1].words} == {"agent"}
    assert lines(merge_channels({LEFT: left}, ChannelLayout.CALLER_RIGHT)) == ["agent: Hello?", "agent: Thanks."]


def test_who_speaks_in_another_s_pause_is_heard_there():
    left = heard(said(("My", 0.0, 0.2), ("order,", 0.3, 0.6), ("4711,", 2.0, 2.5), ("please.", 5.0, 5.5)))
    right = heard(said(("Yes?", 1.0, 1.4), ("Right.", 3.0, 3.5)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert lines(merged) == ["caller: My order,", "agent: Yes?", "caller: 4711,", "agent: Right.", "caller: please."]
    assert [(each.start, each.end) for each in merged.segments] == [
        *[(0.0, 0.6), (1.0, 1.4), (2.0, 2.5), (3.0, 3.5), (5.0, 5.5)]
    ]


def test_nothing_is_broken_where_nobody_else_speaks():
    left = heard(said(("One", 0.0, 0.2), ("two.", 8.0, 8.2)))
    talking_over = heard(said(("Sorry", 0.1, 9.0)))
    before_and_after = heard(said(("Hm.", 20.0, 20.1)))
    for right in (talking_over, before_and_after, heard()):
        merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
        assert "caller: One two." in lines(merged)


def test_a_segment_without_times_stays_behind_the_one_before_it():
    left = heard(Segment(text="First"), said(("Hello", 1.0, 2.0)), Segment(text="untimed"), said(("later", 9.0, 9.5)))
    right = heard(said(("Between", 5.0, 6.0)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert [segment.text for segment in merged.segments] == ["First", "Hello", "untimed", "Between", "later"]


def test_words_without_times_stay_with_the_word_before_them():
    left = heard(said(("Number", 0.0, 0.5), ("4711", None, None), ("please", 3.0, 3.5)))
    right = heard(said(("Yes", 1.0, 1.5)))
    merged = merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)
    assert lines(merged) == ["caller: Number 4711", "agent: Yes", "caller: please"]


def test_a_text_that_its_words_do_not_make_up_is_not_broken():
    left = heard(said(("vier", 0.0, 0.5), ("sieben", 3.0, 3.5), text="4 7"))
    right = heard(said(("Ja", 1.0, 1.5)))
    assert lines(merge_channels({LEFT: left, RIGHT: right}, ChannelLayout.CALLER_LEFT)) == ["caller: 4 7", "agent: Ja"]


def test_at_the_same_time_left_comes_first():
    both = heard(said(("A", 1.0, 2.0)))
    assert lines(merge_channels({RIGHT: both, LEFT: both}, ChannelLayout.CALLER_RIGHT)) == ["agent: A", "caller: A"]


def test_the_language_is_that_of_the_side_with_more_to_say():
    much, little = heard(said(("Viel", 0, 1), ("Text", 1, 2)), language="de"), heard(language="nn")
    assert merge_channels({LEFT: little, RIGHT: much}, ChannelLayout.CALLER_LEFT).language == "de"
    assert merge_channels({LEFT: much, RIGHT: little}, ChannelLayout.CALLER_LEFT).language == "de"
    assert merge_channels({}, ChannelLayout.CALLER_LEFT) == Transcript(segments=())


@pytest.mark.parametrize(("system", "left"), [("amazon-connect", "caller"), ("vicidial", "agent")])
def test_phone_systems_are_known_by_name(system, left):
    assert DEFAULT_LAYOUTS[system].speaker_for(LEFT) == left
    assert DEFAULT_LAYOUTS[system].speaker_for(RIGHT) != left


@st.composite
def transcripts(draw):
    """One channel: segments in order, of words in order, with pauses; some words without times."""
    segments, at = [], draw(st.floats(0, 5))
    for number in range(draw(st.integers(0, 4))):
        words = []
        for place in range(draw(st.integers(1, 4))):
            start = at + draw(st.sampled_from([0.0, 0.1, 1.0, 3.0]))
            at = start + draw(st.sampled_from([0.0, 0.2, 0.5]))
            times = [(start, at), (start, None), (None, None)]
            words.append((f"w{number}{place}", *draw(st.sampled_from(times if place else times[:1]))))
        segment = said(*words, text=draw(st.sampled_from([" ", "… ", ""])).join(word for word, _, _ in words))
        segments.append(segment)
        at += draw(st.sampled_from([0.0, 0.5, 2.0]))
    return heard(*segments)


@given(st.dictionaries(st.sampled_from(Channel), transcripts()), st.sampled_from(ChannelLayout))
def test_a_conversation_is_what_both_have_said_in_the_order_of_time(heard_on, sides):
    merged = merge_channels(heard_on, sides).segments
    for channel, transcript in heard_on.items():
        own = [segment for segment in merged if segment.channel == channel]
        assert {segment.speaker for segment in own} <= {sides.speaker_for(channel)}
        text = "".join(segment.text for segment in own)
        assert "".join(text.split()) == "".join("".join(each.text for each in transcript.segments).split())
        words = [(word.text, word.start, word.end) for segment in own for word in segment.words]
        assert words == [(each.text, each.start, each.end) for one in transcript.segments for each in one.words]
        assert {segment.start for segment in transcript.segments} <= {segment.start for segment in own}
        ends = Counter(segment.end for segment in transcript.segments)
        assert ends <= Counter(segment.end for segment in own)
        assert len(own) >= len(transcript.segments)
    assert all(one.start <= following.start for one, following in pairwise(merged))
    if len(heard_on) < 2:
        assert len(merged) == sum(len(each.segments) for each in heard_on.values())
    assert all(segment.text for segment in merged)


@given(st.dictionaries(st.sampled_from(Channel), transcripts(), min_size=2))
def test_what_is_broken_has_the_other_side_in_between(heard_on):
    merged = merge_channels(heard_on, ChannelLayout.CALLER_LEFT).segments
    whole = {(channel, each.start) for channel, one in heard_on.items() for each in one.segments}
    for one, next_one in pairwise(merged):
        if (next_one.channel, next_one.start) not in whole:  # a later piece of a segment
            assert one.channel != next_one.channel
