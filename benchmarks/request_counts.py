"""Count the requests of each step of a recording: `python -m benchmarks.request_counts`.

They are written to request_counts.json. The real handlers run on the tables of template.yaml, after a warm-up. The cost
of each further recording of a run is the difference between a run with two and a run with one. Needs dynalite, which
reports read units; tests/integration/test_request_counts.py runs the same steps on moto, and
compares the other counts with the file.
"""

import json
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from benchmarks.request_ledger import Ledger, RequestCounter, TableSpec, capture_logs
from benchmarks.write_units import stored_bytes

if TYPE_CHECKING:
    from testing.handlers import Handlers
    from testing.scripted_service import ScriptedService

RESULTS_FILE = Path(__file__).with_name("request_counts.json")

CALL_SECONDS = 300
"""Length of the calls whose transcripts are measured."""
WORDS_PER_SECOND = 2.5
WORDS_PER_SEGMENT = 12
JSON_HEADERS = {"Content-Type": "application/json"}

STABLE_COUNTS = ("requests", "writes")
"""Counts that are the same on every emulator."""


@dataclass
class RequestBench:
    """The handlers, the server that they send audio to, and `put`, which uploads an object to the recordings bucket.

    `seconds`: the length of the calls, which determines the size of the transcripts.
    """

    handlers: "Handlers"
    service: "ScriptedService"
    put: Callable[[str, bytes], None]
    bucket: str
    request_counter: RequestCounter
    seconds: float = CALL_SECONDS
    upload_count: int = 0

    def upload(self, count: int = 1, *, channels: int = 1) -> list[str]:
        """Upload new recordings, named as by FreePBX, and return their keys."""
        keys = []
        for _ in range(count):
            self.upload_count += 1
            epoch = 1_795_012_210 + self.upload_count
            keys.append(f"2026/11/18/in-2025550100-2025550143-20261118-093012-{epoch}.{self.upload_count:03}.wav")
            self.put(keys[-1], make_wav(channels))
        return keys

    def upload_and_queue(self, count: int = 1, *, channels: int = 1) -> None:
        self.upload(count, channels=channels)
        self.handlers.sync()
        self.handlers.queue()

    def reply(self, document: Mapping[str, Any]) -> None:
        """Set the server's response to all further requests."""
        from testing.scripted_service import Reply

        self.service.replies = [Reply(body=json.dumps(document).encode(), headers=JSON_HEADERS)]

    def count_run(self, run: Callable[..., Any], **event: Any) -> Ledger:
        with self.request_counter.count() as ledger:
            run(**event)
        return ledger


def make_wav(channels: int = 1) -> bytes:
    """Return a second of audio at 8 kHz, with a different signal on each channel."""
    from testing.made_audio import fmt, riff

    frames = b"".join(
        struct.pack("<h", (1 + channel) * (step % 64) * 200) for step in range(8000) for channel in range(channels)
    )
    return riff((b"fmt ", fmt(1, channels, 8000, 16)), (b"data", frames))


def make_transcript(seconds: float) -> dict[str, Any]:
    """Return WhisperX's response for a call without a pause: segments, and words with their times."""
    words = [
        {
            "word": "recorded",
            "start": round(index / WORDS_PER_SECOND, 3),
            "end": round((index + 0.9) / WORDS_PER_SECOND, 3),
            "score": 0.873,
        }
        for index in range(int(seconds * WORDS_PER_SECOND))
    ]
    segments = []
    for start in range(0, len(words), WORDS_PER_SEGMENT):
        segment_words = words[start : start + WORDS_PER_SEGMENT]
        text = " ".join(["recorded"] * len(segment_words))
        segments.append(
            {"start": segment_words[0]["start"], "end": segment_words[-1]["end"], "text": text, "words": segment_words}
        )
    return {"segments": segments, "language": "en"}


