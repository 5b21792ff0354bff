"""A stereo call through the whole of process: each side transcribed apart, one conversation out of both."""

import io
import json
from collections import Counter

import numpy as np
import pytest
import soundfile

from callscribe.errors import RetryableError
from callscribe.store import transcripts
from testing.handlers import client
from testing.made_audio import encode, tone, wav

LEFT, RIGHT = tone(4, 8_000, 300), tone(4, 8_000, 700)
SAID = {
    "left": [("thanks for calling", 0.0, 1.0), ("and your name", 2.0, 2.5)],
    "right": [("my order is late", 1.2, 1.9), ("smith", 3.0, 3.5)],
    "": [("both at once", 0.0, 1.0)],
}


def answer(said):
    segments = [{"text": text, "start": start, "end": end, "words": []} for text, start, end in said]
    return json.dumps({"segments": segments, "language": "en"}).encode()


@pytest.fixture
def transcribed(handlers, put, service, reply, listed):
    """Lets the task transcribe a recording; `fails` says of a channel what it is answered instead."""
    fails: dict[str, object] = {}
    service.choose_reply = lambda received: fails.get(received.channel) or reply(body=answer(SAID[received.channel]))

    def transcribed(content, channels="caller-left", name="call.wav", **failing):
        fails.clear()
        fails.update(failing)
        handlers.overrides["CHANNELS"] = channels
        if content:
            put(name, content)
            handlers.sync_and_queue()
        handlers.process()
        return listed()[name]

    return transcribed


@pytest.fixture
def transcript(handlers):
    def transcript(item):
        return handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json

    return transcript


def heard(body):
    """Whether it is mono, and its loudest frequency in Hz."""
    start = body.index(b"RIFF")
    samples, rate = soundfile.read(io.BytesIO(body[start : body.rindex(b"\r\n--")]))
    assert samples.ndim == 1
    return round(np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples))


@pytest.mark.parametrize(("channels", "first"), [("caller-left", "caller"), ("caller-right", "agent")])
def test_both_sides_become_one_conversation_in_the_order_it_was_said(transcribed, transcript, service, channels, first):
    item = transcribed(wav(LEFT, RIGHT), channels)
    second = {"caller": "agent", "agent": "caller"}[first]
    document = transcript(item)
    assert [(each["speaker"], each["channel"], each["text"]) for each in document["segments"]] == [
        (first, "left", "thanks for calling"),
        (second, "right", "my order is late"),
        (first, "left", "and your name"),
        (second, "right", "smith"),
    ]
    assert {each.channel: heard(each.body) for each in service.received} == {"left": 300, "right": 700}
    assert (document["missingChannels"], document["duration"]) == ([], 4.0)
    assert item["audio"] == {"codec": "pcm_s16le", "duration": 4.0, "sampleRate": 8000, "channels": 2}
    assert (item["transcriptionStatus"], item["attempts"], item["transcript"]["partial"]) == ("completed", 1, False)


def test_a_phone_system_that_is_known_by_the_name_has_its_sides(handlers, transcribed, transcript):
    name = "20251104180000-1762254000_106001-+66819970136-104-Inbound.wav"  # Yeastar: received left
    item = transcribed(wav(LEFT, RIGHT), "auto", name)
    assert item["phoneSystem"] == "yeastar"
    assert [each["speaker"] for each in transcript(item)["segments"]] == ["caller", "agent", "caller", "agent"]


@pytest.mark.parametrize("form", ["wav", "mp3"])
def test_two_equal_channels_are_sent_once_and_as_they_are(transcribed, service, form):
    voice = tone(4, 16_000, 300)
    content = wav(voice, voice, rate=16_000) if form == "wav" else encode("mp3", voice, voice, joint_stereo="1")
    assert transcribed(content, name=f"call.{form}")["transcriptionStatus"] == "completed"
    (received,) = service.received
    assert content in received.body


def test_a_channel_without_a_sound_is_not_sent(transcribed, transcript, service):
    document = transcript(transcribed(wav(LEFT, 0 * RIGHT)))
    assert [each.channel for each in service.received] == ["left"]
    assert {each["speaker"] for each in document["segments"]} == {"caller"}
    assert document["missingChannels"] == []


def test_one_channel_that_fails_does_not_throw_the_other_away(handlers, transcribed, transcript, service, reply):
    item = transcribed(wav(LEFT, RIGHT), left=reply(status=500))
    assert (item["transcriptionStatus"], item["attempts"]) == ("failed", 1)
    handlers.advance_clock(minutes=1)
    item = transcribed(None)
    assert (item["transcriptionStatus"], item["attempts"]) == ("completed", 2)
    assert [each.channel for each in service.received] == ["left", "right", "left"]
    assert len(transcript(item)["segments"]) == 4


