"""Parsing the responses of WhisperX servers, in all the shapes that real servers use."""

import json

import pytest

from callscribe.errors import RetryableError
from callscribe.transcripts.response_parser import parse_response
from callscribe.transcripts.transcript import PREVIEW_LENGTH, Segment, Transcript, Word

SEGMENT = {"start": 0.031, "end": 0.96, "text": " Thanks for calling."}


def parse(payload):
    return parse_response(json.dumps(payload).encode())


def test_segments_are_stripped_and_joined_to_the_text():
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
    "payload",
    [
        {"segments": {"segments": [SEGMENT], "word_segments": []}, "language": "en"},
        {"text": [SEGMENT], "language": "en"},
        {"text": " Thanks for calling."},
        {"segments": [SEGMENT], "text": "something else"},
        {"segments": [{"text": "Thanks for calling."}]},
        {"segments": [], "text": "Thanks for calling."},
    ],
    ids=["nested", "segments under text", "text only", "both", "no times", "text without segments"],
)
def test_every_known_response_shape_is_parsed(payload):
    assert parse(payload).text == "Thanks for calling."


@pytest.mark.parametrize(
    "payload",
    [{"segments": []}, {"text": ""}, {"text": None, "segments": []}, {"text": "", "words": []},
     {"segments": [{"text": "  "}]}],
)  # fmt: skip
def test_silence_is_a_valid_transcript(payload):
    transcript = parse(payload)
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
        *(("application/json", body) for body in (b"", b"[]", b"null", b"{}", b"Hello", b"\xff", b"[" * 100_000)),
        ("application/json", b'{"segments": [{"text": "cut'),
        ("application/json", b'{"segments": [1]}'),
        ("text/html", b"Hello"),
        ("", b"Hello"),
        *(("text/plain", body) for body in (b"", b" \n ", b'"Hello', b"[1, 2", b"4711", b"null")),
        ("text/plain", b"<html>Bad Gateway"),
        ("text/plain", b"\n<?xml version='1.0'?>"),
        ("text/plain", b'{"segments": [{"text": "cut'),
        ("text/plain", b"RIFF\x00\x01\x02WAVE"),
    ],
)
def test_invalid_response_is_a_retryable_error(content_type, body):
    with pytest.raises(RetryableError) as raised:
        parse_response(body, content_type)
    assert raised.value.code == "invalid_response"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b'{"segments": [{"te', "truncated"),
        (b'{"srt": "1\\n00:00:00,000 --> 00:00:01,500\\nHello."}', "output format"),
        (b'{"result": {"text": "Hello."}}', "output format"),
        (b'{"utterances": [{"text": "Hello."}]}', "output format"),
        (b'[{"text": "Hello.", "start": 0, "end": 1}]', "output format"),
    ],
)
def test_message_says_what_came_instead_of_a_transcript(body, expected):
    with pytest.raises(RetryableError, match=expected) as raised:
        parse_response(body, "application/json")
    assert "Hello" not in raised.value.message


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"text": "Hi, you.", "words": [{"word": "Hi", "start": 1}, {"word": "you", "end": 2}]}, "Hi, you."),
        ({"words": [{"word": "Hi", "start": 1}, {"word": "you", "end": 2}]}, "Hi you"),
        ({"segments": [], "words": [{"word": "Hi", "start": 1}, {"word": "you", "end": 2}]}, "Hi you"),
        ({"segments": [{"start": 1, "end": 2, "words": [{"word": "Hi"}, {}, {"word": "you"}]}]}, "Hi you"),
    ],
)
def test_words_replace_missing_text_and_segments(payload, text):
    (segment,) = parse(payload).segments
    assert (segment.text, segment.start, segment.end) == (text, 1.0, 2.0)


def raw_word(text, start=None, end=None):
    return {"word": text} | ({} if start is None else {"start": start, "end": end})


TIMED_SEGMENTS = [{"start": 0.0, "end": 1.0, "text": " Hi there."}, {"start": 2.0, "end": 3.5, "text": " Order 4711."}]
TOP_LEVEL_WORDS = [
    raw_word("Hi", 0.0, 0.3),
    raw_word("there", 0.4, 0.9),
    raw_word("Order", 2.0, 2.4),
    raw_word("4711"),
]


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "Hi there. Order 4711.", "segments": TIMED_SEGMENTS, "words": TOP_LEVEL_WORDS},
        {"segments": [{**segment, "words": []} for segment in TIMED_SEGMENTS], "word_segments": TOP_LEVEL_WORDS},
        {"segments": {"segments": TIMED_SEGMENTS, "word_segments": TOP_LEVEL_WORDS}},
    ],
    ids=["OpenAI", "WhisperX", "nested"],
)
def test_top_level_words_are_assigned_to_segments_by_time(payload):
    segments = parse(payload).segments
    assert [segment.text for segment in segments] == ["Hi there.", "Order 4711."]
    assert [[word.text for word in segment.words] for segment in segments] == [["Hi", "there"], ["Order", "4711"]]
    assert segments[1].words[0] == Word(text="Order", start=2.0, end=2.4)