def make_batch(bucket: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the batch in which SQS delivers the events of uploaded files."""
    events = ({"detail": {"bucket": {"name": bucket}, "object": {"key": key}}} for key in keys)
    return {"Records": [{"messageId": f"{number}", "body": json.dumps(event)} for number, event in enumerate(events)]}


def measure_sync(bench: RequestBench) -> dict[str, Ledger]:
    """Count a scan with nothing new, each new file that a scan finds, and a batch of one uploaded file."""
    run = bench.handlers.sync
    run()
    nothing_new = bench.count_run(run)
    bench.upload()
    one = bench.count_run(run)
    bench.upload(2)
    two = bench.count_run(run)
    return {
        "scan": nothing_new,
        "scan, each new": two.difference(one),
        "upload": bench.count_run(run, **make_batch(bench.bucket, bench.upload())),
    }


def measure_batch(bench: RequestBench) -> dict[str, Ledger]:
    """Count each further uploaded file of a batch."""
    one, two = (
        bench.count_run(bench.handlers.sync, **make_batch(bench.bucket, bench.upload(count))) for count in (1, 2)
    )
    return {"upload, each more": two.difference(one)}


def measure_queue(bench: RequestBench) -> dict[str, Ledger]:
    """Count a run with nothing pending, and each pending recording."""
    run = bench.handlers.queue
    run()
    nothing_pending = bench.count_run(run)
    bench.upload()
    bench.handlers.sync()
    one = bench.count_run(run)
    bench.upload(2)
    bench.handlers.sync()
    return {"queue": nothing_pending, "queue, each": bench.count_run(run).difference(one)}


def measure_process(bench: RequestBench) -> dict[str, Ledger]:
    """Count a run with nothing to do, one with a recording, each further recording of a run, and a stereo call."""
    run = bench.handlers.process
    bench.handlers.overrides["RECORDINGS_PER_RUN"] = "1000"
    while run()["counts"].get("completed"):
        pass  # recordings queued by the previous steps
    nothing = bench.count_run(run)
    bench.upload_and_queue()
    one = bench.count_run(run)
    bench.upload_and_queue(2)
    each_more = bench.count_run(run).difference(one)
    bench.handlers.overrides["CHANNELS"] = "caller-left"
    bench.upload_and_queue(channels=2)
    stereo = bench.count_run(run)
    bench.handlers.overrides["CHANNELS"] = "mono"
    return {"process": nothing, "asr": one, "asr, each more": each_more, "stereo": stereo}


def measure_jobs(bench: RequestBench) -> dict[str, Ledger]:
    """Count a recording that the server accepts as a job: sending it, a poll while it runs, fetching the transcript."""
    bench.handlers.overrides["WHISPERX_DIALECT"] = "tasks"
    bench.upload_and_queue()
    counts = {}
    for name, reply in (
        ("job, sent", {"identifier": "0d4f7a55-2b1c-4c4e-8f0f-6f5b7a8c9d0e", "message": "Task queued"}),
        ("job, polled", {"status": "processing"}),
        ("job, fetched", {"status": "completed", "result": make_transcript(bench.seconds)}),
    ):
        bench.reply(reply)
        counts[name] = bench.count_run(bench.handlers.process)
        bench.handlers.advance_clock(seconds=61)
    bench.handlers.overrides["WHISPERX_DIALECT"] = "asr"
    return counts


def measure_admin_page(bench: RequestBench) -> dict[str, Ledger]:
    """Count what the admin page requests every ten seconds."""
    from testing.handlers import read_api_key

    key = read_api_key(bench.handlers.stack)  # read here, so that it is not counted

    def status_summary() -> None:
        assert bench.handlers.api("GET", "/api/call-recordings/status-summary", key=key).status == 200

    status_summary()
    return {"status summary": bench.count_run(status_summary)}


def measure_all(bench: RequestBench) -> dict[str, Ledger]:
    """Count all steps, in an empty stack."""
    bench.reply(make_transcript(bench.seconds))
    counts: dict[str, Ledger] = {}
    for measure in (measure_sync, measure_queue, measure_process, measure_jobs, measure_admin_page, measure_batch):
        counts |= measure(bench)
    return counts


def measure_storage(dynamodb: Any, s3: Any, tables: Mapping[str, TableSpec], transcripts: str) -> dict[str, float]:
    """Return the mean bytes of completed recordings, runs, server requests and their indexes, and of transcripts."""
    sizes_by_kind: dict[str, list[tuple[int, int]]] = {}
    for name, table in tables.items():
        for item in dynamodb.scan(TableName=name)["Items"]:
            kind = table.name if table.name != "runs" else "service requests" if "recording_id" in item else "runs"
            if kind != "recordings" or item["status"]["S"] == "completed":
                sizes_by_kind.setdefault(kind, []).append(stored_bytes(table.indexes, item))
    sizes: dict[str, float] = {}
    for kind in ("recordings", "runs", "service requests"):
        in_table, in_indexes = (round(mean(values)) for values in zip(*sizes_by_kind[kind], strict=True))
        sizes |= {kind: in_table, f"{kind}, indexes": in_indexes}
    objects = s3.list_objects_v2(Bucket=transcripts, Prefix="transcripts/")["Contents"]
    # not the largest, which is that of the stereo call and has the text twice
    return sizes | {"transcript, each minute": round(min(item["Size"] for item in objects) / CALL_SECONDS * 60)}


def main() -> None:
    import pytest

    from local.cloud.aws import serve_aws
    from local.cloud.client import aws_client
    from local.cloud.stack import deploy
    from testing.dynalite import ROOT, read_table_definitions, serve_dynalite, unavailable_reason, with_dynalite_tables
    from testing.handlers import Handlers
    from testing.scripted_service import ScriptedService

    if reason := unavailable_reason():
        sys.exit(reason)
    definitions = read_table_definitions()
    with serve_aws() as aws, serve_dynalite() as database, pytest.MonkeyPatch.context() as patch:
        stack = with_dynalite_tables(
            deploy(ROOT / "template.yaml", aws, {"WhisperXUrl": "http://127.0.0.1:9"}), database, definitions
        )
        tables = {stack.tables[name]: TableSpec.from_declaration(name, table) for name, table in definitions.items()}
        service, s3, bucket = ScriptedService(), aws_client("s3", aws), stack.buckets["RecordingsBucket"]
        handlers = Handlers(stack, patch)
        handlers.overrides["WHISPERX_URL"] = service.url

        def put(key: str, body: bytes) -> None:
            s3.put_object(Bucket=bucket, Key=key, Body=body)

        with capture_logs(Ledger()):  # keep the logs off the terminal
            counts = measure_all(RequestBench(handlers, service, put, bucket, RequestCounter(tables)))
        sizes = measure_storage(aws_client("dynamodb", database), s3, tables, stack.buckets["TranscriptsBucket"])
        service.stop()
    for name, ledger in counts.items():
        table_units = sum(ledger.writes[table.name] for table in tables.values())
        assert table_units == ledger.reported, (
            f"{name}: {table_units} write units of the tables, {ledger.reported} by dynalite"
        )
    document = {"steps": {name: ledger.to_dict() for name, ledger in counts.items()}, "stored": sizes}
    RESULTS_FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
