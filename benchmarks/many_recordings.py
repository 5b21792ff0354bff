"""Recordings in every status, and a day of runs, written into the tables as the handlers would have left them."""

import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

from benchmarks import bucket

FAILED, QUEUED, PENDING = 0.03, 0.01, 0.005
"""Parts of them that are not completed."""
ERRORS = (("not_audio", 415), ("service_error", 500), ("rejected", 422), ("timeout", None), ("connection_broken", None))
RUNS = 24 * 60
"""One of process for each minute of a day."""
PREVIEW = "Good morning. How can I help you? I want to change my hotel room. When will you arrive? "


def seed(location: str, number: int, of: int, seeders: int) -> int:
    """Writes every so manieth recording, from this one on, as the handlers would have left it; how many."""
    from callscribe.recording import source_hash
    from callscribe.store import models, recordings
    from local.cloud.client import aws_client

    models.bind(os.environ)
    dynamodb = aws_client("dynamodb", os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    mine = bucket.keys(number)[of::seeders]
    chance, now = random.Random(of), datetime.now(UTC)  # noqa: S311 — the same ones each time
    for batch in batched(mine, 25, strict=False):
        requests = []
        for key in batch:
            made = recording(location, key, chance, now)
            model = models.RecordingModel(
                source_hash=source_hash(location),
                **recordings._attributes(made),  # noqa: SLF001 — `add` is one request for each
            )
            requests.append({"PutRequest": {"Item": model.serialize()}})
        answer = dynamodb.batch_write_item(RequestItems={os.environ["RECORDINGS_TABLE"]: requests})
        assert not answer["UnprocessedItems"]
    return len(mine)


def recording(location: str, key: str, chance: random.Random, now: datetime) -> Any:
    """In one of the statuses, which it came into when the call was over."""
    from callscribe import phone_systems, transitions
    from callscribe.clock import iso
    from callscribe.recording import AudioInfo, Failure, Status, TranscriptRef

    metadata = phone_systems.read(key)
    spoken = float(int(key.rpartition("-")[2].partition(".")[0]))
    at = datetime.fromtimestamp(spoken, UTC)
    made = transitions.new(
        location, key, size=chance.randrange(40_000, 4_000_000), etag="0" * 32, modified_at=at, now=at,
        metadata=metadata, recorded_at=at,
    )  # fmt: skip
    duration = made.size / 16_000
    made = replace(made, audio=AudioInfo(codec="pcm_s16le", duration=duration, sample_rate=8000, channels=1))
    which = chance.random()
    if which < PENDING:
        return made
    if which < PENDING + QUEUED:
        line = transitions.queued_position(now, iso(at))
        return replace(made, status=Status.QUEUED, position=line, queue_position=line, status_since=now)
    if which < PENDING + QUEUED + FAILED:
        code, status = chance.choice(ERRORS)
        error = Failure(code=code, message=f"What {code} is, in words.", at=at, retryable=False, status=status)
        place = transitions.final_position(at)
        return replace(made, status=Status.FAILED, position=place, status_since=at, attempts=5, error=error)
    stored = TranscriptRef(
        version=f"{at:%Y%m%dT%H%M%S}000000-0a1b2c",
        language="en",
        duration=duration,
        preview=PREVIEW * 2,
        no_speech=False,
    )
    done = at + timedelta(minutes=1)
    return replace(made, status=Status.COMPLETED, position=iso(done), status_since=done, attempts=1, transcript=stored)


def seed_runs() -> None:
    """Writes a day of runs of process, and counts the completed once, as such a run does."""
    from callscribe.run import Outcome, Run, Task
    from callscribe.store import counts, models, runs

    models.bind(os.environ)
    now = datetime.now(UTC)
    for minute in range(RUNS):
        at = now - timedelta(minutes=minute, seconds=5)
        done = {"claimed": 1, "completed": 1, "audio_seconds": 90}
        runs.save(
            Run(
                id=runs.new_id(at), task=Task.PROCESS, trigger="schedule", started_at=at, ends_by=at,
                outcome=Outcome.SUCCEEDED, finished_at=at + timedelta(seconds=3), counts=done,
            )
        )  # fmt: skip
    counts.advance_checkpoint(now)
