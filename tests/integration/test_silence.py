"""Silence, faint noise and clicks are not sent, and quiet speech is. Near silence on which a server fails."""

import sys
import wave
from typing import Any

import numpy as np
import pytest

from callscribe.sources.wav import read_header
from functions.process.audio.decoder import open_decoder
from functions.process.audio.probe import MAX_HEAD_BYTES, probe
from functions.process.audio.wav_samples import read_samples
from testing.made_audio import AMR, AMR_FRAME, FORMATS, GSM_FRAME, InMemoryFile, encode, tone, wav

RATE = 8_000


def noise(seconds: float, dbfs: float, rate: int = RATE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).standard_normal(int(seconds * rate)) * 10 ** (dbfs / 20)


def hum(seconds: float, dbfs: float) -> np.ndarray[Any, Any]:
    wave_form = np.sin(2 * np.pi * 50 * np.arange(int(seconds * RATE)) / RATE)
    return np.asarray(np.sqrt(2) * 10 ** (dbfs / 20) * wave_form)


def clicks(*times: float) -> np.ndarray[Any, Any]:
    samples = np.zeros(10 * RATE)
    for time in times:
        samples[int(time * RATE) : int(time * RATE) + 16] = 0.9
    return samples


@pytest.fixture
def speech(samples):
    """Returns recorded speech at 8 kHz, with this level (RMS, in dBFS) over its whole length."""
    with wave.open(str(next(samples.glob("in-*0143-*.wav")))) as file:
        voice = np.frombuffer(file.readframes(file.getnframes()), np.int16)[::2] / 32_768

    def speech(dbfs: float) -> np.ndarray[Any, Any]:
        return np.asarray(voice * 10 ** (dbfs / 20) / np.sqrt(np.mean(voice**2)))

    return speech


def is_sent(content: bytes, *, is_local: bool = True) -> bool:
    """Whether the file is sent. Asserts that it can be read from its first byte then."""
    with probe(InMemoryFile(content, is_local=is_local)).open_if_audible() as audio:
        if audio is None:
            return False
        sent = bytearray()
        while chunk := audio.read(100_000):
            sent += chunk
        assert bytes(sent) == content
        return True


SILENT = {
    "digital silence": np.zeros(5 * RATE),
    "noise": noise(5, -60),
    "a minute of noise": noise(60, -66),
    "a click": clicks(2),
    "two clicks": clicks(2, 5),
    "hum": hum(5, -60),
    "two clicks at once": clicks(2, 2.06),
    "offset": 0.05 + noise(5, -75),
}
LOUDER_IN_GSM = {"hum", "two clicks at once", "offset"}


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW", "ALAW", "FLOAT", "GSM610"])
@pytest.mark.parametrize("name", SILENT)
def test_what_holds_no_sound_is_not_sent(name, subtype):
    if subtype != "GSM610" or name not in LOUDER_IN_GSM:
        assert not is_sent(wav(SILENT[name], subtype=subtype))


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "ALAW", "GSM610"])
@pytest.mark.parametrize("dbfs", [-20, -50])
def test_speech_is_sent_however_quiet(speech, dbfs, subtype):
    assert is_sent(wav(speech(dbfs), subtype=subtype))


@pytest.mark.parametrize("channels", [(noise(2, -20),), (noise(2, -20), tone(2, RATE))])
def test_plain_samples_are_read_as_the_decoder_reads_them(channels):
    content = wav(*channels)[:-1]  # half a sample at the end
    header = read_header(content, len(content))
    with open_decoder(InMemoryFile(content)) as (rate, decoded):
        expected = rate, [b"".join(channel) for channel in zip(*decoded, strict=True)]
    read = read_samples(InMemoryFile(content), header)
    assert read is not None
    samples_rate, samples = read
    assert (samples_rate, [b"".join(channel) for channel in zip(*samples, strict=True)]) == expected


@pytest.mark.parametrize("arguments", [{"subtype": "PCM_24"}, {"subtype": "ULAW"}, {"rate": 44_100}, {"rate": 1_000}])
def test_other_samples_are_decoded(arguments):
    content = wav(tone(1, RATE), **arguments)
    assert read_samples(InMemoryFile(content), read_header(content, len(content))) is None


@pytest.mark.parametrize("channel_count", [1, 2])
def test_plain_samples_need_no_decoder(monkeypatch, channel_count):
    monkeypatch.setitem(sys.modules, "functions.process.audio.decoder", None)
    assert is_sent(wav(*[tone(1, RATE)] * channel_count))
    assert not is_sent(wav(*[noise(5, -66)] * channel_count))


@pytest.mark.parametrize("extension", FORMATS)
def test_every_format_is_decoded(extension):
    *_, rate = FORMATS[extension]
    assert not is_sent(encode(extension, noise(3, -66, rate)))
    assert is_sent(encode(extension, tone(3, rate)))
    assert is_sent(encode(extension, np.concatenate([np.zeros(3 * rate), tone(0.5, rate)])))


