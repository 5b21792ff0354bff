"""Transcribes a call with crosstalk at several levels, and prints who is said to have spoken each sentence.

    .venv/bin/python -m tests.e2e.crosstalk

The recording is decoded, split and sent by the code of the process function to a server on loopback, and its responses
are merged by that code. `testing/crosstalk.py` says how the call is made, and from what the server derives its answers.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import soxr

from callscribe.recordings import transitions
from callscribe.settings.process import ProcessSettings
from callscribe.settings.whisperx import Credentials, WhisperXSettings
from callscribe.store import transcripts
from callscribe.transcripts.stereo import ChannelLayout
from callscribe.whisperx import connect
from functions.process.tracks import TrackTranscriber
from functions.process.transcription import Transcriber
from testing.crosstalk import CALL, RATE, heard, speakers_of, two_channels, word_error_rate
from testing.made_audio import FORMATS, encode, wav
from testing.scripted_service import Reply, ScriptedService

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEAKS = (None, -15.0, -20.0, -25.0, -30.0, -35.0, -40.0, -45.0)


def calls() -> Iterator[tuple[str, str, bytes]]:
    """Yield a description, a file name and the content of each call."""
    for leak in LEAKS:
        name = "no leak" if leak is None else f"leak of {leak:.0f} dB"
        yield name, "call.wav", wav(*two_channels(leak))
    for delay in (0.05, 0.15, 0.3):
        yield f"leak of -25 dB, {delay * 1000:.0f} ms later", "call.wav", wav(*two_channels(-25, delay=delay))
    for application in ("audio", "lowdelay"):  # other codecs within Opus: each leaks differently
        for leak in (None, -25.0):
            name = "no leak" if leak is None else f"leak of {leak:.0f} dB"
            yield f"{name}, Opus 24 kbit/s, {application}", "call.ogg", opus(*two_channels(leak), application)
    for leak in (None, -40.0):
        name = "no leak" if leak is None else f"leak of {leak:.0f} dB"
        yield f"{name}, caller 30 dB quieter", "call.wav", wav(*two_channels(leak, caller_db=-30))


def opus(caller: Any, agent: Any, application: str) -> bytes:
    rate = FORMATS["ogg"][2]
    channels = (soxr.resample(channel, RATE, rate) for channel in (caller, agent))
    return encode("ogg", *channels, b="24000", application=application)


@contextmanager
def whisper(*, word_times: bool) -> Iterator[str]:
    """Yield the URL of a server that answers what can be heard in the audio that it receives."""
    service = ScriptedService()
    service.choose_reply = lambda request: Reply(
        body=json.dumps(heard(request.body, word_times=word_times)).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        yield service.url
    finally:
        service.stop()


def transcribe(name: str, content: bytes, *, word_times: bool = True, keep_echo: bool = False) -> dict[str, Any]:
    """Return the document that the process function stores. `keep_echo`: as if levels had not been measured."""
    documents: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        whisper(word_times=word_times) as url,
        patch.object(transcripts, "put", lambda *arguments: documents.append(arguments[-1])),
        patch.object(TrackTranscriber, "load_levels", (lambda _: None) if keep_echo else TrackTranscriber.load_levels),
    ):
        path = Path(folder, name)
        path.write_bytes(content)
        key = str(path).lstrip("/")
        recording = transitions.create("file://", key, size=len(content), etag=None, modified_at=NOW, now=NOW)
        settings = ProcessSettings(
            whisperx_url=url,
            transcripts_bucket="bucket",
            whisperx_secret="secret",
            channels=ChannelLayout.CALLER_LEFT,
        )
        service = connect(WhisperXSettings(whisperx_url=url), Credentials(""))
        connection: Any = SimpleNamespace(open=lambda _log_request: service)
        Transcriber(settings, connection, lambda: NOW).attempt(recording, NOW + timedelta(minutes=10), [])
    (document,) = documents
    return document


def main() -> None:
    initials = {"caller": "C", "agent": "A"}
    print("Each column is a sentence; below it, under whom it appears: A(gent), C(aller).\n")
    print(f"{'':52}{'words':>7}{'WER':>13}{'':3}" + " ".join(f"{initials[each.speaker]:2}" for each in CALL))
    for description, name, content in calls():
        for word_times in (True, False):
            documents = [
                transcribe(name, content, word_times=word_times, keep_echo=keep_echo) for keep_echo in (True, False)
            ]
            before, after = map(word_error_rate, documents)
            speakers = " ".join(
                f"{''.join(sorted(initials[speaker] for speaker in each)):2}" for each in speakers_of(documents[1])
            )
            times = "timed" if word_times else "untimed"
            print(f"{description:50}{times:>9}{before:>7.0%} ->{after:>4.0%}   {speakers}")
    print("\nThe sentences:")
    for sentence in CALL:
        print(f"  {sentence.start:5.1f} s  {sentence.speaker:6}  {sentence.text}")


if __name__ == "__main__":
    main()
