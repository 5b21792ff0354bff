"""Responses as servers other than WhisperX write them: captions, chunks, numbered speakers, language names."""

import json

import pytest

from callscribe.errors import RetryableError
from callscribe.transcripts.response_parser import normalise_language, parse_response

SUBRIP = "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n00:00:01,600 --> 00:00:02,800\nBye\nnow.\n\n"
WEBVTT = "WEBVTT\n\n00:00.000 --> 00:01.500\nHello there.\n\n00:01.600 --> 00:02.800\nBye now.\n"
HELLO_AND_BYE = [("Hello there.", 0.0, 1.5, None), ("Bye now.", 1.6, 2.8, None)]


def parse(response, content_type="text/plain"):
    body = response if isinstance(response, str) else json.dumps(response)
    return parse_response(body.encode(), content_type)


def rows(transcript):
    return [(segment.text, segment.start, segment.end, segment.speaker) for segment in transcript.segments]


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/json", "application/x-subrip", ""])
@pytest.mark.parametrize(
    "captions",
    [
        SUBRIP,
        SUBRIP.replace("\n", "\r\n"),
        SUBRIP.replace("\n", "\r"),
        SUBRIP.replace("\n\n", "\n"),
        SUBRIP.replace("1\n00", "00").replace("2\n00", "00"),
        SUBRIP.replace(",", ".").replace("00:00:0", "00:0"),
        f"\ufeff\n{SUBRIP}",
        SUBRIP.replace("Hello", "<i>Hello</i>").replace("Bye", "{\\an8}Bye"),
        json.dumps(SUBRIP),
        json.dumps({"text": SUBRIP}),
        WEBVTT,
        WEBVTT.replace("WEBVTT", "WEBVTT - a title\nKind: captions\n\nNOTE\na comment\n\nSTYLE\n::cue {}"),
        WEBVTT.replace("\n00:01.6", "\nNOTE a comment\n\nsecond cue\n00:00:01.6").replace(".500", ".500 align:start"),
        WEBVTT.removeprefix("WEBVTT\n\n"),
        WEBVTT.replace("Bye now", "<c.loud>Bye</c> <00:02.000>now"),
        "[00:00.000 --> 00:01.500]  Hello there.\n[00:01.600 --> 00:02.800]  Bye now.\n",
        "start\tend\ttext\n0\t1500\tHello there.\n1600\t2800\tBye now.\n",
        "0\t1500\tHello there.\r\n1600\t2800\tBye now.\r\n",
        "0.0\t1.5\tHello there.\n1.6\t2.8\tBye now.",
    ],
    ids=[
        *("SubRip", "CRLF", "CR", "no blank lines", "no numbers", "no hours", "byte order mark", "markup"),
        *("JSON string", "text in JSON", "WebVTT", "header, note and style", "cue name and settings", "no header"),
        *("tags and times", "console", "TSV", "TSV without header", "labels for Audacity"),
    ],
)
def test_captions_are_parsed_with_their_times(captions, content_type):
    assert rows(parse(captions, content_type)) == HELLO_AND_BYE


@pytest.mark.parametrize(
    "captions",
    [
        WEBVTT.replace("Hello", "<v Ann &amp; Lee>Hello").replace("Bye", "<v.loud Bob>Bye"),
        SUBRIP.replace("Hello", "[Ann & Lee]: Hello").replace("Bye", "[Bob]: Bye"),
        "start\tend\ttext\n0\t1500\t[Ann & Lee]: Hello there.\n1600\t2800\t[[Bob]]Bye now.\n",
    ],
)
def test_captions_keep_their_speakers(captions):
    assert rows(parse(captions)) == [("Hello there.", 0.0, 1.5, "Ann & Lee"), ("Bye now.", 1.6, 2.8, "Bob")]


@pytest.mark.parametrize(
    ("prefixes", "speakers"),
    [
        (("Speaker 1: ", "SPEAKER_02: "), ["Speaker 1", "SPEAKER_02"]),
        (("Ann: ", "Bob Lee: "), ["Ann", "Bob Lee"]),
        (("Note: ", ""), [None, None]),
        (("[laughs] ", ""), [None, None]),
    ],
    ids=["labels", "names", "one prefix only", "no colon"],
)
def test_speaker_prefixes_of_captions(prefixes, speakers):
    first, second = prefixes
    captions = SUBRIP.replace("Hello", f"{first}Hello").replace("Bye", f"{second}Bye")
    assert [speaker for *_, speaker in rows(parse(captions))] == speakers


def test_two_voices_in_one_caption_are_two_segments():
    transcript = parse("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Yes?\n<v Bob>No &lt;3")
    assert rows(transcript) == [("Yes?", 1.0, 2.0, "Ann"), ("No <3", 1.0, 2.0, "Bob")]


@pytest.mark.parametrize("captions", ["WEBVTT\n\n", "WEBVTT", "start\tend\ttext\n"])
def test_captions_without_speech_are_a_valid_transcript(captions):
    assert parse(captions).segments == ()


def test_numbers_that_were_said_stay_in_captions():
    transcript = parse(SUBRIP.replace("Hello there.", "My number\n\n4711\n\n12"))
    assert rows(transcript)[0] == ("My number 4711 12", 0.0, 1.5, None)


def test_text_with_an_arrow_or_a_time_is_no_caption():
    assert parse("Press menu --> back.\nAt 10:30 --> home").text == "Press menu --> back.\nAt 10:30 --> home"


