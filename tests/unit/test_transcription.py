"""One attempt on one recording: timeouts, upload names and tags."""

import struct
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from callscribe.errors import RetryableError
from callscribe.recordings import transitions
from callscribe.settings.process import ProcessSettings
from callscribe.transcripts.stereo import MONO
from functions.process.transcription import Transcriber
from testing.made_audio import fmt, riff

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class TimeoutReporter:
    """A service that fails with its timeout as the message."""

    def send(self, _audio, _name, timeouts, **_options):
        raise RetryableError(f"{timeouts.total:.0f}", code="sent")


class NameReporter:
    """A service that fails with the upload name as the message."""

    def send(self, _audio, name, _timeouts, **_options):
        raise RetryableError(name, code="sent")


def attempt(folder, *clock_seconds, service=TimeoutReporter, now=NOW, content=b"x" * 100):
    """The result of an attempt with one minute left; each reading of the clock returns the next of `clock_seconds`."""
    clock = iter(NOW + timedelta(seconds=seconds) for seconds in clock_seconds)
    (folder / "a.wav").write_bytes(content)
    key = f"{folder}/a.wav".lstrip("/")
    recording = transitions.create("file://", key, size=len(content), etag=None, modified_at=NOW, now=now)
    settings = ProcessSettings(
        whisperx_url="http://127.0.0.1:9", transcripts_bucket="bucket", whisperx_secret="secret", channels=MONO
    )
    connection: Any = SimpleNamespace(open=lambda _log_request: service())
    transcriber = Transcriber(settings, connection, lambda: next(clock))
    return transcriber.attempt(recording, NOW + timedelta(seconds=60), [])


def test_nothing_is_sent_after_the_deadline(tmp_path):
    late = attempt(tmp_path, 0, 61, 61)  # the time it took to open the audio
    assert (late.result.code, late.service_responded) == ("timeout", False)


def test_time_spent_opening_the_audio_is_deducted_from_the_request_timeout(tmp_path):
    assert attempt(tmp_path, 0, 20, 20).result.message == "40"


def test_recreated_record_of_the_same_file_is_sent_under_another_name(tmp_path):
    first, repeated, recreated = (
        attempt(tmp_path, 0, 1, 1, service=NameReporter, now=NOW + timedelta(seconds=seconds)).result.message
        for seconds in (0, 0, 1)
    )
    assert first == repeated != recreated
    assert first.partition("-")[0] == recreated.partition("-")[0]  # the recording's id


def test_failed_attempt_still_returns_the_metadata_of_the_tags(tmp_path):
    comment = b"INFOICMT" + struct.pack("<I", 20) + b"caller=100;callee=1\0"
    sound = b"\0\0\0\x40" * 1000
    content = riff((b"fmt ", fmt(1, 1, 8000, 16)), (b"LIST", comment), (b"data", sound))
    tagged = attempt(tmp_path, 0, 1, 1, content=content)
    assert tagged.result.code == "sent"
    assert (tagged.recording.metadata.caller, tagged.recording.metadata.callee) == ("100", "1")
    assert attempt(tmp_path, 0, 1, 1).recording.metadata.non_empty() == {}
