"""Captions as independent readers understand them: srt, pysubs2 and webvtt-py read what is written here."""

from datetime import timedelta
from html import unescape
from itertools import pairwise

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from callscribe.transcripts.transcript import Segment, Transcript, Word
from functions.api import transcript_formats
from functions.api.transcript_formats import MAX_CUE_CHARACTERS, MAX_CUE_SECONDS, SUBRIP_REPLACEMENTS

SENTENCE = 'Thanks for calling. How may I help you today? We have rooms, and breakfast "as you like it" is well-known.'

TWO_TIMES = "00:00:01,000 --> 00:00:02,000"
NASTY = [
    "fish & chips",
    "a < b > c",
    "from 3 --> 4",
    "<v other>&amp; <i>said</i> </v>",
    "&lt;not a tag&gt; &nbsp;",
    "NOTE",
    "STYLE",
    "WEBVTT",
    "4711",
    TWO_TIMES,
    "one\n\ntwo\r\nthree\rfour\u2028five\u2029six\x85seven\x0beight",
    "nul\x00 bell\x07 escape\x1b[31m",
    "\ufeffmark \u202eturned\u202c around \u2066isolated\u2069",
    "שלום \u200fעולם",
    "👩‍👩‍👧 🇩🇪 é ﷽",
    "{\\an8}up {y:i}",
    "   spaces\t\tand tabs   ",
    "half \ud800 a pair",
    "caller: agent: who?",
]


def document(*segments, **fields):
    return Transcript(segments=segments).to_document({}) | fields


def spoken(text, start=0.0, each=0.5, speaker=None, **fields):
    """A segment with timed words, one every `each` seconds."""
    timed = [
        Word(text=word, start=start + at * each, end=start + (at + 0.9) * each) for at, word in enumerate(text.split())
    ]
    return Segment(text=text, start=start, end=timed[-1].end, speaker=speaker, words=tuple(timed), **fields)


def clean(text):
    """What a reader may find, spelled apart from the code: words, without what breaks lines or hides."""
    hidden = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, *range(0xD800, 0xE000)])
    breaks = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")
    return " ".join(part for part in text.translate(hidden).translate(breaks).split(" ") if part).strip()


