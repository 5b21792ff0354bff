"""Stereo calls through the process function: each channel is transcribed separately, and both are merged."""

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
SPEECH = {
    "left": [("thanks for calling", 0.0, 1.0), ("and your name", 2.0, 2.5)],
    "right": [("my order is late", 1.2, 1.9), ("smith", 3.0, 3.5)],
    "": [("both at once", 0.0, 1.0)],
}


def response_body(speech):
    segments = [{"text": text, "start": start, "end": end, "words": []} for text, start, end in speech]
    return json.dumps({"segments": segments, "language": "en"}).encode()


@pytest.fixture
def transcribe(handlers, put, service, reply, list_recordings):
    """Run the task for a recording, and return it; keyword arguments are the replies to single channels."""
    replies: dict[str, object] = {}
    service.choose_reply = lambda received: (
        replies.get(received.channel) or reply(body=response_body(SPEECH[received.channel]))
    )

    def transcribe(content, channels="caller-left", name="call.wav", **replies_by_channel):
        replies.clear()
        replies.update(replies_by_channel)
        handlers.overrides["CHANNELS"] = channels
        if content:
            put(name, content)
            handlers.sync_and_queue()
        handlers.process()
        return list_recordings()[name]

    return transcribe


@pytest.fixture
def transcript(handlers):
    def transcript(item):
        return handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json

    return transcript


def loudest_frequency(body):
    """The loudest frequency, in Hz, of the mono audio in a multipart body."""
    start = body.index(b"RIFF")
    samples, rate = soundfile.read(io.BytesIO(body[start : body.rindex(b"\r\n--")]))
    assert samples.ndim == 1
    return round(np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples))


@pytest.mark.parametrize(("channels", "left_speaker"), [("caller-left", "caller"), ("caller-right", "agent")])
def test_both_channels_are_merged_in_chronological_order(transcribe, transcript, service, channels, left_speaker):
    item = transcribe(wav(LEFT, RIGHT), channels)
    right_speaker = {"caller": "agent", "agent": "caller"}[left_speaker]
    document = transcript(item)
    assert [(segment["speaker"], segment["channel"], segment["text"]) for segment in document["segments"]] == [
        (left_speaker, "left", "thanks for calling"),
        (right_speaker, "right", "my order is late"),
        (left_speaker, "left", "and your name"),
        (right_speaker, "right", "smith"),
    ]
    assert {received.channel: loudest_frequency(received.body) for received in service.received} == {
        "left": 300,
        "right": 700,
    }
    assert (document["missingChannels"], document["duration"]) == ([], 4.0)
    assert item["audio"] == {"codec": "pcm_s16le", "duration": 4.0, "sampleRate": 8000, "channels": 2}
    assert (item["transcriptionStatus"], item["attempts"], item["transcript"]["partial"]) == ("completed", 1, False)


@pytest.mark.parametrize(
    ("name", "phone_system", "left", "right"),
    [
        ("1001_5551234567_17-05-2026_14:25:30.wav", "fusionpbx", "agent", "caller"),
        ("5551234567_1001_17-05-2026_14:25:30.wav", "fusionpbx", "caller", "agent"),
        ("1002_1001_17-05-2026_14:25:30.wav", "fusionpbx", "caller", "callee"),
        ("1001.2023-05-17-14-25-30.wav", "freeswitch", "caller", "callee"),
        ("20230414_215701.088-0400_in_+15551234567.wav", "bcr", "agent", "caller"),
        ("20230414_215701.088-0400_out_+15551234567.wav", "bcr", "agent", "caller"),
    ],
)
def test_speakers_follow_from_phone_system_and_direction(transcribe, transcript, name, phone_system, left, right):
    item = transcribe(wav(LEFT, RIGHT), "auto", name)
    assert item["phoneSystem"] == phone_system
    assert [segment["speaker"] for segment in transcript(item)["segments"]] == [left, right, left, right]