def test_a_channel_that_the_bucket_has_forgotten_is_transcribed_anew(
    handlers, transcribed, transcript, service, reply, stack
):
    item = transcribed(wav(LEFT, RIGHT), right=reply(status=415))
    s3, bucket = client("s3", stack.endpoint), stack.buckets["TranscriptsBucket"]
    (part,) = s3.list_objects_v2(Bucket=bucket, Prefix="tracks/")["Contents"]
    s3.delete_object(Bucket=bucket, Key=part["Key"])
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe")
    item = transcribed(None)
    assert (item["transcriptionStatus"], item["error"]["code"]) == ("failed", "part_missing")
    handlers.advance_clock(minutes=1)
    assert len(transcript(transcribed(None))["segments"]) == 4
    assert Counter(each.channel for each in service.received) == {"left": 2, "right": 2}


def test_one_channel_that_fails_for_good_leaves_the_transcript_of_the_other(transcribed, transcript, reply):
    item = transcribed(wav(LEFT, RIGHT), right=reply(status=415))
    assert (item["transcriptionStatus"], item["nextAttemptAt"], item["error"]["code"]) == ("failed", None, "not_audio")
    assert item["transcript"]["partial"]
    document = transcript(item)
    assert {each["speaker"] for each in document["segments"]} == {"caller"}
    assert document["missingChannels"] == ["right"]


def test_an_outage_between_the_channels_costs_nothing_and_sends_nothing_again(handlers, transcribed, service, reply):
    item = transcribed(wav(LEFT, RIGHT), right=reply(status=503))
    assert (item["transcriptionStatus"], item["attempts"]) == ("queued", 0)
    handlers.advance_clock(minutes=2)
    item = transcribed(None)
    assert (item["transcriptionStatus"], item["attempts"]) == ("completed", 1)
    assert [each.channel for each in service.received] == ["left", "right", "right"]


def test_a_person_s_retry_goes_on_with_the_channel_that_is_missing(handlers, transcribed, transcript, service, reply):
    item = transcribed(wav(LEFT, RIGHT), right=reply(status=415))
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe")
    item = transcribed(None)
    assert item["transcriptionStatus"] == "completed"
    assert [each.channel for each in service.received] == ["left", "right", "right"]
    assert len(transcript(item)["segments"]) == 4


def test_an_error_of_one_channel_that_may_pass_is_what_counts(handlers, transcribed, service, reply):
    item = transcribed(wav(LEFT, RIGHT), left=reply(status=413), right=reply(status=500))
    assert (item["error"]["code"], item["error"]["retryable"]) == ("service_error", True)
    handlers.advance_clock(minutes=1)
    item = transcribed(None, left=reply(status=413))
    assert (item["transcriptionStatus"], item["nextAttemptAt"], item["transcript"]["partial"]) == ("failed", None, True)


def test_two_channels_without_a_sound_are_no_speech_and_nothing_is_sent(transcribed, service):
    item = transcribed(wav(0 * LEFT, 0 * RIGHT))
    assert (item["transcriptionStatus"], item["transcript"]["noSpeech"]) == ("completed", True)
    assert service.received == []


def test_whose_side_is_which_stays_as_it_was_begun(handlers, transcribed, transcript, reply):
    transcribed(wav(LEFT, RIGHT), "caller-right", left=reply(status=500))
    handlers.advance_clock(minutes=1)
    document = transcript(transcribed(None, "mono"))
    assert {each["channel"]: each["speaker"] for each in document["segments"]} == {"left": "agent", "right": "caller"}


def test_half_a_transcript_never_takes_the_place_of_a_whole_one(handlers, transcribed, transcript, reply):
    item = transcribed(wav(LEFT, RIGHT))
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe", body={"force": True})
    after = transcribed(None, right=reply(status=415))
    assert after["transcriptionStatus"] == "failed"
    assert after["transcript"] == item["transcript"]


def test_an_outage_at_the_last_attempt_stores_nothing(handlers, transcribed, reply, stack):
    handlers.overrides["MAX_ATTEMPTS"] = "1"
    item = transcribed(wav(LEFT, RIGHT), right=reply(status=503))
    assert (item["transcriptionStatus"], item["transcript"]) == ("queued", None)
    versions = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript/versions").json
    assert versions["items"] == []


def test_a_hiccup_of_s3_at_the_last_attempt_does_not_fail_what_is_whole(handlers, transcribed, monkeypatch):
    handlers.overrides["MAX_ATTEMPTS"] = "1"
    put, calls = transcripts.put, []

    def hiccup(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise RetryableError("S3", code="transcript_not_stored")
        return put(*arguments)

    monkeypatch.setattr(transcripts, "put", hiccup)
    assert transcribed(wav(LEFT, RIGHT))["transcriptionStatus"] == "completed"


@pytest.mark.parametrize("empty", [b"", wav(LEFT[:0], RIGHT[:0]), wav(LEFT[:0])])
def test_what_holds_no_audio_is_never_sent(handlers, put, service, listed, empty):
    put("call.wav", wav(LEFT))
    handlers.sync_and_queue()
    put("call.wav", empty)  # since it was found
    handlers.process()
    item = listed()["call.wav"]
    assert (item["transcriptionStatus"], item["error"]["code"], item["nextAttemptAt"]) == ("failed", "no_audio", None)
    assert service.received == []
