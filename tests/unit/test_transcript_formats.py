"""Transcript formats, checked with independent parsers: srt, pysubs2 and webvtt-py parse what is rendered here."""

from datetime import timedelta
from html import unescape
from itertools import pairwise

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from callscribe.transcripts.transcript import Segment, SegmentFlag, Transcript, Word
from functions.api import transcript_formats
from functions.api.transcript_formats import SUBRIP_REPLACEMENTS
from functions.api.transcript_formats.caption_lines import MAX_LINE_CHARACTERS
from functions.api.transcript_formats.cues import MAX_CUE_SECONDS, build_cues

SENTENCE = 'Thanks for calling. How may I help you today? We have rooms, and breakfast "as you like it" is well-known.'

TIME_LINE = "00:00:01,000 --> 00:00:02,000"
TRICKY_TEXTS = [
    "fish & chips",
    "a < b > c",
    "from 3 --> 4",
    "<v other>&amp; <i>said</i> </v>",
    "&lt;not a tag&gt; &nbsp;",
    "NOTE",
    "STYLE",
    "WEBVTT",
    "4711",
    TIME_LINE,
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


def spoken(text, start=0.0, interval=0.5, speaker=None, **fields):
    """A segment with timed words, one every `interval` seconds."""
    words = tuple(
        Word(text=word, start=start + index * interval, end=start + (index + 0.9) * interval)
        for index, word in enumerate(text.split())
    )
    return Segment(text=text, start=start, end=words[-1].end, speaker=speaker, words=words, **fields)


def clean(text):
    """The expected text, implemented independently of the code: without line breaks and invisible characters."""
    invisible = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, *range(0xD800, 0xE000)])
    breaks = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")
    return " ".join(part for part in text.translate(invisible).translate(breaks).split(" ") if part).strip()