def as_srt(text):
    """What `srt` and `pysubs2` read alike, as (start, end, text) in milliseconds."""
    ms = timedelta(milliseconds=1)
    read = [(each.start // ms, each.end // ms, each.content) for each in srt.parse(text)]
    if all(end < 99 * 3600_000 for _, end, _ in read):  # pysubs2 reads hours of two digits only
        events = pysubs2.SSAFile.from_string(text, format_="srt", keep_unknown_html_tags=True)
        assert [(each.start, each.end, each.text) for each in events] == read
    assert [each.index for each in srt.parse(text)] == list(range(1, len(read) + 1))
    return read


def as_vtt(text):
    """What `webvtt` and `pysubs2` read alike, as (start, end, speaker, text) in milliseconds."""
    read = [
        (
            each.start_time.in_milliseconds(),
            each.end_time.in_milliseconds(),
            unescape(each.voice) if each.voice else None,
            unescape(each.raw_text.partition(">")[2] if each.voice else each.raw_text),
        )
        for each in webvtt.WebVTT.from_string(text, strict=True).captions
    ]
    events = pysubs2.SSAFile.from_string(text, format_="vtt")
    assert [(each.start, each.end, unescape(each.text)) for each in events] == [(s, e, t) for s, e, _, t in read]
    return read


def written(given):
    """The cues of a document, after all readers have agreed that both files say the same."""
    cues = transcript_formats.build_cues(given)
    assert as_vtt(transcript_formats.render_webvtt(given)) == [
        (cue.start, cue.end, cue.speaker, cue.text) for cue in cues
    ]
    lines = [f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text for cue in cues]
    assert as_srt(transcript_formats.render_subrip(given)) == [
        (cue.start, cue.end, line.translate(SUBRIP_REPLACEMENTS)) for cue, line in zip(cues, lines, strict=True)
    ]
    assert all(cue.start < cue.end for cue in cues)
    assert all(one.start <= next_.start for one, next_ in pairwise(cues))
    return cues


def times(given):
    return [(cue.start, cue.end) for cue in written(given)]


SPEAKERS = [None, "caller", "A&B > C", "<agent>", "\n\u202ex\x00y", "-->", "v."]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.filterwarnings("ignore::pysubs2.warnings.PossibleMissedSubtitleWarning")
def test_every_text_and_speaker_comes_through(text):
    for speaker in SPEAKERS:
        given_segments = [Segment(text=each, start=0, end=1, speaker=speaker) for each in ("before", text, "after")]
        if text == TWO_TIMES:  # pysubs2 takes any line that holds two for the times of a cue
            read = [each.content for each in srt.parse(transcript_formats.render_subrip(document(*given_segments)))]
            assert len(read) == 3
            continue
        cues = written(document(*given_segments))
        assert [cue.text for cue in cues] == ["before", clean(text), "after"]
        assert {cue.speaker for cue in cues} == {clean(speaker) if speaker else None}


def test_text_has_a_line_for_each_segment_and_names_who_speaks():
    two = document(
        Segment(text="Hello?", speaker="caller"), Segment(text="one\r\n\r\ntwo\u2028three"), Segment(text="\0")
    )
    assert transcript_formats.render_text(two) == "caller: Hello?\none two three\n"


def test_no_speech_is_an_empty_file():
    assert [each.render(document()) for each in transcript_formats.FORMATS.values()] == ["", "", "WEBVTT\n"]
    assert as_vtt("WEBVTT\n") == as_srt("") == []


@pytest.mark.parametrize(
    ("seconds", "written_as"),
    [(0.0004, "00:00:00.000"), (0.9996, "00:00:01.000"), (59.9999, "00:01:00.000"), (3599.9996, "01:00:00.000"),
     (3661.25, "01:01:01.250"), (359_999.9994, "99:59:59.999"), (359_999.9996, "100:00:00.000"),
     (9_999_999.0, "2777:46:39.000")],
)  # fmt: skip
def test_times_are_right_at_every_size(seconds, written_as):
    late = document(Segment(text="late", start=seconds, end=seconds + 1.5))
    assert f"\n{written_as} --> " in transcript_formats.render_webvtt(late)
    assert f"\n{written_as.replace('.', ',')} --> " in transcript_formats.render_subrip(late)
    assert times(late) == [(round(seconds * 1000), round((seconds + 1.5) * 1000))]


def test_cues_come_in_the_order_of_their_starts_and_may_overlap():
    both = document(
        Segment(text="one", start=5.0, end=9.0, speaker="caller"),
        Segment(text="two", start=2.0, end=6.0, speaker="agent"),
        Segment(text="three", start=5.0, end=5.5, speaker="agent"),
    )
    assert [cue.text for cue in written(both)] == ["two", "one", "three"]


def test_a_cue_that_ends_where_it_begins_or_before_takes_the_time_to_say_it():
    neither = document(Segment(text="x" * 30, start=5.0, end=5.0), Segment(text="y" * 30, start=9.0, end=1.0))
    assert times(neither) == [(5000, 7000), (9000, 11_000)]
    assert times(document(Segment(text="x", start=5.0001, end=5.0002))) == [(5000, 5001)]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([("x" * 45, None, None), ("y" * 30, None, None)], [(0, 3000), (3000, 5000)]),
        ([("a", 1, 2), ("x" * 30, None, None), ("b", 6, 7)], [(1000, 2000), (2000, 4000), (6000, 7000)]),
        ([("a", 1, 2), ("x" * 20, None, None), ("y" * 20, None, None), ("b", 4, 5)],
         [(1000, 2000), (2000, 3000), (3000, 4000), (4000, 5000)]),
        ([("a", 1, 4), ("x" * 30, None, None), ("b", 4, 5)], [(1000, 4000), (4000, 6000), (4000, 5000)]),
        ([("x" * 30, None, None), ("b", 20, 21)], [(0, 2000), (20_000, 21_000)]),
        ([("x" * 30, 1, None), ("y" * 30, None, 9)], [(1000, 3000), (7000, 9000)]),
        ([("a", 1, 4), ("x" * 60, None, 4.5), ("y" * 15, None, 4.2)], [(1000, 4000), (4000, 4500), (4500, 5500)]),
        ([("x" * 30, None, None), ("y" * 30, None, 4), ("b", 20, 21)], [(0, 2000), (2000, 4000), (20_000, 21_000)]),
        ([("x" * 60, 1, None), ("b", 3, 4)], [(1000, 3000), (3000, 4000)]),
    ],
    ids=["unknown", "room", "shared", "no room", "the first", "halves", "ends alone", "until an end", "until the next"],
)  # fmt: skip
def test_times_that_are_not_known_come_from_the_neighbours(segments, expected):
    made = document(*(Segment(text=text, start=start, end=end) for text, start, end in segments))
    assert times(made) == expected


def test_a_transcript_without_times_is_spread_over_the_recording():
    said = document(*(Segment(text="x" * 30) for _ in range(4)), duration=40.0)
    assert times(said) == [(0, 2000), (10_000, 12_000), (20_000, 22_000), (30_000, 32_000)]


def test_a_segment_without_times_has_those_of_its_words():
    words = (Word(text="of"), Word(text="its", start=3.0, end=3.5), Word(text="words", start=4.0, end=4.5))
    assert times(document(Segment(text="of its words", words=words))) == [(3000, 4500)]


def test_a_long_segment_is_broken_at_words_if_possible_after_a_pause():
    cues = written(document(spoken(SENTENCE, start=10.0, each=0.3, speaker="agent")))
    assert [cue.text for cue in cues] == [
        "Thanks for calling. How may I help you today? We have rooms,",
        'and breakfast "as you like it" is well-known.',
    ]
    assert [(cue.start, cue.end) for cue in cues] == [(10_000, 13_570), (13_600, 15_970)]
    assert {cue.speaker for cue in cues} == {"agent"}