def test_recording_of_a_system_whose_layout_is_not_documented_is_sent_unsplit(transcribe, service):
    item = transcribe(wav(LEFT, RIGHT), "auto", "20251104180000-1762254000_106001-104-+66819970136-Outbound.wav")
    assert (item["phoneSystem"], [each.channel for each in service.received]) == ("yeastar", [""])


def test_direction_in_a_sidecar_decides_who_is_the_agent(put, transcribe, transcript):
    put("1001.2023-05-17-14-25-30.json", b'{"direction": "outbound"}')
    item = transcribe(wav(LEFT, RIGHT), "auto", "1001.2023-05-17-14-25-30.wav")
    assert [segment["speaker"] for segment in transcript(item)["segments"]] == ["agent", "caller", "agent", "caller"]


def test_failed_channel_keeps_its_label_until_it_is_retried(transcribe, transcript, handlers, reply):
    name = "1002_1001_17-05-2026_14:25:30.wav"
    item = transcribe(wav(LEFT, RIGHT), "auto", name, right=reply(status=400))
    assert {segment["speaker"] for segment in transcript(item)["segments"]} == {"caller"}
    assert handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe").status < 300
    assert {segment["speaker"] for segment in transcript(transcribe(None, "auto", name))["segments"]} == {
        "caller",
        "callee",
    }


@pytest.mark.parametrize("file_format", ["wav", "mp3"])
def test_identical_channels_are_sent_once_and_unsplit(transcribe, service, file_format):
    voice = tone(4, 16_000, 300)
    content = wav(voice, voice, rate=16_000) if file_format == "wav" else encode("mp3", voice, voice, joint_stereo="1")
    assert transcribe(content, name=f"call.{file_format}")["transcriptionStatus"] == "completed"
    (received,) = service.received
    assert content in received.body


def test_silent_channel_is_not_sent(transcribe, transcript, service):
    document = transcript(transcribe(wav(LEFT, 0 * RIGHT)))
    assert [received.channel for received in service.received] == ["left"]
    assert {segment["speaker"] for segment in document["segments"]} == {"caller"}
    assert document["missingChannels"] == []


def test_failed_channel_does_not_discard_the_other(handlers, transcribe, transcript, service, reply):
    item = transcribe(wav(LEFT, RIGHT), left=reply(status=500))
    assert (item["transcriptionStatus"], item["attempts"]) == ("failed", 1)
    handlers.advance_clock(minutes=1)
    item = transcribe(None)
    assert (item["transcriptionStatus"], item["attempts"]) == ("completed", 2)
    assert [received.channel for received in service.received] == ["left", "right", "left"]
    assert len(transcript(item)["segments"]) == 4


def test_channel_whose_transcript_is_missing_in_the_bucket_is_transcribed_again(
    handlers, transcribe, transcript, service, reply, stack
):
    item = transcribe(wav(LEFT, RIGHT), right=reply(status=415))
    s3, bucket = client("s3", stack.endpoint), stack.buckets["TranscriptsBucket"]
    for stored in s3.list_objects_v2(Bucket=bucket, Prefix="tracks/")["Contents"]:
        s3.delete_object(Bucket=bucket, Key=stored["Key"])
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe")
    item = transcribe(None)
    assert (item["transcriptionStatus"], item["error"]["code"]) == ("failed", "track_missing")
    handlers.advance_clock(minutes=1)
    assert len(transcript(transcribe(None))["segments"]) == 4
    assert Counter(received.channel for received in service.received) == {"left": 2, "right": 2}


def test_permanent_error_of_one_channel_leaves_a_partial_transcript(transcribe, transcript, reply):
    item = transcribe(wav(LEFT, RIGHT), right=reply(status=415))
    assert (item["transcriptionStatus"], item["nextAttemptAt"], item["error"]["code"]) == ("failed", None, "not_audio")
    assert item["transcript"]["partial"]
    document = transcript(item)
    assert {segment["speaker"] for segment in document["segments"]} == {"caller"}
    assert document["missingChannels"] == ["right"]


