"""What a recording's whole way asks AWS for, counted: `python -m benchmarks.stories` writes it to stories.json.

The real handlers run on the tables of template.yaml, each story once everything is warm. What a further recording of
the same run costs is the difference between a run with two and a run with one. Needs dynalite, which tells what was
read; tests/integration/test_stories.py tells the stories on moto, and compares all else with the file.
"""

import argparse
import io
import json
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import capacity
from benchmarks.ledger import Counting, Ledger, Table, logged

FILE = Path(__file__).with_name("stories.json")

SECONDS = 300
"""Of the call whose transcript is weighed."""
WORDS_A_SECOND = 2.5
WORDS_A_SEGMENT = 12
JSON = {"Content-Type": "application/json"}
MORE = 1
"""Recordings that one run has more than the other."""

COUNTS = ("requests", "writes", "hot")
"""What is the same on every emulator."""


@dataclass
class Stage:
    """`handlers` and `service` are those of the tests, `put` puts an object into the bucket of recordings.

    The transcripts are of calls that last so many `seconds`.
    """

    handlers: Any
    service: Any
    reply: Any
    put: Callable[[str, bytes], None]
    bucket: str
    counting: Counting
    seconds: float = SECONDS
    number: int = 0

    def new(self, how_many: int = 1, *, channels: int = 1) -> list[str]:
        """Puts new calls into the bucket, named as FreePBX does."""
        keys = []
        for _ in range(how_many):
            self.number += 1
            epoch = 1_795_012_210 + self.number
            keys.append(f"2026/11/18/in-2025550100-2025550143-20261118-093012-{epoch}.{self.number:03}.wav")
            self.put(keys[-1], wav(channels))
        return keys

    def queued(self, how_many: int = 1, *, channels: int = 1) -> None:
        self.new(how_many, channels=channels)
        self.handlers.sync()
        self.handlers.queue()

    def counted(self, run: Callable[..., Any], **event: Any) -> Ledger:
        with self.counting.counted() as ledger:
            run(**event)
        return ledger


def wav(channels: int = 1) -> bytes:
    """A second at 8 kHz in which every channel holds something of its own."""
    frames = b"".join(
        struct.pack("<h", (1 + channel) * (step % 64) * 200) for step in range(8000) for channel in range(channels)
    )
    sizes = 36 + len(frames), 1, channels, 8000, 16000 * channels, 2 * channels, 16
    file = io.BytesIO()
    file.write(
        struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", sizes[0], b"WAVE", b"fmt ", 16, *sizes[1:], b"data", len(frames))
    )
    file.write(frames)
    return file.getvalue()


def transcript(seconds: float) -> dict[str, Any]:
    """What WhisperX answers for a call in which all the time somebody speaks: segments, and words with their times."""
    words = [
        {
            "word": "recorded",
            "start": round(at / WORDS_A_SECOND, 3),
            "end": round((at + 0.9) / WORDS_A_SECOND, 3),
            "score": 0.873,
        }
        for at in range(int(seconds * WORDS_A_SECOND))
    ]
    segments = []
    for at in range(0, len(words), WORDS_A_SEGMENT):
        own = words[at : at + WORDS_A_SEGMENT]
        text = " ".join(each["word"] for each in own)
        segments.append({"start": own[0]["start"], "end": own[-1]["end"], "text": text, "words": own})
    return {"segments": segments, "language": "en"}


# the stories ---------------------------------------------------------------------------------------------------------


