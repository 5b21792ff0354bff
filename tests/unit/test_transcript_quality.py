"""Times that fit the recording, and the flags on segments that may not have been said."""

import json
from dataclasses import replace

import pytest

from callscribe.recordings.recording import Channel
from callscribe.transcripts.quality import assess
from callscribe.transcripts.stereo import ChannelLayout, merge_channels
from callscribe.transcripts.transcript import Segment, SegmentFlag, Transcript, Word, parse_stored_transcript

BEYOND, REPETITION, TOO_FAST = SegmentFlag.BEYOND_RECORDING, SegmentFlag.REPETITION, SegmentFlag.TOO_FAST
SUBTITLES, UNSURE, SILENCE = (
    SegmentFlag.SUBTITLE_PHRASE,
    SegmentFlag.LOW_CONFIDENCE,
    SegmentFlag.LIKELY_NO_SPEECH,
)


def timed(*spans, text="Hello there."):
    return [Segment(text=text, start=start, end=end) for start, end in spans]


def assess_segments(*segments, duration=None):
    return assess(Transcript(segments=segments), duration).segments


def spans(segments):
    return [(segment.start, segment.end) for segment in segments]


def flags(*texts, **fields):
    return [set(segment.flags) for segment in assess_segments(*(Segment(text=text, **fields) for text in texts))]


def test_times_after_the_end_are_cut_off_and_flagged():
    segments = assess_segments(*timed((0, 2.5), (2, 31), (27.1, 27.9), (None, 40), (2.9, None)), duration=3.0)
    assert spans(segments) == [(0, 2.5), (2, 3.0), (None, None), (None, 3.0), (2.9, None)]
    assert [BEYOND in segment.flags for segment in segments] == [False, True, True, True, False]


def test_rounded_times_are_cut_off_without_a_flag():
    segments = assess_segments(*timed((0, 3.2), (3.1, 3.4)), duration=3.0)
    assert spans(segments) == [(0, 3.0), (3.0, 3.0)]
    assert [segment.flags for segment in segments] == [(), ()]


def test_words_are_cut_off_with_their_segment():
    words = (Word(text="Bye", start=2.0, end=9.0), Word(text="now", start=9.0, end=9.5))
    (segment,) = assess_segments(Segment(text="Bye now", start=2.0, end=9.5, words=words), duration=3.0)
    assert [(word.start, word.end) for word in segment.words] == [(2.0, 3.0), (None, None)]


def test_times_without_a_known_duration_stay():
    assert spans(assess_segments(*timed((0, 1500), (1600, 2800)))) == [(0, 1500), (1600, 2800)]


@pytest.mark.parametrize(
    ("duration", "given"),
    [(3.0, [(0, 1500), (1600, 2800)]), (3.0, [(0, 1100.0000000000002)]), (600.0, [(0, 2000), (595_000, 599_900)]),
     (60.0, [(59_000, 60_000)]), (3.0, [(100, None), (1600, None)])],
)  # fmt: skip
def test_milliseconds_are_recognised_from_all_times_together(duration, given):
    expected = [tuple(time if time is None else time / 1000 for time in span) for span in given]
    words = (Word(text="Hello", start=given[-1][0], end=given[-1][1]),)
    *others, last = timed(*given)
    segments = assess_segments(*others, replace(last, words=words), duration=duration)
    assert spans(segments) == expected
    assert (segments[-1].words[0].start, segments[-1].words[0].end) == expected[-1]
    assert not any(segment.flags for segment in segments)


@pytest.mark.parametrize(
    ("duration", "given"),
    [(3.0, [(0, 30)]), (3.0, [(0, 2), (100, 105)]), (3.0, [(100, 105)]), (3.0, [(0.5, 90.5), (91.2, 95.5)]),
     (3.0, [(0, 5000)]), (60.0, [(0, 5), (6, 20), (25, 900)])],
    ids=["one window", "one is late", "all are late", "fractions", "neither fits", "most fit"],
)  # fmt: skip
def test_wrong_seconds_are_not_taken_for_milliseconds(duration, given):
    segments = assess_segments(*timed(*given), duration=duration)
    assert all(end is None or end <= duration for _, end in spans(segments))
    assert BEYOND in segments[-1].flags
    assert [start for start, _ in spans(segments)] == [start if start <= duration else None for start, _ in given]


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ("2-3-4-4-4-4", True),
        ("Thank you. Thank you. Thank you. Thank you.", True),
        ("I don't know what to say. I don't know what to say. I don't know what to say.", True),
        ("はいはいはいはい", True),
        ("hahahahahahahahaha", True),
        ("well " + "4 " * 30 + "and then we talked about everything else that there was to say " * 2, True),
        ("Bye, bye, bye.", False),
        ("Very, very good.", False),
        ("My number is 5-5-5-1-2-1-2.", False),
        ("No no no no, I said on Monday, not on Tuesday, to him.", False),
        ("Hello there, how can I help you?", False),
        ("...", False),
    ],
)
def test_repetition_within_a_segment(text, is_loop):
    assert flags(text) == [{REPETITION} if is_loop else set()]


def test_repetition_across_segments():
    assert flags(*["Thank you."] * 4, "Bye.") == [{REPETITION}] * 4 + [set()]
    assert flags(*["Okay.", "I see."] * 4) == [{REPETITION}] * 8
    assert flags(*["Can you hear me now?"] * 3) == [{REPETITION}] * 3
    assert flags(*["Okay."] * 3) == [set()] * 3