def test_outage_between_the_channels_consumes_no_attempt_and_resends_nothing(handlers, transcribe, service, reply):
    item = transcribe(wav(LEFT, RIGHT), right=reply(status=503))
    assert (item["transcriptionStatus"], item["attempts"]) == ("queued", 0)
    handlers.advance_clock(minutes=2)
    item = transcribe(None)
    assert (item["transcriptionStatus"], item["attempts"]) == ("completed", 1)
    assert [received.channel for received in service.received] == ["left", "right", "right"]


def test_manual_retry_sends_only_the_missing_channel(handlers, transcribe, transcript, service, reply):
    item = transcribe(wav(LEFT, RIGHT), right=reply(status=415))
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe")
    item = transcribe(None)
    assert item["transcriptionStatus"] == "completed"
    assert [received.channel for received in service.received] == ["left", "right", "right"]
    assert len(transcript(item)["segments"]) == 4


def test_retryable_error_of_one_channel_takes_precedence(handlers, transcribe, service, reply):
    item = transcribe(wav(LEFT, RIGHT), left=reply(status=413), right=reply(status=500))
    assert (item["error"]["code"], item["error"]["retryable"]) == ("service_error", True)
    handlers.advance_clock(minutes=1)
    item = transcribe(None, left=reply(status=413))
    assert (item["transcriptionStatus"], item["nextAttemptAt"], item["transcript"]["partial"]) == ("failed", None, True)


def test_two_silent_channels_are_completed_without_speech_and_nothing_is_sent(transcribe, service):
    item = transcribe(wav(0 * LEFT, 0 * RIGHT))
    assert (item["transcriptionStatus"], item["transcript"]["noSpeech"]) == ("completed", True)
    assert service.received == []


def test_layout_of_the_first_attempt_is_kept_when_the_setting_changes(handlers, transcribe, transcript, reply):
    transcribe(wav(LEFT, RIGHT), "caller-right", left=reply(status=500))
    handlers.advance_clock(minutes=1)
    document = transcript(transcribe(None, "mono"))
    assert {segment["channel"]: segment["speaker"] for segment in document["segments"]} == {
        "left": "agent",
        "right": "caller",
    }


def test_partial_transcript_never_replaces_a_complete_one(handlers, transcribe, transcript, reply):
    item = transcribe(wav(LEFT, RIGHT))
    handlers.api("POST", f"/api/call-recordings/{item['id']}/transcribe", body={"force": True})
    updated_item = transcribe(None, right=reply(status=415))
    assert updated_item["transcriptionStatus"] == "failed"
    assert updated_item["transcript"] == item["transcript"]


def test_outage_at_the_last_attempt_stores_no_transcript(handlers, transcribe, reply, stack):
    handlers.overrides["MAX_ATTEMPTS"] = "1"
    item = transcribe(wav(LEFT, RIGHT), right=reply(status=503))
    assert (item["transcriptionStatus"], item["transcript"]) == ("queued", None)
    versions = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript/versions").json
    assert versions["items"] == []


def test_temporary_s3_error_at_the_last_attempt_does_not_fail_a_complete_transcript(handlers, transcribe, monkeypatch):
    handlers.overrides["MAX_ATTEMPTS"] = "1"
    put, attempts = transcripts.put, []

    def fail_once(*arguments):
        attempts.append(arguments)
        if len(attempts) == 1:
            raise RetryableError("S3", code="transcript_not_stored")
        return put(*arguments)

    monkeypatch.setattr(transcripts, "put", fail_once)
    assert transcribe(wav(LEFT, RIGHT))["transcriptionStatus"] == "completed"


@pytest.mark.parametrize("empty", [b"", wav(LEFT[:0], RIGHT[:0]), wav(LEFT[:0])])
def test_file_without_audio_is_never_sent(handlers, put, service, list_recordings, empty):
    put("call.wav", wav(LEFT))
    handlers.sync_and_queue()
    put("call.wav", empty)  # overwritten since sync found it
    handlers.process()
    item = list_recordings()["call.wav"]
    assert (item["transcriptionStatus"], item["error"]["code"], item["nextAttemptAt"]) == ("failed", "no_audio", None)
    assert service.received == []
