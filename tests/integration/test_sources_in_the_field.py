"""What phone systems and buckets in the field really do, and what becomes of the recordings.

`python -m tests.integration.field_cases` prints these cases as a table, with what happened before.
"""

import json
import os
import struct
import time
from collections import Counter

import pytest

from testing.handlers import client
from testing.made_audio import encode, tone, wav

CALL = wav(tone(2.0, 8_000))
STEREO_CALL = wav(tone(2.0, 8_000, 300.0), tone(2.0, 8_000))
STEM = "2026/11/18/in-5550100-101-20261118-093012-1795012212.23"
KMS_ERROR = "User is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-central-1:123456789012:key/0"

PLACEHOLDERS = {
    "status": {"transcription": "pending"},
    "nested": {"metadata": {"transcription": "pending"}},
    "absent": {"transcript": "N/A"},
    "locale": {"transcription": "en-US"},
    "link": {"transcription": "https://api.example.com/v1/transcripts/123"},
    "object": {"transcript": {"text": "pending", "status": "in-progress"}},
}


def unfinished(seconds: float) -> bytes:
    """A WAV file as a phone system leaves it during the call: the sizes in the header are 0."""
    audio = wav(tone(seconds, 8_000))
    return audio[:4] + struct.pack("<I", 0) + audio[8:40] + struct.pack("<I", 0) + audio[44:]


@pytest.fixture
def folder(handlers, tmp_path):
    """Writes old files into the folder of recordings."""
    handlers.overrides["RECORDINGS_PATH"] = f"{tmp_path}/"

    def write(name, body):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (time.time() - 3600,) * 2)
        return path

    return write


@pytest.fixture
def describe(handlers, service, record_property):
    """Says what became of all recordings, and records it as the outcome of the case."""

    def describe(extra=""):
        items = handlers.api("GET", "/api/call-recordings", query="limit=500").json["items"]
        states = Counter(
            f"{item['transcriptionStatus']}, attempts {item['attempts']}"
            + (f", {item['error']['code']}" if item["error"] else "")
            for item in items
        )
        outage = handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]
        outcome = "; ".join(
            [
                *(f"{count} x {state}" for state, count in sorted(states.items())),
                f"sent {len(service.received)}",
                *([f"paused: {outage['code']}"] if outage else []),
                *([extra] if extra else []),
            ]
        )
        record_property("outcome", outcome)
        return outcome

    return describe


def test_placeholder_in_a_sidecar_is_no_transcript(handlers, folder, describe):
    for name, document in PLACEHOLDERS.items():
        folder(f"{name}.wav", CALL)
        folder(f"{name}.json", json.dumps({"callId": "17"} | document).encode())
    handlers.sync_and_queue()
    for _ in PLACEHOLDERS:
        handlers.after(minutes=1).process()
    assert describe() == "6 x completed, attempts 1; sent 6"


def test_upload_of_a_call_in_progress_waits_for_its_end(handlers, put, describe):
    put(f"{STEM}.wav", unfinished(1.0))
    handlers.transcribe()
    put(f"{STEM}.wav", CALL)
    handlers.after(minutes=5).transcribe()
    (item,) = handlers.api("GET", "/api/call-recordings").json["items"]
    extra = f"{item['audio']['duration']} of 2.0 seconds"
    assert describe(extra) == "1 x completed, attempts 1; sent 1; 2.0 of 2.0 seconds"


def test_bucket_whose_kms_key_refuses_costs_no_attempt(handlers, put, refuse, describe):
    put("kms/call.wav", CALL)
    handlers.sync_and_queue()
    refuse("kms", message=KMS_ERROR)
    for _ in range(6):
        handlers.after(minutes=30).process()
    assert describe() == "1 x queued, attempts 0, access_denied; sent 0; paused: access_denied"


def test_archived_object_is_counted(handlers, stack, describe):
    bucket = stack.buckets["RecordingsBucket"]
    client("s3", stack.endpoint).put_object(Bucket=bucket, Key="cold.wav", Body=CALL, StorageClass="GLACIER")
    counts = handlers.sync()["counts"]
    handlers.queue()
    handlers.process()
    assert describe(f"archived: {counts.get('archived')}") == "sent 0; archived: 1"


def test_direction_decides_who_is_the_agent(handlers, put, service, reply, describe):
    service.choose_reply = lambda received: reply(
        body=json.dumps({"segments": [{"start": 0.1, "end": 0.9, "text": received.channel}], "language": "en"}).encode()
    )
    name = "usr/local/freeswitch/recordings/1001_5551234567_17-05-2026_14:25:30.wav"
    put(name, STEREO_CALL)
    handlers.transcribe()
    (item,) = handlers.api("GET", "/api/call-recordings").json["items"]
    document = handlers.api("GET", f"/api/call-recordings/{item['id']}/transcript").json
    speakers = {segment["channel"]: segment["speaker"] for segment in document["segments"]}
    outcome = describe(f"left {speakers.get('left')}, right {speakers.get('right')}")
    assert outcome == "1 x completed, attempts 1; sent 2; left agent, right caller"


def test_converted_file_is_the_same_call(handlers, folder, describe):
    old = folder(f"{STEM}.wav", CALL)
    handlers.transcribe()
    folder(f"{STEM}.mp3", encode("mp3", tone(2.0, 16_000)))
    old.unlink()
    handlers.after(hours=1).transcribe()
    assert describe() == "1 x completed, attempts 1; sent 1"


def test_time_in_the_name_of_a_call_answered_late_is_right(handlers, folder, describe):
    for local_time in ("180000", "180159", "180500", "180730", "181500", "183010"):
        folder(f"20251104{local_time}-1762254000_106001-+66819970136-104-Inbound.wav", CALL)
    handlers.sync()
    items = handlers.api("GET", "/api/call-recordings").json["items"]
    times = Counter(item["recordedAt"] for item in items)
    offsets = Counter(str(item["utcOffset"]) for item in items)
    extra = f"recordedAt {dict(sorted(times.items()))}, utcOffset {dict(sorted(offsets.items()))}"
    expected = "recordedAt {'2025-11-04T11:00:00Z': 6}, utcOffset {'+07:00': 2, 'None': 4}"
    assert describe(extra) == f"6 x pending, attempts 0; sent 0; {expected}"