def test_phone_formats_are_decoded():
    assert is_sent(AMR + AMR_FRAME * 50)  # the codec has no silence in a frame of zeros
    assert is_sent(GSM_FRAME + bytes(np.random.default_rng(1).integers(0, 256, 33 * 200, np.uint8)))


def test_sound_on_one_of_two_channels_suffices():
    assert is_sent(wav(np.zeros(5 * RATE), tone(5, RATE)))
    assert not is_sent(wav(np.zeros(5 * RATE), noise(5, -66)))


@pytest.mark.parametrize(("seconds", "expected"), [(0.02, False), (0.09, False), (0.11, True), (0.3, True)])
def test_less_than_100_ms_is_not_sent(seconds, expected):
    assert is_sent(wav(tone(seconds, RATE))) == expected


def test_samples_that_are_all_far_from_zero_are_left_to_the_server():
    assert is_sent(wav(0.25 + np.zeros(RATE)))


@pytest.mark.parametrize("content", [b"junk", b"RIFF" + bytes(100), bytes(100_000)])
def test_what_cannot_be_decoded_is_left_to_the_server(content):
    assert is_sent(content)


def test_file_that_is_damaged_after_silence_is_left_to_the_server():
    content = encode("mp3", np.concatenate([np.zeros(16_000), tone(20, 16_000)]))
    damaged = content[:4_000] + bytes(len(content) - 4_000)
    assert is_sent(damaged)


@pytest.mark.parametrize("silent_seconds", [0, 10, 120])
def test_sound_is_found_in_s3_without_reading_at_random(silent_seconds):
    content = wav(np.concatenate([np.zeros(silent_seconds * RATE), tone(1, RATE), np.zeros(200 * RATE)]))
    assert len(content) > MAX_HEAD_BYTES
    file = InMemoryFile(content, is_local=False)
    with probe(file).open_if_audible() as audio:
        assert audio is not None
        assert audio.read() == content
    assert file.read_count == 0


def test_long_silent_file_in_s3_is_not_sent():
    assert not is_sent(wav(np.zeros(200 * RATE)), is_local=False)


def test_file_for_which_there_is_no_space_is_sent(monkeypatch):
    monkeypatch.setattr("functions.process.audio.probe.has_space_for", lambda _: False)
    assert is_sent(wav(np.zeros(200 * RATE)), is_local=False)


def test_silent_recording_is_completed_without_speech(handlers, put, service, list_recordings):
    put("call.wav", wav(np.zeros(3 * RATE)))
    handlers.transcribe()
    item = list_recordings()["call.wav"]
    assert (item["transcriptionStatus"], item["transcript"]["noSpeech"], item["attempts"]) == ("completed", True, 1)
    assert service.received == []


@pytest.fixture
def transcribe_failing(handlers, put, service, reply, list_recordings):
    """Transcribes a recording on which the server fails in both attempts, and returns it with its transcript."""

    def transcribe_failing(content, *, body=b"Internal Server Error", status=500, **overrides):
        service.replies = [reply(status=status, body=body)]
        handlers.overrides |= {"MAX_ATTEMPTS": "2", **overrides}
        put("call.wav", content)
        handlers.transcribe()
        assert list_recordings()["call.wav"]["transcriptionStatus"] == "failed"
        handlers.advance_clock(minutes=2)
        handlers.process()
        item = list_recordings()["call.wav"]
        return item, handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json

    return transcribe_failing


FAINT = np.concatenate([np.zeros(3 * RATE), tone(0.4, RATE, level=0.01), np.zeros(3 * RATE)])
"""Less than half a second of sound."""


def test_server_that_fails_on_near_silence_leads_to_no_failure(transcribe_failing, service):
    item, document = transcribe_failing(wav(FAINT))
    assert (item["transcriptionStatus"], item["transcript"]["noSpeech"]) == ("completed", True)
    assert (item["error"], document["producedBy"]["nearSilence"]) == (None, True)
    assert len(service.received) == 2


def test_server_that_fails_on_a_channel_of_near_silence_leads_to_no_failure(transcribe_failing, service, reply):
    loud = tone(len(FAINT) / RATE, RATE)
    service.choose_reply = lambda received: reply(status=500, body=b"") if received.channel == "right" else reply()
    item, document = transcribe_failing(wav(loud, FAINT), CHANNELS="caller-left")
    assert (item["transcriptionStatus"], item["transcript"]["partial"]) == ("completed", False)
    assert {segment["channel"] for segment in document["segments"]} == {"left"}
    assert document["producedBy"]["nearSilence"]


@pytest.mark.parametrize(
    ("content", "reply_to_send"),
    [
        (wav(tone(5, RATE)), {}),
        (wav(FAINT), {"body": b"CUDA error: out of memory"}),
        (wav(FAINT), {"status": 415}),
    ],
    ids=["real sound", "known cause", "rejected"],
)
def test_other_failures_stay_failures(transcribe_failing, content, reply_to_send):
    item, _ = transcribe_failing(content, **reply_to_send)
    assert item["transcriptionStatus"] == "failed"
    assert item["transcript"] is None