def parse_srt(text):
    """The captions as both `srt` and `pysubs2` parse them: (start, end, text), in milliseconds."""
    ms = timedelta(milliseconds=1)
    captions = [(caption.start // ms, caption.end // ms, caption.content) for caption in srt.parse(text)]
    if all(end < 99 * 3600_000 for _, end, _ in captions):  # pysubs2 parses only two digits of hours
        events = pysubs2.SSAFile.from_string(text, format_="srt", keep_unknown_html_tags=True)
        assert [(event.start, event.end, event.text.replace("\\N", "\n")) for event in events] == captions
    assert [caption.index for caption in srt.parse(text)] == list(range(1, len(captions) + 1))
    return captions


def parse_vtt(text):
    """The captions as both `webvtt` and `pysubs2` parse them: (start, end, speaker, text), in milliseconds."""
    captions = [
        (
            caption.start_time.in_milliseconds(),
            caption.end_time.in_milliseconds(),
            unescape(caption.voice) if caption.voice else None,
            unescape(caption.raw_text.partition(">")[2] if caption.voice else caption.raw_text),
        )
        for caption in webvtt.WebVTT.from_string(text, strict=True).captions
    ]
    events = pysubs2.SSAFile.from_string(text, format_="vtt")
    without_speakers = [(start, end, text) for start, end, _, text in captions]
    assert [(event.start, event.end, unescape(event.text.replace("\\N", "\n"))) for event in events] == without_speakers
    return captions


def checked_cues(transcript_document):
    """The cues of a document, after checking that all parsers find them in both rendered files."""
    cues = build_cues(transcript_document)
    assert parse_vtt(transcript_formats.render_webvtt(transcript_document)) == [
        (cue.start, cue.end, cue.speaker, cue.text) for cue in cues
    ]
    lines = [f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text for cue in cues]
    assert parse_srt(transcript_formats.render_subrip(transcript_document)) == [
        (cue.start, cue.end, line.translate(SUBRIP_REPLACEMENTS)) for cue, line in zip(cues, lines, strict=True)
    ]
    assert all(cue.start < cue.end <= cue.start + MAX_CUE_SECONDS * 1000 for cue in cues)
    for cue in cues:
        first, *others = (*cue.lines,)
        prefix = len(f"{cue.speaker}: ") if cue.speaker else 0
        assert len(first) + min(prefix, MAX_LINE_CHARACTERS // 2) <= MAX_LINE_CHARACTERS
        assert len(others) <= 1
        assert all(len(line) <= MAX_LINE_CHARACTERS for line in others)
    assert all(one.start <= following.start for one, following in pairwise(cues))
    return cues


def times(transcript_document):
    return [(cue.start, cue.end) for cue in checked_cues(transcript_document)]


SPEAKERS = [None, "caller", "A&B > C", "<agent>", "\n\u202ex\x00y", "-->", "v."]


@pytest.mark.parametrize("text", TRICKY_TEXTS)
@pytest.mark.filterwarnings("ignore::pysubs2.warnings.PossibleMissedSubtitleWarning")
def test_every_text_and_speaker_is_rendered(text):
    for speaker in SPEAKERS:
        segments = [Segment(text=part, start=0, end=1, speaker=speaker) for part in ("before", text, "after")]
        if text == TIME_LINE:  # pysubs2 takes any line with two times for the times of a cue
            captions = list(srt.parse(transcript_formats.render_subrip(document(*segments))))
            assert len(captions) == 3
            continue
        cues = checked_cues(document(*segments))
        assert [" ".join(cue.lines) for cue in cues] == ["before", clean(text), "after"]
        assert {cue.speaker for cue in cues} == {clean(speaker) if speaker else None}


def test_plain_text_has_one_line_per_segment_with_the_speaker():
    transcript_document = document(
        Segment(text="Hello?", speaker="caller"), Segment(text="one\r\n\r\ntwo\u2028three"), Segment(text="\0")
    )
    assert transcript_formats.render_text(transcript_document) == "caller: Hello?\none two three\n"


def test_no_speech_is_an_empty_file():
    assert [each_format.render(document()) for each_format in transcript_formats.FORMATS.values()] == [
        "",
        "",
        "WEBVTT\n",
    ]
    assert parse_vtt("WEBVTT\n") == parse_srt("") == []


@pytest.mark.parametrize(
    ("seconds", "formatted"),
    [(0.0004, "00:00:00.000"), (0.9996, "00:00:01.000"), (59.9999, "00:01:00.000"), (3599.9996, "01:00:00.000"),
     (3661.25, "01:01:01.250"), (359_999.9994, "99:59:59.999"), (359_999.9996, "100:00:00.000"),
     (9_999_999.0, "2777:46:39.000")],
)  # fmt: skip
def test_times_of_every_length_are_formatted(seconds, formatted):
    late = document(Segment(text="late", start=seconds, end=seconds + 1.5))
    assert f"\n{formatted} --> " in transcript_formats.render_webvtt(late)
    assert f"\n{formatted.replace('.', ',')} --> " in transcript_formats.render_subrip(late)
    assert times(late) == [(round(seconds * 1000), round((seconds + 1.5) * 1000))]


def test_cues_are_sorted_by_start_and_may_overlap():
    overlapping = document(
        Segment(text="one", start=5.0, end=9.0, speaker="caller"),
        Segment(text="two", start=2.0, end=6.0, speaker="agent"),
        Segment(text="three", start=5.0, end=5.5, speaker="agent"),
    )
    assert [cue.text for cue in checked_cues(overlapping)] == ["two", "one", "three"]


def test_cue_without_a_duration_gets_the_time_that_speaking_it_takes():
    segments = (Segment(text="x" * 30, start=5.0, end=5.0), Segment(text="y" * 30, start=9.0, end=1.0))
    without_durations = document(*segments, duration=20.0)
    assert times(without_durations) == [(5000, 7000), (9000, 11_000)]
    assert times(document(Segment(text="x", start=5.0001, end=5.0002))) == [(5000, 5001)]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([("x" * 45, None, None), ("y" * 30, None, None)], [(0, 3000), (3000, 5000)]),
        ([("a", 1, 2), ("x" * 30, None, None), ("b", 6, 7)], [(1000, 2000), (2000, 4000), (6000, 7000)]),
        ([("a", 1, 2), ("x" * 20, None, None), ("y" * 20, None, None), ("b", 4, 5)],
         [(1000, 2000), (2000, 3000), (3000, 4000), (4000, 5000)]),
        ([("a", 1, 4), ("x" * 30, None, None), ("b", 4, 5)], [(1000, 4000), (4000, 5000), (4000, 5000)]),
        ([("x" * 30, None, None), ("b", 20, 21)], [(0, 2000), (20_000, 21_000)]),
        ([("x" * 30, 1, None), ("y" * 30, None, 9)], [(1000, 3000), (7000, 9000)]),
        ([("a", 1, 4), ("x" * 60, None, 4.5), ("y" * 15, None, 4.2)], [(1000, 4000), (3500, 4500), (4000, 4500)]),
        ([("x" * 30, None, None), ("y" * 30, None, 4), ("b", 20, 21)], [(0, 2000), (2000, 4000), (20_000, 21_000)]),
        ([("x" * 60, 1, None), ("b", 3, 4)], [(1000, 3000), (3000, 4000)]),
    ],
    ids=["no times", "gap", "shared gap", "no gap", "first", "halves", "only ends", "until an end", "until the next"],
)  # fmt: skip
def test_unknown_times_are_estimated_from_the_neighbours(segments, expected):
    parsed_segments = (Segment(text=text, start=start, end=end) for text, start, end in segments)
    assert times(document(*parsed_segments)) == expected


def test_transcript_without_times_is_spread_over_the_recording():
    without_times = document(*(Segment(text="x" * 30) for _ in range(4)), duration=40.0)
    assert times(without_times) == [(0, 2000), (10_000, 12_000), (20_000, 22_000), (30_000, 32_000)]


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (Segment(text="x" * 30, flags=(SegmentFlag.BEYOND_RECORDING,)), (2000, 3000)),
        (Segment(text="x" * 30, start=2.5), (2000, 3000)),
        (Segment(text="x" * 30, start=3.0, end=3.0), (2000, 3000)),
        (Segment(text="x" * 30, start=1.5), (1500, 3000)),
    ],
)
def test_estimated_times_end_with_the_recording(segment, expected):
    assert expected in times(document(Segment(text="Hello.", start=0.0, end=3.0), segment, duration=3.0))