def sync(stage: Stage) -> dict[str, Ledger]:
    """A sweep with nothing new, one with a new file, one with more; and an upload that is told at once."""
    run = stage.handlers.sync
    run()
    told = {"sweep": stage.counted(run)}
    stage.new()
    one = stage.counted(run)
    stage.new(1 + MORE)
    told["sweep, each new"] = each_more(one, stage.counted(run))
    (key,) = stage.new()
    detail = {"bucket": {"name": stage.bucket}, "object": {"key": key}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    told["upload"] = stage.counted(run, **event)
    return told


def queue(stage: Stage) -> dict[str, Ledger]:
    """A run with nothing pending, and what each pending recording costs."""
    run = stage.handlers.queue
    run()
    told = {"queue": stage.counted(run)}
    stage.new()
    stage.handlers.sync()
    one = stage.counted(run)
    stage.new(1 + MORE)
    stage.handlers.sync()
    told["queue, each"] = each_more(one, stage.counted(run))
    return told


def process(stage: Stage) -> dict[str, Ledger]:
    """A run with nothing to do; one with a recording; what each further one costs, one after the other."""
    run = stage.handlers.process
    stage.handlers.overrides["RECORDINGS_PER_RUN"] = "1000"
    while run()["counts"].get("completed"):
        pass  # what the others have queued
    told = {"process": stage.counted(run)}
    stage.queued()
    one = told["asr"] = stage.counted(run)
    stage.queued(1 + MORE)
    told["asr, each more"] = each_more(one, stage.counted(run))
    stage.handlers.overrides["CHANNELS"] = "caller-left"
    stage.queued(channels=2)
    told["stereo"] = stage.counted(run)
    stage.handlers.overrides["CHANNELS"] = "mono"
    return told


def jobs(stage: Stage) -> dict[str, Ledger]:
    """A recording that a server takes as a job: sent, polled while it lasts, fetched."""
    run, under_way, done = (
        stage.handlers.process,
        {"status": "processing"},
        {"status": "completed", "result": transcript(stage.seconds)},
    )
    stage.handlers.overrides["WHISPERX_DIALECT"] = "tasks"
    job = {"identifier": "0d4f7a55-2b1c-4c4e-8f0f-6f5b7a8c9d0e", "message": "Task queued"}
    told = {}
    stage.queued()
    for name, answer in (("job, sent", job), ("job, polled", under_way), ("job, fetched", done)):
        stage.service.replies = [stage.reply(body=json.dumps(answer).encode(), headers=JSON)]
        told[name] = stage.counted(run)
        stage.handlers.pass_time(seconds=61)
    stage.handlers.overrides["WHISPERX_DIALECT"] = "asr"
    return told


def admin(stage: Stage) -> dict[str, Ledger]:
    """What the admin page asks for every ten seconds."""
    from testing.handlers import api_key

    key = api_key(stage.handlers.stack)

    def ask() -> None:
        assert stage.handlers.api("GET", "/api/call-recordings/status-summary", key=key).status == 200

    ask()
    return {"status summary": stage.counted(ask)}


def tell(stage: Stage) -> dict[str, Ledger]:
    """All of them, in an empty stack."""
    stage.service.replies = [stage.reply(body=json.dumps(transcript(stage.seconds)).encode())]
    told = sync(stage)
    for story in (queue, process, jobs, admin):
        told |= story(stage)
    return told


def each_more(one: Ledger, several: Ledger) -> Ledger:
    """What each of the MORE recordings costs that the one run had more than the other."""

    def share(name: str) -> Counter[str]:
        less, more = getattr(one, name), getattr(several, name)
        return Counter({key: (more[key] - less[key]) / MORE for key in more if more[key] != less[key]})

    numbers = {
        name: (getattr(several, name) - getattr(one, name)) / MORE
        for name in ("events", "log_lines", "log_bytes", "told")
    }
    return Ledger(**{name: share(name) for name in (*COUNTS, "reads")}, **numbers)


# what is stored ------------------------------------------------------------------------------------------------------


def stored(dynamodb: Any, s3: Any, tables: Mapping[str, Table], transcripts: str) -> dict[str, float]:
    """Bytes on the average: of a completed recording in the table and its indexes, of runs, calls and transcripts."""
    found: dict[str, list[tuple[int, int]]] = {}
    for name, table in tables.items():
        for item in dynamodb.scan(TableName=name)["Items"]:
            kind = table.name if table.name != "runs" else "calls" if "recording_id" in item else "runs"
            if kind != "recordings" or item["status"]["S"] == "completed":
                found.setdefault(kind, []).append(capacity.stored(table.indexes, item))
    answer = s3.list_objects_v2(Bucket=transcripts, Prefix="transcripts/")["Contents"]
    sizes = {}
    for kind in ("recordings", "runs", "calls"):
        for place, each in zip((kind, f"{kind}, indexes"), zip(*found[kind], strict=True), strict=True):
            sizes[place] = round(sum(each) / len(each))
    # a stereo call has the same twice
    return sizes | {"transcript, each minute": round(min(each["Size"] for each in answer) / SECONDS * 60)}


def main() -> None:
    import pytest

    from local.cloud.aws import serve_aws
    from local.cloud.client import aws_client
    from local.cloud.stack import deploy
    from testing.dynalite import declared_tables, on_dynalite, serve_dynalite, why_not
    from testing.handlers import Handlers
    from testing.scripted_service import Reply, ScriptedService

    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    if reason := why_not():
        parser.exit(1, f"{reason}\n")
    declared = declared_tables()
    template = Path(__file__).parents[1] / "template.yaml"
    with serve_aws() as endpoint, serve_dynalite() as database, pytest.MonkeyPatch.context() as patch:
        stack = on_dynalite(deploy(template, endpoint, {"WhisperXUrl": "http://127.0.0.1:9"}), database, declared)
        tables = {stack.tables[logical_id]: Table.declared(logical_id, declared[logical_id]) for logical_id in declared}
        service, s3 = ScriptedService(), aws_client("s3", endpoint)
        handlers = Handlers(stack, patch)
        handlers.overrides["WHISPERX_URL"] = service.url
        bucket = stack.buckets["RecordingsBucket"]
        stage = Stage(
            handlers=handlers,
            service=service,
            reply=Reply,
            put=lambda key, body: s3.put_object(Bucket=bucket, Key=key, Body=body),
            bucket=bucket,
            counting=Counting(tables),
        )
        with logged(Ledger()):  # not on the terminal
            told = tell(stage)
        sizes = stored(aws_client("dynamodb", database), s3, tables, stack.buckets["TranscriptsBucket"])
        service.stop()
    document = {"stories": {name: ledger.document() for name, ledger in told.items()}, "stored": sizes}
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for name, ledger in told.items():
        own = sum(ledger.writes[table.name] for table in tables.values())
        print(
            f"{name:18}{sum(ledger.requests.values()):7g} requests{sum(ledger.writes.values()):7g} write units "
            f"({own:g} of the tables, {ledger.told:g} by dynalite){sum(ledger.reads.values()):7g} read units"
            f"{ledger.log_bytes:8g} bytes of logs"
        )
    print(sizes)


if __name__ == "__main__":
    main()
