"""Answers as servers really give them."""

import json

import pytest

from callscribe.errors import RetryableError
from callscribe.transcripts.transcript import PREVIEW_LENGTH, Segment, Transcript, Word, parse_response

SEGMENT = {"start": 0.031, "end": 0.96, "text": " Thanks for calling."}


def parse(answer):
    return parse_response(json.dumps(answer).encode())


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
    [{"segments": []}, {"text": ""}, {"text": None, "segments": []}, {"text": "", "words": []},
     {"segments": [{"text": "  "}]}],
)  # fmt: skip
def test_silence_is_an_answer(answer):
    transcript = parse(answer)
    assert transcript.segments == ()
    assert transcript.to_document({})["noSpeech"] is True


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
    transcript = parse_response(body, content_type)
    assert transcript.text == text
    assert transcript.duration is None


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        *(("application/json", each) for each in (b"", b"[]", b"null", b"{}", b"Hello", b"\xff", b"[" * 100_000)),
        ("application/json", b'{"segments": [{"text": "cut'),
        ("application/json", b'{"segments": [1]}'),
        ("text/html", b"Hello"),
        ("", b"Hello"),
        *(("text/plain", each) for each in (b"", b" \n ", b'"Hello', b"[1, 2", b"4711", b"null")),
        ("text/plain", b"<html>Bad Gateway"),
        ("text/plain", b"\n<?xml version='1.0'?>"),
        ("text/plain", b'{"segments": [{"text": "cut'),
        ("text/plain", b"RIFF\x00\x01\x02WAVE"),
    ],
)
def test_what_is_no_transcript_is_tried_again(content_type, body):
    with pytest.raises(RetryableError) as raised:
        parse_response(body, content_type)
    assert raised.value.code == "invalid_response"


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


def word(text, start=None, end=None):
    return {"word": text} | ({} if start is None else {"start": start, "end": end})


TIMED = [{"start": 0.0, "end": 1.0, "text": " Hi there."}, {"start": 2.0, "end": 3.5, "text": " Order 4711."}]
BESIDE = [word("Hi", 0.0, 0.3), word("there", 0.4, 0.9), word("Order", 2.0, 2.4), word("4711")]


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "Hi there. Order 4711.", "segments": TIMED, "words": BESIDE},
        {"segments": [{**each, "words": []} for each in TIMED], "word_segments": BESIDE},
        {"segments": {"segments": TIMED, "word_segments": BESIDE}},
    ],
    ids=["OpenAI", "WhisperX", "nested"],
)
def test_words_beside_segments_that_have_none_are_dealt_out_by_time(answer):
    segments = parse(answer).segments
    assert [segment.text for segment in segments] == ["Hi there.", "Order 4711."]
    assert [[each.text for each in segment.words] for segment in segments] == [["Hi", "there"], ["Order", "4711"]]
    assert segments[1].words[0] == Word(text="Order", start=2.0, end=2.4)


@pytest.mark.parametrize(
    ("starts", "dealt"),
    # in the first, a begins before the first segment and b in the pause; in the second, segments are out of order
    [((1.0, 2.0), ["a b", "c"]), ((2.0, 1.0), ["c", "a b"]), ((1.5, 1.5), ["a", "b c"]), ((None, 1.0), ["", "a b c"]),
     ((None, None), ["", ""])],
)  # fmt: skip
def test_words_outside_every_segment_go_with_the_one_before(starts, dealt):
    segments = [{"start": start, "text": "said"} for start in starts]
    found = parse({"segments": segments, "words": [word("a", 0.5, 1), word("b", 1.7, 1.9), word("c", 2.0, 2.2)]})
    assert [" ".join(each.text for each in segment.words) for segment in found.segments] == dealt


def test_segments_that_have_words_keep_their_own():
    own = [{**TIMED[0], "words": [word("Hello", 0.0, 0.3)]}, TIMED[1]]
    segments = parse({"segments": own, "word_segments": BESIDE}).segments
    assert [[each.text for each in segment.words] for segment in segments] == [["Hello"], []]


ALONE = [word("Hi", 0.0, 0.3), word("there", 0.4, 0.9), word("My", 1.0, 1.2), word("order", 2.3, 2.6), word("4711")]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"text": "Hi there. My order 4711?", "words": ALONE}, [("Hi there.", 0.0, 0.9), ("My", 1.0, 1.2)]),
        ({"words": ALONE}, [("Hi there My", 0.0, 1.2)]),
        ({"words": [word("Hi!", 0.0, 0.9), *ALONE[2:]]}, [("Hi!", 0.0, 0.9), ("My", 1.0, 1.2)]),
    ],
    ids=["text with punctuation", "none", "words with punctuation"],
)
def test_words_that_stand_alone_are_broken_at_pauses_and_ends_of_sentences(answer, said):
    *before, last = parse(answer).segments
    assert [(segment.text, segment.start, segment.end) for segment in before] == said
    assert last.text in ("order 4711?", "order 4711")
    assert [each.text for each in last.words] == ["order", "4711"]
    assert (last.start, last.end) == (2.3, None)


def test_text_that_has_not_as_many_words_stays_one_segment():
    words = [word("您", 0.0, 0.2), word("好", 2.0, 2.2)]
    (segment,) = parse({"text": "您好。", "words": words}).segments
    assert (segment.text, segment.start, segment.end, len(segment.words)) == ("您好。", 0.0, 2.2, 2)


def test_an_end_before_the_start_is_none():
    word = {"word": "a", "start": 3, "end": 2}
    (segment,) = parse({"segments": [{"text": "a", "start": 9, "end": 8.5, "words": [word]}]}).segments
    assert (segment.start, segment.end) == (9.0, None)
    assert (segment.words[0].start, segment.words[0].end) == (3.0, None)


def test_times_that_are_no_numbers_are_left_out():
    huge = b"1" + b"0" * 400
    for odd in (b"NaN", b"Infinity", b"-1", b"1e300", b'"1.0"', b"null", b"[]", huge):
        (segment,) = parse_response(b'{"segments": [{"text": "a", "start": %s, "end": 1}]}' % odd).segments
        assert (segment.start, segment.end) == (None, 1.0)


def test_the_preview_is_one_short_line():
    transcript = Transcript(segments=(Segment(text="word " * 100), Segment(text="more")))
    assert len(transcript.preview) <= PREVIEW_LENGTH
    assert transcript.preview.endswith("…")
    assert "\n" not in transcript.preview
    assert Transcript(segments=(Segment(text="one"), Segment(text="two"))).preview == "one two"


def test_the_document_is_json_and_says_where_it_came_from():
    document = parse({"segments": [SEGMENT], "language": "en"}).to_document({"attempt": 2})
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
    transcript = parse_response(b'{"segments": [{"text": "a\\ud800b"}], "language": "%s"}' % (b"x" * 1000))
    assert transcript.text == "a?b"
    assert len(transcript.language or "") == 35
