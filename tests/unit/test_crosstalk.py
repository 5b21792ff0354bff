"""Echo in the transcripts of two channels: what is left out, and what is kept."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.recordings.recording import Channel
from callscribe.transcripts.transcript import Segment, Transcript, Word
from functions.process.audio.crosstalk import remove_echo
from functions.process.audio.loudness import FULL_SCALE_LEVEL, ChannelLevels

LEFT, RIGHT = Channel
FRAME_SECONDS = 0.04
SPEECH, ECHO, NOISE = (FULL_SCALE_LEVEL + dbfs for dbfs in (-20, -45, -75))


def levels(seconds, left=(), right=()):
    """Noise, except in the stretches of each channel: start, end and level."""

    def build(stretches):
        frames = bytearray([NOISE]) * round(seconds / FRAME_SECONDS)
        for start, end, level in stretches:
            for index in range(round(start / FRAME_SECONDS), round(end / FRAME_SECONDS)):
                frames[index] = max(frames[index], level - 4 * (index % 3))
        return bytes(frames)

    return ChannelLevels(FRAME_SECONDS, {LEFT: build(left), RIGHT: build(right)})


def segment(text, start, end, *, word_times=False):
    """Words of equal length."""
    words = text.split()
    bounds = [start + (end - start) * index / len(words) for index in range(len(words) + 1)]
    times = tuple(Word(text=word, start=a, end=b) for word, (a, b) in zip(words, pairwise(bounds), strict=True))
    return Segment(text=text, start=start, end=end, words=times if word_times else ())


def texts(left, right, channel_levels):
    """What is left of both channels, and the number of segments from which something was left out."""
    transcripts = {LEFT: Transcript(segments=tuple(left)), RIGHT: Transcript(segments=tuple(right))}
    kept, count = remove_echo(transcripts, channel_levels)
    return [[each.text for each in kept[channel].segments] for channel in Channel], count


BOTH = levels(10, left=[(1, 4, SPEECH), (6, 8, ECHO)], right=[(1, 4, ECHO), (6, 8, SPEECH)])
"""The left party speaks first, then the right one, and each leaks into the other channel."""
QUESTION, ANSWER = "where is my order please", "it will arrive on monday"


@pytest.mark.parametrize("word_times", [True, False])
def test_the_quieter_copy_is_left_out(word_times):
    left = [segment(QUESTION, 1, 4, word_times=word_times), segment(ANSWER, 6.2, 8.1, word_times=word_times)]
    right = [segment("where was my order, please?", 1.2, 4.1, word_times=word_times), segment(ANSWER, 6, 8)]
    assert texts(left, right, BOTH) == ([[QUESTION], [ANSWER]], 2)


def test_own_words_in_a_segment_with_echo_are_kept():
    mixed = segment(f"{QUESTION} {ANSWER}", 1, 8, word_times=True)
    words = (*segment(QUESTION, 1, 4, word_times=True).words, *segment(ANSWER, 6, 8, word_times=True).words)
    right = [Segment(text=mixed.text, start=1.0, end=8.0, words=words)]
    assert texts([segment(QUESTION, 1, 4)], right, BOTH) == ([[QUESTION], [ANSWER]], 1)


def test_segment_with_echo_is_kept_if_its_words_have_no_times():
    right = [segment(f"{QUESTION} {ANSWER}", 1, 8)]
    assert texts([segment(QUESTION, 1, 4)], right, BOTH)[1] == 0


@pytest.mark.parametrize(
    "right_text",
    ["I said that we are closed", "no", "", "please hold the line sir"],
    ids=["other", "no", "none", "one"],
)
def test_other_words_are_kept_however_quiet(right_text):
    right = [segment(right_text, 1.5, 3.5)] if right_text else []
    assert texts([segment(QUESTION, 1, 4)], right, BOTH) == ([[QUESTION], [right_text] if right_text else []], 0)


def test_the_same_words_at_another_time_are_kept():
    quiet = levels(12, left=[(1, 4, SPEECH), (8, 11, SPEECH)], right=[(8, 11, ECHO)])
    left = [segment(QUESTION, 1, 4), segment("I am still waiting for it", 8, 11)]
    assert texts(left, [segment(QUESTION, 8, 11)], quiet)[1] == 0


def test_the_same_words_at_the_same_level_are_kept():
    loud = levels(6, left=[(1, 4, SPEECH)], right=[(1, 4, SPEECH - 5)])
    assert texts([segment(QUESTION, 1, 4)], [segment(QUESTION, 1, 4)], loud)[1] == 0


@pytest.mark.parametrize(("leak_elsewhere", "expected"), [(ECHO, 1), (NOISE, 0)])
def test_single_word_is_echo_only_if_the_channels_leak(leak_elsewhere, expected):
    channel_levels = levels(12, left=[(1, 6, SPEECH), (8, 8.5, SPEECH)], right=[(1, 6, leak_elsewhere), (8, 8.5, ECHO)])
    left = [segment("a long story about the order of last week", 1, 6), segment("Yes.", 8, 8.5)]
    assert texts(left, [segment("yes", 8.05, 8.5)], channel_levels)[1] == expected


def test_nothing_is_echo_if_the_channels_do_not_leak():
    silent = levels(12, left=[(1, 6, SPEECH), (8, 9.5, SPEECH)], right=[(9.7, 10.2, SPEECH)])
    left = [segment("a long story about the order of last week", 1, 6), segment("goodbye then", 8, 9.5)]
    assert texts(left, [segment("goodbye then", 8.1, 9.4)], silent)[1] == 0


def test_distant_party_that_says_the_same_at_once_is_kept_if_the_channels_do_not_leak():
    faint = SPEECH - 30
    channel_levels = levels(
        16,
        left=[(1, 6, SPEECH), (11, 12, SPEECH)],
        right=[(7, 10, faint), (11, 12, faint)],
    )
    left = [segment("a long story about the order of last week", 1, 6), segment("bye bye", 11, 12)]
    right = [segment("I have one more question", 7, 10), segment("bye bye", 11, 12)]
    assert texts(left, right, channel_levels)[1] == 0


def test_quiet_words_that_are_louder_than_the_leak_are_kept():
    channel_levels = levels(12, left=[(1, 6, SPEECH), (8, 10, SPEECH)], right=[(1, 6, ECHO - 15), (8, 10, ECHO + 10)])
    left = [segment("a long story about the order of last week", 1, 6), segment("no that is not all there is", 8, 10)]
    assert texts(left, [segment("no that is all there is", 8, 10)], channel_levels)[1] == 0


@pytest.mark.parametrize(("pause", "expected"), [(0.0, 0), (0.3, 1)])
def test_words_of_a_sentence_are_kept_with_the_rest_of_it(pause, expected):
    channel_levels = levels(12, left=[(1, 6, SPEECH)], right=[(1, 6, ECHO), (6.4 + pause, 8, SPEECH)])
    left = [segment("a long story about the order of last week", 1, 6)]
    words = (*segment("last week", 5, 6, word_times=True).words, *segment(ANSWER, 6 + pause, 8, word_times=True).words)
    right = [Segment(text=f"last week {ANSWER}", start=5.0, end=8.0, words=words)]
    assert texts(left, right, channel_levels)[1] == expected


def test_segments_without_times_are_kept():
    untimed = Segment(text=QUESTION)
    assert texts([untimed], [segment(QUESTION, 1, 4)], BOTH)[1] == 0
    assert texts([segment(QUESTION, 1, 4)], [untimed], BOTH)[1] == 0


def test_text_without_spaces_is_compared_too():
    left, right = segment("我的订单什么时候到", 1, 4), segment("我的订单什么时候倒", 1.1, 4.1)
    assert texts([left], [right], BOTH) == ([[left.text], []], 1)


def test_levels_survive_storage():
    assert ChannelLevels.from_document(BOTH.to_document()) == BOTH


def test_times_beyond_the_levels_are_kept():
    far = [segment(QUESTION, 100, 104)]
    assert texts(far, far, BOTH)[1] == 0


times = st.none() | st.floats(0, 12)
any_words = st.lists(st.builds(Word, text=st.sampled_from(["yes", "order", "…", "", "我"]), start=times, end=times))


@given(*2 * [st.lists(st.builds(lambda words, start, end: (words, start, end), any_words, times, times), max_size=4)])
def test_odd_transcripts_raise_no_error_and_nothing_is_added(left, right):
    def build(parts):
        return [
            Segment(text=" ".join(word.text for word in words), start=start, end=end, words=tuple(words))
            for words, start, end in parts
        ]

    kept, _ = texts(build(left), build(right), BOTH)
    for remaining, original in zip(kept, (left, right), strict=True):
        words = [word.text for words, _, _ in original for word in words if word.text]
        assert len(" ".join(remaining).split()) <= len(words)