def test_two_speakers_who_say_the_same_repeat_nothing():
    segments = [Segment(text="Bye.", speaker=f"SPEAKER_0{index % 2}") for index in range(3)]
    assert not any(segment.flags for segment in assess_segments(*segments, replace(segments[0], speaker="A")))


@pytest.mark.parametrize(
    ("text", "end", "is_too_fast"),
    [
        ("one two three four five six seven eight nine ten eleven twelve thirteen", 1.0, True),
        ("one two three four five six seven eight nine ten", 1.0, False),
        ("Yes, please.", 0.0, False),
        ("Yes, please do it now.", 0.0, True),
        ("今日は天気がとてもいいですね散歩に行きましょうか", 0.8, True),
        ("今日は天気がとてもいいですね", 1.5, False),
    ],
)
def test_impossible_word_rate(text, end, is_too_fast):
    assert flags(text, start=0.0, end=end) == [{TOO_FAST} if is_too_fast else set()]


@pytest.mark.parametrize(
    "text",
    [
        "Thanks for watching!",
        "Thank you so much for watching this video. Please subscribe to my channel!",
        "Subtitles by the Amara.org community",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "Vielen Dank fürs Zuschauen!",
        "Sous-titres réalisés para la communauté d'Amara.org",
        "Sous-titrage ST' 501",
        "¡Suscríbete al canal!",
        "¡Gracias por ver el vídeo!",
        "Sottotitoli creati dalla comunità Amara.org",
        "Obrigado por assistir!",
        "Ondertitels ingediend door de Amara.org gemeenschap",
        "Napisy stworzone przez społeczność Amara.org",
        "Субтитры сделал DimaTorzok",
        "Редактор субтитров А.Семкин Корректор А.Егорова",
        "Продолжение следует...",
        "Titulky vytvořil JohnyX.",
        "İzlediğiniz için teşekkür ederim.",
        "Altyazı M.K.",
        "اشتركوا في القناة",
        "תודה על הצפייה",
        "ご視聴ありがとうございました。",
        "ご視聴 ありがとうございました",
        "字幕由 Amara.org 社区提供",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "시청해주셔서 감사합니다.",
        "MBC 뉴스 이덕영입니다.",
        "Cảm ơn các bạn đã theo dõi.",
        "[Music]",
        "♪ (upbeat music) ♪",
        "Music",
    ],
)
def test_segment_that_is_only_a_subtitle_phrase_is_flagged(text):
    assert flags(text) == [{SUBTITLES}]


@pytest.mark.parametrize(
    "text",
    [
        "Thank you.",
        "Thanks for calling.",
        "Thanks for watching my dog.",
        "I pay for the music subscription.",
        "Please subscribe me to the newsletter.",
        "Subtitles by default are off on your television set.",
        "(laughs) Yes.",
        "Danke.",
        "Merci d'avoir regardé mon dossier.",
        "Untertitel sehe ich keine.",
        "字幕が出ません。",
    ],
)
def test_ordinary_speech_is_no_subtitle_phrase(text):
    assert flags(text) == [set()]


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ({"avg_logprob": -1.0, "no_speech_prob": 0.6, "compression_ratio": 2.4}, set()),
        ({"avg_logprob": -1.1}, {UNSURE}),
        ({"no_speech_prob": 0.7}, {SILENCE}),
        ({"compression_ratio": 2.5}, {REPETITION}),
    ],
)
def test_measures_are_compared_with_the_thresholds_of_whisper(measures, expected):
    assert flags("You", **measures) == [expected]


def test_no_text_is_removed_and_the_order_stays():
    texts = ["Thanks for watching!", "2-3-4-4-4-4", "Hello.", "[Music]"]
    assert [segment.text for segment in assess_segments(*timed((0, 1), (50, 60)), duration=3.0)] == ["Hello there."] * 2
    assert assess(Transcript(segments=tuple(Segment(text=text) for text in texts)), 1.0).text == "\n".join(texts)


def test_flags_and_measures_survive_the_merge_of_channels_and_the_store():
    words = (Word(text="Thanks", start=0.0, end=0.2), Word(text="again", start=2.0, end=2.2))
    doubtful = Segment(text="Thanks again", start=0.0, end=2.2, words=words, no_speech_prob=0.9, avg_logprob=-0.2)
    by_channel = {
        Channel.LEFT: assess(Transcript(segments=(doubtful,)), 3.0),
        Channel.RIGHT: Transcript(segments=(Segment(text="Yes", start=1.0, end=1.5),)),
    }
    merged = merge_channels(by_channel, ChannelLayout.CALLER_LEFT)
    assert [(segment.text, segment.flags) for segment in merged.segments] == [
        ("Thanks", (SILENCE,)),
        ("Yes", ()),
        ("again", (SILENCE,)),
    ]
    stored = parse_stored_transcript(json.loads(json.dumps(merged.to_document({}))))
    assert stored.segments == merged.segments


def test_transcripts_of_earlier_versions_stay_readable():
    segment = {"text": "Hello", "start": 0.0, "end": 1.0, "speaker": None, "channel": None, "words": []}
    transcript = parse_stored_transcript({"segments": [segment], "language": "english"})
    assert transcript.segments == (Segment(text="Hello", start=0.0, end=1.0),)
