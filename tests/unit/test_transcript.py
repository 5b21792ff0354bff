"""Answers as servers really give them."""

import json

import pytest

from callscribe.errors import RetryableError
from callscribe.transcript import PREVIEW_LENGTH, Segment, Transcript, Word, parse_answer

SEGMENT = {"start": 0.031, "end": 0.96, "text": " Thanks for calling."}


def parse(answer):
    return parse_answer(json.dumps(answer).encode())


def test_segments_become_text_without_their_leading_spaces():
    transcript = parse({"segments": [SEGMENT, {"start": 1.04, "end": 1.94, "text": " Bye."}], "language": "en"})
    assert transcript.text == "Thanks for calling.\nBye."
    assert transcript.language == "en"
    assert transcript.duration == 1.94


def test_words_may_lack_times_and_speakers():
    words = [{"word": "order", "start": 1.2, "end": 1.4, "speaker": "SPEAKER_01"}, {"word": "4711."}]
    (segment,) = parse({"segments": [{**SEGMENT, "words": words, "speaker": "SPEAKER_01"}]}).segments
    assert segment.speaker == "SPEAKER_01"
    assert segment.words == (
        Word(text="order", start=1.2, end=1.4, speaker="SPEAKER_01"),
        Word(text="4711."),
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"segments": {"segments": [SEGMENT], "word_segments": []}, "language": "en"},
        {"text": [SEGMENT], "language": "en"},
        {"text": " Thanks for calling."},
        {"segments": [SEGMENT], "text": "said otherwise"},
        {"segments": [{"text": "Thanks for calling."}]},
        {"segments": [], "text": "Thanks for calling."},
    ],
    ids=["nested", "segments under text", "text only", "both", "no times", "text without segments"],
)
def test_every_shape_that_servers_answer_in_is_read(answer):
    assert parse(answer).text == "Thanks for calling."


@pytest.mark.parametrize(
    "answer",
    [
        {"segments": []},
        {"text": ""},
        {"text": None, "segments": []},
        {"text": "", "words": []},
        {"segments": [{"text": "  "}]},
    ],
)
def test_silence_is_an_answer(answer):
    transcript = parse(answer)
    assert transcript.segments == ()
    assert transcript.document({})["noSpeech"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"",
        b"<html>Bad Gateway</html>",
        b'{"segments": [{"text": "cut',
        b"[]",
        b"null",
        b"{}",
        b'{"segments": [1]}',
        b"\xff",
    ],
)
def test_what_is_no_transcript_is_tried_again(body):
    with pytest.raises(RetryableError) as raised:
        parse_answer(body)
    assert raised.value.code == "unreadable_answer"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", b"Hello.\r\n\n  Bye. \n", "Hello.\nBye."),
        ("text/plain; charset=utf-8", "Grüße\tZoë".encode(), "Grüße\tZoë"),
        ("TEXT/PLAIN;charset=latin-1", "Grüße".encode("latin-1"), "Grüße"),
        ("text/plain", b"\x93Hello\x94", "“Hello”"),
        ("text/plain", b"\xef\xbb\xbfHello", "Hello"),
        ("text/plain", "Hello".encode("utf-16"), "Hello"),
        ("text/plain", b"20 to 4711, please", "20 to 4711, please"),
    ],
)
def test_lines_of_plain_text_are_segments_without_times(content_type, body, text):
    transcript = parse_answer(body, content_type)
    assert transcript.text == text
    assert transcript.duration is None


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"Hello"),
        ("application/json", b"Hello"),
        ("", b"Hello"),
        ("text/plain", b""),
        ("text/plain", b" \n "),
        ("text/plain", b"<html>Bad Gateway"),
        ("text/plain", b"\n<?xml version='1.0'?>"),
        ("text/plain", b'{"segments": [{"text": "cut'),
        ("text/plain", b'"Hello'),
        ("text/plain", b"[1, 2"),
        ("text/plain", b"4711"),
        ("text/plain", b"null"),
        ("text/plain", b"RIFF\x00\x01\x02WAVE"),
    ],
)
def test_what_may_be_anything_is_no_plain_text(content_type, body):
    with pytest.raises(RetryableError):
        parse_answer(body, content_type)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"text": "Hi, you.", "words": [{"word": "Hi", "start": 1}, {"word": "you", "end": 2}]}, "Hi, you."),
        ({"words": [{"word": "Hi", "start": 1}, {"word": "you", "end": 2}]}, "Hi you"),
        ({"segments": [], "words": [{"word": "Hi", "start": 1}, {"word": "you", "end": 2}]}, "Hi you"),
        ({"segments": [{"start": 1, "end": 2, "words": [{"word": "Hi"}, {}, {"word": "you"}]}]}, "Hi you"),
    ],
)
def test_words_stand_in_for_text_and_segments(answer, text):
    (segment,) = parse(answer).segments
    assert (segment.text, segment.start, segment.end) == (text, 1.0, 2.0)


def test_an_end_before_the_start_is_none():
    word = {"word": "a", "start": 3, "end": 2}
    (segment,) = parse({"segments": [{"text": "a", "start": 9, "end": 8.5, "words": [word]}]}).segments
    assert (segment.start, segment.end) == (9.0, None)
    assert (segment.words[0].start, segment.words[0].end) == (3.0, None)


def test_times_that_are_no_numbers_are_left_out():
    huge = b"1" + b"0" * 400
    for odd in (b"NaN", b"Infinity", b"-1", b"1e300", b'"1.0"', b"null", b"[]", huge):
        (segment,) = parse_answer(b'{"segments": [{"text": "a", "start": %s, "end": 1}]}' % odd).segments
        assert (segment.start, segment.end) == (None, 1.0)


def test_the_preview_is_one_short_line():
    transcript = Transcript(segments=(Segment(text="word " * 100), Segment(text="more")))
    assert len(transcript.preview) <= PREVIEW_LENGTH
    assert transcript.preview.endswith("…")
    assert "\n" not in transcript.preview
    assert Transcript(segments=(Segment(text="one"), Segment(text="two"))).preview == "one two"


def test_the_document_is_json_and_says_where_it_came_from():
    document = parse({"segments": [SEGMENT], "language": "en"}).document({"attempt": 2})
    assert json.loads(json.dumps(document)) == {
        "language": "en",
        "duration": 0.96,
        "text": "Thanks for calling.",
        "noSpeech": False,
        "segments": [
            {"text": "Thanks for calling.", "start": 0.031, "end": 0.96, "speaker": None, "channel": None, "words": []}
        ],
        "origin": {"attempt": 2},
    }


def test_text_that_cannot_be_stored_is_made_so():
    transcript = parse_answer(b'{"segments": [{"text": "a\\ud800b"}], "language": "%s"}' % (b"x" * 1000))
    assert transcript.text == "a?b"
    assert len(transcript.language) == 35