def test_words_may_lack_punctuation_and_spaces():
    bare = spoken(SENTENCE, each=0.3)
    words = tuple(Word(text=each.text.strip('.,?"'), start=each.start, end=each.end) for each in bare.words)
    same = Segment(text=SENTENCE, start=bare.start, end=bare.end, words=words)
    assert written(document(same)) == written(document(bare))
    text = "今日は、" * 30
    signs = tuple(Word(text=sign, start=at * 0.1, end=at * 0.1 + 0.1) for at, sign in enumerate(text))
    cues = written(document(Segment(text=text, start=0.0, end=12.0, words=signs)))
    assert "".join(cue.text for cue in cues) == text
    assert all(cue.text.endswith("、") and len(cue.text) <= MAX_CUE_CHARACTERS for cue in cues)


def timed(*words):
    return tuple(Word(text=word, start=2.0 + 4 * at, end=3.0 + 4 * at) for at, word in enumerate(words))


@pytest.mark.parametrize(
    "words",
    [(), timed("other", "words"), timed("Thanks", "How", "known"), timed("Thanks", "for", "calling"), timed("", " ")],
    ids=["none", "others", "some", "the first", "empty"],
)
def test_a_long_segment_stays_whole_where_nobody_knows_when_its_words_are_said(words):
    assert times(document(Segment(text=SENTENCE, start=1.0, end=20.0, words=words))) == [(1000, 20_000)]
    untimed = tuple(Word(text=word) for word in SENTENCE.split())
    assert times(document(Segment(text=SENTENCE, start=1.0, end=20.0, words=untimed))) == [(1000, 20_000)]


def test_marks_stay_with_the_word_that_they_stand_at():
    words = timed("one", "two", "three", "four")
    cues = written(document(Segment(text='"one, two (three) - four.', start=2.0, end=15.0, words=words)))
    assert [cue.text for cue in cues] == ['"one, two', "(three) - four."]


def test_words_whose_times_contradict_each_other_keep_their_order():
    said = (("one", 0.0, 9.0), ("two", 4.0, 3.0), ("three", 1.0, 2.0), ("four", 8.0, 8.5), ("five", 99.0, 100.0))
    words = tuple(Word(text=text, start=start, end=end) for text, start, end in said)
    cues = written(document(Segment(text="one two three four five", start=0.0, end=12.0, words=words)))
    assert [(cue.start, cue.end, cue.text) for cue in cues] == [
        (0, 4000, "one"),
        (4000, 8000, "two three"),
        (8000, 12_000, "four five"),
    ]


def test_words_without_times_stay_with_the_word_before():
    words = spoken("I live at number 4711 ninth street", each=2.0).words
    mixed = tuple(Word(text=word.text) if word.text in ("I", "4711", "street") else word for word in words)
    cues = written(document(Segment(text="I live at number 4711 ninth street", start=0.0, end=14.0, words=mixed)))
    assert [(cue.start, cue.end, cue.text) for cue in cues] == [
        (0, 5800, "I live at"),
        (6000, 10_000, "number 4711"),
        (10_000, 14_000, "ninth street"),
    ]


seconds = st.none() | st.floats(0, 9_999_999) | st.integers(0, 200_000).map(lambda ms: ms / 1000)
said = st.text(st.characters(exclude_characters=":"), max_size=120) | st.sampled_from(SENTENCE.split())
speakers = st.none() | st.text(st.characters(exclude_characters=":"), max_size=8)


@st.composite
def segments(draw):
    """Any text and times; the words are those of the text, or of another one."""
    text = draw(said | st.lists(said, max_size=30).map(" ".join))
    source = draw(st.sampled_from([text, text, text, SENTENCE]))
    words = tuple(Word(text=word, start=draw(seconds), end=draw(seconds)) for word in source.split()[:40])
    return Segment(text=text, start=draw(seconds), end=draw(seconds), speaker=draw(speakers), words=words)


@given(st.lists(segments(), max_size=6), seconds)
def test_every_reader_reads_what_was_written_and_nothing_said_is_lost(given_segments, duration):
    cues = written(document(*given_segments, duration=duration))
    heard = sorted("".join(clean(segment.text).split()) for segment in given_segments)
    assert sorted("".join("".join(cue.text for cue in cues).split())) == sorted("".join(heard))


@given(st.lists(st.sampled_from(SENTENCE.split()), min_size=1, max_size=80), st.floats(0.05, 3), st.floats(0, 400_000))
def test_captions_of_timed_words_are_short_and_in_line(words, each, start):
    cues = written(document(spoken(" ".join(words), start=start, each=each)))
    assert " ".join(cue.text for cue in cues) == " ".join(words)
    assert all(
        len(cue.text) <= MAX_CUE_CHARACTERS and cue.end - cue.start <= MAX_CUE_SECONDS * 1000 + 1 for cue in cues
    )
    assert all(one.end <= next_.start for one, next_ in pairwise(cues))
