"""One attempt on one recording keeps to the time that its run has."""

import struct
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from callscribe.errors import RetryableError
from callscribe.recordings import state_machine
from callscribe.settings.process import ProcessSettings
from callscribe.transcripts.stereo import MONO
from functions.process.transcription import Transcriber
from testing.made_audio import fmt, riff

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Failing:
    """Fails with the time that it was given."""

    def send(self, _audio, _name, timeouts, **_again):
        raise RetryableError(f"{timeouts.total:.0f} seconds were left", code="sent")


class Telling:
    """Fails with the name that it was given."""

    def send(self, _audio, name, _timeouts, **_again):
        raise RetryableError(name, code="sent")


def ended(folder, *times, service=Failing, now=NOW, content=b"x" * 100):
    """An attempt that has a minute, as it ends when the clock tells these seconds one after another."""
    clock = iter(NOW + timedelta(seconds=each) for each in times)
    (folder / "a.wav").write_bytes(content)
    key = f"{folder}/a.wav".lstrip("/")
    recording = state_machine.create("file://", key, size=len(content), etag=None, modified_at=NOW, now=now)
    settings = ProcessSettings(
        whisperx_url="http://127.0.0.1:9", transcripts_bucket="bucket", whisperx_secret="secret", channels=MONO
    )
    connection: Any = SimpleNamespace(open=lambda _log_request: service())
    transcriber = Transcriber(settings, connection, lambda: next(clock))
    return transcriber.attempt(recording, NOW + timedelta(seconds=60), [])


def test_nothing_is_sent_once_the_time_is_up(tmp_path):
    late = ended(tmp_path, 0, 61, 61)  # opening the audio took so long
    assert (late.result.code, late.service_responded) == ("timeout", False)


def test_what_opening_the_audio_took_is_missing_from_the_time_for_the_service(tmp_path):
    assert ended(tmp_path, 0, 20, 20).result.message == "40 seconds were left"


def test_a_new_record_of_the_same_file_is_sent_under_another_name(tmp_path):
    former, again, later = (
        ended(tmp_path, 0, 1, 1, service=Telling, now=NOW + timedelta(seconds=each)).result.message
        for each in (0, 0, 1)
    )
    assert former == again != later
    assert former.partition("-")[0] == later.partition("-")[0]  # the recording's id


def test_what_the_file_says_of_the_call_is_told_even_where_the_attempt_failed(tmp_path):
    words = b"INFOICMT" + struct.pack("<I", 20) + b"caller=100;callee=1\0"
    content = riff((b"fmt ", fmt(1, 1, 8000, 16)), (b"LIST", words), (b"data", bytes(1000)))
    attempt = ended(tmp_path, 0, 1, 1, content=content)
    assert attempt.result.code == "sent"
    assert (attempt.recording.metadata.caller, attempt.recording.metadata.callee) == ("100", "1")
    assert ended(tmp_path, 0, 1, 1).recording.metadata.non_empty() == {}
