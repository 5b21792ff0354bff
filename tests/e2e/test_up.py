"""`python -m local up`: the whole stack, with real speech through a real recogniser."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from callscribe.clock import utc_now
from callscribe.settings.whisperx import DIALECTS
from testing.waiting import LIMIT_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
HOUR = 3600
RUN_SECONDS = 5 * LIMIT_SECONDS
"""A whole run, from an empty stack to the last transcript."""


@contextmanager
def local(*arguments: str, module: str = "local") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def run(*arguments: str) -> tuple[int, str]:
    with local(*arguments) as process:
        output, _ = process.communicate(timeout=RUN_SECONDS)
    return process.returncode, output


@pytest.fixture
def folder(tmp_path, samples):
    """A folder of one's own, with one recording that has rested for an hour."""
    file = tmp_path / "calls" / "2025550143 hello.wav"
    file.parent.mkdir()
    shutil.copy(next(samples.glob("in-*0143-*.wav")), file)
    an_hour_ago = utc_now().timestamp() - HOUR
    os.utime(file, (an_hour_ago, an_hour_ago))
    return file.parent


@contextmanager
def recogniser(key: str, dialect: str = "asr") -> Iterator[str]:
    """Another server than the built-in one."""
    options = ("--port", "0", "--api-key", key, "--dialect", dialect)
    with local(*options, module="local.recogniser") as process:
        assert process.stdout
        yield process.stdout.readline().split()[-1]


def test_the_samples_are_transcribed_and_the_words_were_spoken(samples, tmp_path):
    status, output = run("up", "--samples", "--once", "--json", str(tmp_path / "out.json"))
    assert status == 0, output
    recordings = {Path(each["path"]).name: each for each in json.loads((tmp_path / "out.json").read_text())}
    expected = json.loads((samples / "expected.json").read_text())
    assert recordings.keys() == {name for name in expected if (samples / name).exists()}
    for name, words in expected.items():
        if name not in recordings:
            continue
        each = recordings[name]
        assert (each["status"], each["attempts"], each["error"]) == ("completed", 1, None)
        assert each["transcript"]["noSpeech"] is not bool(words)
        assert set(words) <= set(re.findall(r"\w+", each["transcript"]["text"])), name
        way = [line.split()[1] for line in output.splitlines() if name in line]
        assert way == ["pending", "queued", "processing", "completed"]
    (stereo,) = (each for each in recordings.values() if each["metadata"]["audio"]["channels"] == 2)
    segments = stereo["transcript"]["segments"]
    assert [each["speaker"] for each in segments] == ["agent", "caller", "agent", "caller"]
    assert [each["start"] for each in segments] == sorted(each["start"] for each in segments)
    assert "hotel room" in segments[1]["text"]
    assert f"{len(recordings)} of {len(recordings)} recordings completed." in output
    for log in (ROOT / ".callscribe" / "logs").glob("*.log"):
        text = log.read_text()
        for planted in ("2025550", "good morning", "Bearer"):
            assert planted not in text, log.name


@pytest.mark.slow
def test_what_cannot_be_decoded_ends_as_failed_and_is_named(tmp_path):
    status, output = run("up", "--samples", "--broken", "--once", "--json", str(tmp_path / "out.json"))
    assert status == 1
    failed = [each for each in json.loads((tmp_path / "out.json").read_text()) if each["status"] != "completed"]
    assert [each["status"] for each in failed] == ["failed"]
    assert failed[0]["attempts"] == 5
    assert failed[0]["error"]["code"] == "service_error"
    assert failed[0]["metadata"]["nextAttemptAt"] is None
    name = Path(failed[0]["path"]).name
    assert re.search(rf"^failed: {re.escape(name)}: The service failed \(500\)", output, re.MULTILINE)
    assert "6 of 7 recordings completed." in output


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_folder_of_ones_own_goes_through_a_server_of_ones_own(folder, tmp_path, dialect):
    with recogniser("own-key", dialect) as url:
        status, output = run(
            "up", "--recordings", str(folder), "--whisperx", url, "--dialect", dialect, "--api-key", "own-key",
            "--once", "--json", str(tmp_path / "out.json"),
        )  # fmt: skip
    assert status == 0, output
    (each,) = json.loads((tmp_path / "out.json").read_text())
    assert each["path"] == str(folder / "2025550143 hello.wav")
    assert "hotel" in each["transcript"]["text"]
    assert each["transcript"]["origin"]["dialect"] == dialect
    assert "own-key" not in output + "".join(log.read_text() for log in (ROOT / ".callscribe/logs").glob("*.log"))