@pytest.mark.parametrize(
    ("starts", "expected_words"),
    # first: a starts before the first segment and b in the pause; second: the segments are out of order
    [((1.0, 2.0), ["a b", "c"]), ((2.0, 1.0), ["c", "a b"]), ((1.5, 1.5), ["a", "b c"]), ((None, 1.0), ["", "a b c"]),
     ((None, None), ["", ""])],
)  # fmt: skip
def test_words_outside_all_segments_belong_to_the_previous_one(starts, expected_words):
    segments = [{"start": start, "text": "text"} for start in starts]
    words = [raw_word("a", 0.5, 1), raw_word("b", 1.7, 1.9), raw_word("c", 2.0, 2.2)]
    transcript = parse({"segments": segments, "words": words})
    assert [" ".join(word.text for word in segment.words) for segment in transcript.segments] == expected_words


def test_segments_with_words_keep_them():
    segments_with_words = [{**TIMED_SEGMENTS[0], "words": [raw_word("Hello", 0.0, 0.3)]}, TIMED_SEGMENTS[1]]
    segments = parse({"segments": segments_with_words, "word_segments": TOP_LEVEL_WORDS}).segments
    assert [[word.text for word in segment.words] for segment in segments] == [["Hello"], []]


BARE_WORDS = [
    raw_word("Hi", 0.0, 0.3),
    raw_word("there", 0.4, 0.9),
    raw_word("My", 1.0, 1.2),
    raw_word("order", 2.3, 2.6),
    raw_word("4711"),
]


@pytest.mark.parametrize(
    ("payload", "expected_segments"),
    [
        ({"text": "Hi there. My order 4711?", "words": BARE_WORDS}, [("Hi there.", 0.0, 0.9), ("My", 1.0, 1.2)]),
        ({"words": BARE_WORDS}, [("Hi there My", 0.0, 1.2)]),
        ({"words": [raw_word("Hi!", 0.0, 0.9), *BARE_WORDS[2:]]}, [("Hi!", 0.0, 0.9), ("My", 1.0, 1.2)]),
    ],
    ids=["text with punctuation", "none", "words with punctuation"],
)
def test_words_without_segments_are_split_at_pauses_and_ends_of_sentences(payload, expected_segments):
    *first_segments, last = parse(payload).segments
    assert [(segment.text, segment.start, segment.end) for segment in first_segments] == expected_segments
    assert last.text in ("order 4711?", "order 4711")
    assert [word.text for word in last.words] == ["order", "4711"]
    assert (last.start, last.end) == (2.3, None)


def test_text_with_another_number_of_words_is_one_segment():
    words = [raw_word("您", 0.0, 0.2), raw_word("好", 2.0, 2.2)]
    (segment,) = parse({"text": "您好。", "words": words}).segments
    assert (segment.text, segment.start, segment.end, len(segment.words)) == ("您好。", 0.0, 2.2, 2)


def test_end_before_the_start_is_dropped():
    word = {"word": "a", "start": 3, "end": 2}
    (segment,) = parse({"segments": [{"text": "a", "start": 9, "end": 8.5, "words": [word]}]}).segments
    assert (segment.start, segment.end) == (9.0, None)
    assert (segment.words[0].start, segment.words[0].end) == (3.0, None)


def test_invalid_times_are_dropped():
    huge = b"1" + b"0" * 400
    for invalid_time in (b"NaN", b"Infinity", b"-1", b"1e300", b'"soon"', b"true", b"null", b"[]", huge):
        (segment,) = parse_response(b'{"segments": [{"text": "a", "start": %s, "end": 1}]}' % invalid_time).segments
        assert (segment.start, segment.end) == (None, 1.0)


def test_preview_is_one_short_line():
    transcript = Transcript(segments=(Segment(text="word " * 100), Segment(text="more")))
    assert len(transcript.preview) <= PREVIEW_LENGTH
    assert transcript.preview.endswith("…")
    assert "\n" not in transcript.preview
    assert Transcript(segments=(Segment(text="one"), Segment(text="two"))).preview == "one two"


def test_document_is_json_with_its_provenance():
    document = parse({"segments": [SEGMENT], "language": "en"}).to_document({"attempt": 2})
    assert json.loads(json.dumps(document)) == {
        "language": "en",
        "duration": 0.96,
        "text": "Thanks for calling.",
        "noSpeech": False,
        "segments": [
            {
                "text": "Thanks for calling.",
                "start": 0.031,
                "end": 0.96,
                "speaker": None,
                "channel": None,
                "words": [],
                "flags": [],
            }
        ],
        "producedBy": {"attempt": 2},
    }


def test_text_that_cannot_be_stored_is_cleaned():
    transcript = parse_response(b'{"segments": [{"text": "a\\ud800b"}], "language": "%s"}' % (b"x" * 1000))
    assert transcript.text == "a?b"
    assert len(transcript.language or "") == 35
