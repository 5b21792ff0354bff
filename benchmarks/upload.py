"""Memory and time of sending a large recording, from S3 and from a folder.

Compared with a bare GET and POST of the same bytes, in the same run. Each measurement, moto's S3 and the receiving
server have their own processes. Needs Linux.
"""

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.budgets import Row, compare
from benchmarks.process_stats import SPAWN_CONTEXT, memory_mb, reset_peak_memory, run_server

ROUNDS = 5
BUCKET, BIG, SMALL = "recordings", "big.wav", "small.wav"
RESPONSE_BODY = b'{"segments": [], "language": "en"}'


class DiscardingHandler(BaseHTTPRequestHandler):
    """Receives audio like a WhisperX server, and discards it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        remaining, buffer = int(self.headers["Content-Length"]), bytearray(1 << 20)
        while remaining:
            count = self.rfile.readinto(memoryview(buffer)[:remaining])
            assert count, "the request body was truncated"
            remaining -= count
        self.send_response(200)
        self.send_header("Content-Length", str(len(RESPONSE_BODY)))
        self.end_headers()
        self.wfile.write(RESPONSE_BODY)

    def log_message(self, *_: Any) -> None:
        pass


def serve_whisperx(addresses: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), DiscardingHandler)
    addresses.put(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def serve_s3(addresses: Any) -> None:
    from local.cloud.aws import serve_aws

    with serve_aws() as endpoint:
        addresses.put(endpoint)
        time.sleep(3600)


class SizedBody:
    """The body of an S3 response with its length, so that `requests` streams it with a Content-Length."""

    def __init__(self, response: Any) -> None:
        self.read = response["Body"].read
        self._length = response["ContentLength"]

    def __len__(self) -> int:
        return int(self._length)


def send_bare(location: str, name: str, url: str) -> None:
    """Send the audio with only a GET and a POST, with the product's block size: faster than the library's default."""
    import requests
    from requests.adapters import HTTPAdapter

    from callscribe import aws
    from callscribe.whisperx.client import UPLOAD_BLOCK_BYTES

    with ExitStack() as stack, requests.Session() as session:
        adapter = session.get_adapter(url)
        assert isinstance(adapter, HTTPAdapter)
        adapter.init_poolmanager(1, 1, blocksize=UPLOAD_BLOCK_BYTES)
        body: Any
        if location.startswith("s3://"):
            body = SizedBody(aws.client("s3").get_object(Bucket=BUCKET, Key=name))
        else:
            body = stack.enter_context(Path(location, name).open("rb"))
        session.post(url, data=body, timeout=600).raise_for_status()


def send_attempt(location: str, name: str, url: str) -> None:
    """Do what one attempt does with the audio."""
    from callscribe.settings.whisperx import Credentials, WhisperXSettings
    from callscribe.sources import open_source
    from callscribe.whisperx import Timeouts, connect
    from functions.process.audio.probe import probe

    source = open_source(location)
    with source.open(f"{source.prefix}{name}") as file, probe(file).open_if_audible() as audio:
        assert audio
        connect(WhisperXSettings(whisperx_url=url), Credentials("key")).send(audio, name, Timeouts(5, 600))


def measure_once(send: Callable[[str, str, str], None], location: str, url: str) -> tuple[float, float]:
    """Megabytes above what was resident before, and seconds; once everything is imported and connected."""
    send(location, SMALL, url)
    baseline_mb, started_at = reset_peak_memory(), time.perf_counter()
    send(location, BIG, url)
    return memory_mb("VmHWM") - baseline_mb, time.perf_counter() - started_at


def make_wav(size: int) -> bytes:
    """A WAV file with `size` bytes of sound."""
    from testing.made_audio import fmt, riff

    return riff((b"fmt ", fmt(1, 1, 8000, 16)), (b"data", b"\0\0\0\x20" * (size // 4)))


def measure(megabytes: int) -> list[Row]:
    from local.cloud.client import CREDENTIALS, REGION, aws_client

    with run_server(serve_s3) as endpoint, run_server(serve_whisperx) as url, tempfile.TemporaryDirectory() as folder:
        os.environ |= CREDENTIALS | {"AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": endpoint, "NO_PROXY": "*"}
        s3 = aws_client("s3", endpoint)
        s3.create_bucket(Bucket=BUCKET)
        for name, size in ((BIG, megabytes * 1_000_000), (SMALL, 10_000)):
            Path(folder, name).write_bytes(make_wav(size))
            s3.put_object(Bucket=BUCKET, Key=name, Body=make_wav(size))
        with ProcessPoolExecutor(1, mp_context=SPAWN_CONTEXT, max_tasks_per_child=1) as pool:
            rows = [*build_rows("S3", f"s3://{BUCKET}", url, pool), *build_rows("a folder", folder, url, pool)]
    return sorted(rows, key=lambda row: row.name)


def build_rows(source_name: str, location: str, url: str, pool: ProcessPoolExecutor) -> list[Row]:
    """Return the maximum memory and the minimum time of several rounds, which alternate for equal conditions."""

    def run_in_process(send: Callable[[str, str, str], None]) -> tuple[float, float]:
        return pool.submit(measure_once, send, location, url).result()

    rounds = [(run_in_process(send_bare), run_in_process(send_attempt)) for _ in range(ROUNDS)]
    bare_mb, attempt_mb = (max(mb for mb, _ in side) for side in zip(*rounds, strict=True))
    bare_seconds, attempt_seconds = (min(seconds for _, seconds in side) for side in zip(*rounds, strict=True))
    return [
        compare("upload.memory", attempt_mb, f"{bare_mb:.1f} MB", source_name),
        compare(
            "upload.time",
            attempt_seconds / bare_seconds,
            f"{attempt_seconds:.2f} s, bare {bare_seconds:.2f} s",
            source_name,
        ),
    ]