def test_segment_without_times_gets_the_times_of_its_words():
    words = (Word(text="of"), Word(text="its", start=3.0, end=3.5), Word(text="words", start=4.0, end=4.5))
    assert times(document(Segment(text="of its words", words=words))) == [(3000, 4500)]


def test_long_segment_is_split_between_words_preferably_after_punctuation():
    cues = checked_cues(document(spoken(SENTENCE, start=10.0, interval=0.3, speaker="agent")))
    assert [cue.text for cue in cues] == [
        "Thanks for calling.\nHow may I help you today? We have rooms,",
        'and breakfast "as\nyou like it" is well-known.',
    ]
    assert [(cue.start, cue.end) for cue in cues] == [(10_000, 13_570), (13_600, 15_970)]
    assert {cue.speaker for cue in cues} == {"agent"}


def test_words_may_lack_punctuation_and_spaces():
    punctuated = spoken(SENTENCE, interval=0.3)
    words = tuple(Word(text=word.text.strip('.,?"'), start=word.start, end=word.end) for word in punctuated.words)
    bare = Segment(text=SENTENCE, start=punctuated.start, end=punctuated.end, words=words)
    assert checked_cues(document(bare)) == checked_cues(document(punctuated))
    text = "今日は、" * 30
    characters = tuple(
        Word(text=character, start=index * 0.1, end=index * 0.1 + 0.1) for index, character in enumerate(text)
    )
    cues = checked_cues(document(Segment(text=text, start=0.0, end=12.0, words=characters)))
    assert "".join(line for cue in cues for line in cue.lines) == text
    assert all(line.endswith("、") for cue in cues for line in cue.lines)


def timed(*words):
    return tuple(Word(text=word, start=2.0 + 4 * index, end=3.0 + 4 * index) for index, word in enumerate(words))


@pytest.mark.parametrize(
    "words",
    [(), timed("other", "words"), timed("Thanks", "How", "known"), timed("Thanks", "for", "calling"), timed("", " ")],
    ids=["none", "other", "some", "first", "empty"],
)
def test_long_segment_is_split_in_proportion_if_its_words_have_no_usable_times(words):
    cues = checked_cues(document(Segment(text=SENTENCE, start=1.0, end=20.0, words=words)))
    assert " ".join(line for cue in cues for line in cue.lines) == SENTENCE
    if len(words) != len(SENTENCE.split()):
        assert (cues[0].start, cues[-1].end) == (1000, 20_000)
        assert all(one.end <= following.start for one, following in pairwise(cues))