def test_speaker_labels_of_plain_text_lines_are_speakers():
    assert rows(parse("[SPEAKER_00]: Hello.\n[SPEAKER_01]: Bye.\n")) == [
        ("Hello.", None, None, "SPEAKER_00"),
        ("Bye.", None, None, "SPEAKER_01"),
    ]


@pytest.mark.parametrize(
    ("chunk", "times"),
    [
        ({"timestamp": [0.5, 1.5]}, (0.5, 1.5)),
        ({"timestamp": [0.5, None]}, (0.5, None)),
        ({"timestamp": [None, 1.5]}, (None, 1.5)),
        ({"timestamp": {"start": 0.5, "end": 1.5}}, (0.5, 1.5)),
        ({"start": 0.5, "end": 1.5}, (0.5, 1.5)),
        ({"timestamps": {"from": "00:00:00,500", "to": "00:00:01,500"}}, (0.5, 1.5)),
        ({"timestamp": []}, (None, None)),
    ],
)
def test_chunks_have_times(chunk, times):
    transcript = parse({"text": " Hello there.", "chunks": [{"text": " Hello there.", **chunk}]})
    assert rows(transcript) == [("Hello there.", *times, None)]


def test_chunks_that_are_words_become_segments_with_words():
    words = [{"text": " Hello", "timestamp": [0, 0.5]}, {"text": " there.", "timestamp": [0.5, 1]},
             {"text": " Bye.", "timestamp": [1.2, None]}]  # fmt: skip
    transcript = parse({"text": " Hello there. Bye.", "chunks": words})
    assert rows(transcript) == [("Hello there.", 0.0, 1.0, None), ("Bye.", 1.2, None, None)]
    assert [word.text for word in transcript.segments[0].words] == ["Hello", "there."]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1.50", 1.5), ("1,5", 1.5), ("1.5s", 1.5), ("00:00:01.500", 1.5), ("0:01,5", 1.5), ("01:00:01", 3601.0),
     ("", None), ("soon", None), ("-1", None), ("1:2:3:4", None), (True, None), ("9" * 400, None)],
)  # fmt: skip
def test_times_may_be_texts(value, seconds):
    (segment,) = parse({"segments": [{"text": "a", "start": value}]}).segments
    assert segment.start == seconds


@pytest.mark.parametrize(
    ("members", "speaker"),
    [({"speaker": 0}, "SPEAKER_00"), ({"speaker": "1"}, "SPEAKER_01"), ({"speaker": 2.0}, "SPEAKER_02"),
     ({"speaker_id": 12}, "SPEAKER_12"), ({"speaker": None, "speaker_label": "spk_0"}, "spk_0"),
     ({"speaker": "SPEAKER_00"}, "SPEAKER_00"), ({"speaker": "A"}, "A"), ({"speaker": ""}, None),
     ({"speaker": "?"}, None), ({"speaker": -1}, None), ({"speaker": True}, None), ({"speaker": [1]}, None)],
)  # fmt: skip
def test_numbered_speakers_have_the_labels_of_whisperx(members, speaker):
    word = {"text": "a", "start": 1, "end": 2, **members}
    (segment,) = parse({"segments": [{"text": "a", **members}], "words": []}).segments
    assert segment.speaker == speaker
    (segment,) = parse({"segments": [{"text": "a", "words": [word]}]}).segments
    assert (segment.speaker, segment.words[0].speaker, segment.words[0].text) == (speaker, speaker, "a")


def test_words_of_different_speakers_are_different_segments():
    words = [{"word": "Yes", "speaker": 0}, {"word": "no", "speaker": 1}, {"word": "maybe", "speaker": 1}]
    assert rows(parse({"words": words})) == [("Yes", None, None, "SPEAKER_00"), ("no maybe", None, None, "SPEAKER_01")]


@pytest.mark.parametrize(
    ("reported", "language"),
    [("english", "en"), ("English", "en"), ("en", "en"), ("EN", "en"), ("en-US", "en"), ("en_GB", "en"), ("eng", "en"),
     ("<|en|>", "en"), (" en ", "en"), ("Haitian Creole", "ht"), ("mandarin", "zh"), ("zh-Hant-TW", "zh"),
     ("cantonese", "yue"), ("jw", "jv"), ("iw", "he"), ("Klingon", "Klingon"), ("nb-NO", "nb-NO"), ("auto", None),
     ("unknown", None), ("", None), ("x" * 100, "x" * 35)],
)  # fmt: skip
def test_languages_have_one_form(reported, language):
    assert normalise_language(reported) == language
    assert parse({"text": "a", "language": reported}).language == language


def test_language_may_have_another_name():
    assert parse({"text": "a", "language": None, "detected_language": "german"}).language == "de"


def test_measures_are_kept_as_reported():
    segments = [
        {"text": "a", "avg_logprob": -0.3, "compression_ratio": 1, "no_speech_prob": 0.02},
        {"text": "b", "metrics": {"avgLogprob": -1.5, "noSpeechProb": 0.9}},
        {"text": "c", "avg_logprob": "NaN", "no_speech_prob": float("nan"), "compression_ratio": None},
    ]
    documents = parse({"segments": segments}).to_document({})["segments"]
    measures = [{name: value for name, value in each.items() if "_" in name} for each in documents]
    assert measures == [
        {"avg_logprob": -0.3, "compression_ratio": 1.0, "no_speech_prob": 0.02},
        {"avg_logprob": -1.5, "no_speech_prob": 0.9},
        {},
    ]


@pytest.mark.parametrize("body", ["[1, 2", "[Music]", '"Hello"', '{"speakers": ["A"]}', '{"chunks": [1]}'])
def test_other_shapes_are_no_transcript(body):
    with pytest.raises(RetryableError):
        parse(body)