@pytest.mark.slow
def test_a_key_that_is_refused_ends_in_order_and_costs_no_attempt(folder, tmp_path):
    with recogniser("own-key") as url:
        status, output = run(
            "up", "--recordings", str(folder), "--whisperx", url, "--api-key", "wrong", "--once",
            "--json", str(tmp_path / "out.json"),
        )  # fmt: skip
    assert status == 1
    assert re.search(r"rejected the API key \(401\).*\(See --api-key\.\)", output)
    assert "none is lost" in output
    (each,) = json.loads((tmp_path / "out.json").read_text())
    assert (each["status"], each["attempts"]) == ("queued", 0)
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_server_that_is_busy_at_first_is_waited_for_and_costs_no_attempt(folder, tmp_path, service, reply):
    service.replies = [reply(status=503, headers={"Retry-After": "2"}), reply()]
    out = tmp_path / "out.json"
    status, output = run("up", "--recordings", str(folder), "--whisperx", service.url, "--once", "--json", str(out))
    assert status == 0, output
    assert output.count("Retrying.") == 1
    (each,) = json.loads(out.read_text())
    assert (each["status"], each["attempts"]) == ("completed", 1)
    assert len(service.received) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "COMMAND"),
        (["up"], "--samples --recordings is required"),
        (["up", "--recordings", "/no/such/folder"], "this folder does not exist"),
        (["up", "--recordings", __file__], "this is a file"),
        (["up", "--recordings", "s3://bucket/"], "needs --aws-endpoint"),
        (["up", "--samples", "--whisperx", "host:9000"], "--whisperx must be a URL"),
        (["up", "--samples", "--dialect", "klingon"], "invalid choice"),
        (["up", "--samples", "--json", "/no/folder/out.json"], "does not exist"),
        (["up", "--samples", "--port", "99999"], "must be a number below 65536"),
        (["up", "--samples", "--aws-endpoint", "http://127.0.0.1:9"], "Could not connect"),
        (["invoke", "sync", "--event", "/no/event.json"], "cannot read it"),
        (["invoke", "sync"], "No stack is running"),
        (["up", "--samples", "--json", "/"], "this is a folder"),
        (["up", "--samples", "--api-key", 'a"b'], "--api-key must be printable ASCII"),
        (["up", "--recordings", "~nobody-of-this-name/calls"], "home directory"),
    ],
)
def test_a_command_that_cannot_be_meant_says_so(arguments, says):
    status, output = run(*arguments)
    assert status == 2
    assert says in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_the_stack_stays_up_serves_its_api_and_ends_on_a_signal(folder):
    with local("up", "--recordings", str(folder)) as process:
        assert process.stdout
        said = ""
        while " completed " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        key, url = re.search(r"Bearer (\w+)\" (http://[\d.:]+)/api", said).groups()
        auth = {"Authorization": f"Bearer {key}"}

        def call(method, path, **options):
            return requests.request(method, f"{url}{path}", headers=auth, timeout=LIMIT_SECONDS, **options)

        assert requests.get(f"{url}/health", timeout=LIMIT_SECONDS).json() == {"status": "ok"}
        assert requests.get(f"{url}/api/call-recordings", timeout=LIMIT_SECONDS).status_code == 401
        (item,) = call("GET", "/api/call-recordings").json()["items"]
        path = f"/api/call-recordings/{item['id']}"
        assert "hotel" in call("GET", f"{path}/transcript?format=txt").text
        run_now = call("POST", "/api/call-recordings/sync")
        assert (run_now.status_code, run_now.json()["counts"]["listed"]) == (200, 1)
        assert run_now.json()["trigger"] == "api"
        tested = call("POST", "/api/modules/whisperx/test").json()
        assert tested["ok"], tested
        (exchange,) = call("GET", "/api/transcription-calls").json()["items"]
        assert (exchange["recordingId"], exchange["status"]) == (item["id"], 200)
        outside = call("POST", "/api/call-recordings/sync?recordingsPath=/etc")
        assert (outside.status_code, outside.json()["error"]["code"]) == (400, "invalid_path")
        form = auth | {"Content-Type": "application/x-www-form-urlencoded"}  # as `curl -d` sends it
        accepted = requests.post(f"{url}{path}/transcribe", headers=form, data='{"force": true}', timeout=LIMIT_SECONDS)
        assert accepted.status_code == 202
        wait_until(lambda: call("GET", path).json()["transcript"]["version"] != item["transcript"]["version"])
        # at once, and not with the next schedule
        runs = "/api/scheduler/runs?task=process_transcription&trigger=api&status=succeeded"
        (started,) = wait_until(lambda: call("GET", runs).json()["items"])
        assert started["counts"]["completed"] == 1
        status, output = run("invoke", "queue")
        assert (status, json.loads(output)["task"]) == (0, "queue_transcriptions")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0
    assert "1 of 1 recordings completed." in rest
    assert "Traceback" not in rest