@pytest.mark.parametrize("speaker", [None, "agent", "SPEAKER_00", "Customer service of the northern region"])
@pytest.mark.parametrize(
    "text",
    [
        f"{SENTENCE} {SENTENCE}",
        "W" * 200,
        "https://example.com/" + "path/" * 30,
        "今日は天気がいいですね。「散歩に行きましょう」と言いました。" * 6,
        "ขอบคุณที่โทรหาเราวันนี้เราจะช่วยอะไรคุณได้บ้าง" * 4,
        "您好！！！！！！！！！！" * 12,
        "((((((((((" * 10,
        "a-b " * 60,
    ],
    ids=["sentences", "one word", "URL", "Japanese", "Thai", "marks", "brackets", "short words"],
)
def test_captions_have_at_most_two_lines_of_42_characters(text, speaker):
    cues = checked_cues(document(Segment(text=text, start=0.0, end=60.0, speaker=speaker)))
    assert "".join(line for cue in cues for line in cue.lines).replace(" ", "") == text.replace(" ", "")
    assert [(cue.start, cue.end) for cue in cues] == sorted((cue.start, cue.end) for cue in cues)


def test_lines_are_balanced_and_break_after_punctuation():
    (cue,) = build_cues(
        document(Segment(text="I would like to change my room, if it is possible today.", start=0, end=4))
    )
    assert cue.lines == ("I would like to change my room,", "if it is possible today.")
    (cue,) = build_cues(
        document(
            Segment(
                text="今日は天気がとてもいいですね「散歩に行きましょう」と父が言いましたので行きます", start=0, end=4
            )
        )
    )
    assert cue.lines == ("今日は天気がとてもいいですね「散歩に行きましょう」と父が言いましたので行きます",)


def test_punctuation_stays_with_its_word():
    words = timed("one", "two", "three", "four")
    cues = checked_cues(document(Segment(text='"one, two (three) - four.', start=2.0, end=15.0, words=words)))
    assert [cue.text for cue in cues] == ['"one, two', "(three) - four."]


def test_words_with_contradictory_times_keep_their_order():
    timings = (("one", 0.0, 9.0), ("two", 4.0, 3.0), ("three", 1.0, 2.0), ("four", 8.0, 8.5), ("five", 99.0, 100.0))
    words = tuple(Word(text=text, start=start, end=end) for text, start, end in timings)
    cues = checked_cues(document(Segment(text="one two three four five", start=0.0, end=12.0, words=words)))
    assert [(cue.start, cue.end, cue.text) for cue in cues] == [
        (0, 4000, "one"),
        (4000, 8000, "two three"),
        (8000, 12_000, "four five"),
    ]


def test_words_without_times_stay_with_the_previous_word():
    words = spoken("I live at number 4711 ninth street", interval=2.0).words
    mixed = tuple(Word(text=word.text) if word.text in ("I", "4711", "street") else word for word in words)
    cues = checked_cues(document(Segment(text="I live at number 4711 ninth street", start=0.0, end=14.0, words=mixed)))
    assert [(cue.start, cue.end, cue.text) for cue in cues] == [
        (0, 5800, "I live at"),
        (6000, 10_000, "number 4711"),
        (10_000, 14_000, "ninth street"),
    ]


any_seconds = st.none() | st.floats(0, 9_999_999) | st.integers(0, 200_000).map(lambda ms: ms / 1000)
any_text = st.text(st.characters(exclude_characters=":"), max_size=120) | st.sampled_from(SENTENCE.split())
any_speaker = st.none() | st.text(st.characters(exclude_characters=":"), max_size=8)


@st.composite
def any_segment(draw):
    """A segment with any text and times; its words are those of its text, or of another one."""
    text = draw(any_text | st.lists(any_text, max_size=30).map(" ".join))
    source = draw(st.sampled_from([text, text, text, SENTENCE]))
    words = tuple(Word(text=word, start=draw(any_seconds), end=draw(any_seconds)) for word in source.split()[:40])
    return Segment(text=text, start=draw(any_seconds), end=draw(any_seconds), speaker=draw(any_speaker), words=words)


@given(st.lists(any_segment(), max_size=6), any_seconds)
def test_all_parsers_read_the_rendered_files_and_no_text_is_lost(segments, duration):
    cues = checked_cues(document(*segments, duration=duration))
    expected_text = "".join("".join(clean(segment.text).split()) for segment in segments)
    assert sorted("".join("".join(cue.text for cue in cues).split())) == sorted(expected_text)


@given(st.lists(st.sampled_from(SENTENCE.split()), min_size=1, max_size=80), st.floats(0.05, 3), st.floats(0, 400_000))
def test_captions_of_timed_words_are_short_and_do_not_overlap(words, interval, start):
    cues = checked_cues(document(spoken(" ".join(words), start=start, interval=interval)))
    assert " ".join(line for cue in cues for line in cue.lines) == " ".join(words)
    assert all(one.end <= following.start for one, following in pairwise(cues))
