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
"""The limit for a whole run, from an empty stack to the last transcript."""


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
    """A recordings folder with one recording, unchanged for an hour."""
    file = tmp_path / "calls" / "2025550143 hello.wav"
    file.parent.mkdir()
    shutil.copy(next(samples.glob("in-*0143-*.wav")), file)
    an_hour_ago = utc_now().timestamp() - HOUR
    os.utime(file, (an_hour_ago, an_hour_ago))
    return file.parent


@contextmanager
def recogniser(key: str, dialect: str = "asr") -> Iterator[str]:
    """A recogniser that `up` did not start."""
    options = ("--port", "0", "--api-key", key, "--dialect", dialect)
    with local(*options, module="local.recogniser") as process:
        assert process.stdout
        yield process.stdout.readline().split()[-1]


def test_samples_are_transcribed_with_the_expected_words(samples, tmp_path):
    status, output = run("up", "--samples", "--once", "--json", str(tmp_path / "out.json"))
    assert status == 0, output
    results = json.loads((tmp_path / "out.json").read_text())
    recordings = {Path(recording["path"]).name: recording for recording in results}
    expected = json.loads((samples / "expected.json").read_text())
    assert recordings.keys() == {name for name in expected if (samples / name).exists()}
    for name, words in expected.items():
        if name not in recordings:
            continue
        recording = recordings[name]
        assert (recording["status"], recording["attempts"], recording["error"]) == ("completed", 1, None)
        assert recording["transcript"]["noSpeech"] is not bool(words)
        assert set(words) <= set(re.findall(r"\w+", recording["transcript"]["text"])), name
        statuses = [text.split()[1] for text in output.splitlines() if name in text]
        assert statuses == ["pending", "queued", "processing", "completed"]
    (stereo,) = (recording for recording in recordings.values() if recording["metadata"]["audio"]["channels"] == 2)
    segments = stereo["transcript"]["segments"]
    assert [segment["speaker"] for segment in segments] == ["agent", "caller", "agent", "caller"]
    assert [segment["start"] for segment in segments] == sorted(segment["start"] for segment in segments)
    assert "hotel room" in segments[1]["text"]
    assert f"{len(recordings)} of {len(recordings)} recordings completed." in output
    for log in (ROOT / ".callscribe" / "logs").glob("*.log"):
        text = log.read_text()
        for private in ("2025550", "good morning", "Bearer"):
            assert private not in text, log.name


@pytest.mark.slow
def test_undecodable_recording_fails_and_is_named(tmp_path):
    status, output = run("up", "--samples", "--broken", "--once", "--json", str(tmp_path / "out.json"))
    assert status == 1
    results = json.loads((tmp_path / "out.json").read_text())
    (failed,) = (recording for recording in results if recording["status"] != "completed")
    assert (failed["status"], failed["attempts"], failed["error"]["code"]) == ("failed", 5, "service_error")
    assert failed["metadata"]["nextAttemptAt"] is None
    name = Path(failed["path"]).name
    assert re.search(rf"^failed: {re.escape(name)}: The WhisperX server failed \(500\)", output, re.MULTILINE)
    assert "6 of 7 recordings completed." in output


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_users_folder_is_transcribed_by_the_users_server(folder, tmp_path, dialect):
    with recogniser("own-key", dialect) as url:
        status, output = run(
            "up", "--recordings", str(folder), "--whisperx", url, "--dialect", dialect, "--api-key", "own-key",
            "--once", "--json", str(tmp_path / "out.json"),
        )  # fmt: skip
    assert status == 0, output
    (recording,) = json.loads((tmp_path / "out.json").read_text())
    assert recording["path"] == str(folder / "2025550143 hello.wav")
    assert "hotel" in recording["transcript"]["text"]
    assert recording["transcript"]["producedBy"]["dialect"] == dialect
    assert "own-key" not in output + "".join(log.read_text() for log in (ROOT / ".callscribe/logs").glob("*.log"))


@pytest.mark.slow
def test_rejected_key_is_reported_and_costs_no_attempt(folder, tmp_path):
    with recogniser("own-key") as url:
        status, output = run(
            "up", "--recordings", str(folder), "--whisperx", url, "--api-key", "wrong", "--once",
            "--json", str(tmp_path / "out.json"),
        )  # fmt: skip
    assert status == 1
    assert re.search(r"rejected the API key \(401\).*\(See --api-key, --header\.\)", output)
    assert "run the command again to start over" in output
    (recording,) = json.loads((tmp_path / "out.json").read_text())
    assert (recording["status"], recording["attempts"]) == ("queued", 0)
    assert "Traceback" not in output


@pytest.mark.slow
def test_server_that_is_busy_at_first_costs_no_attempt(folder, tmp_path, service, reply):
    service.replies = [reply(status=503, headers={"Retry-After": "2"}), reply()]
    out = tmp_path / "out.json"
    status, output = run("up", "--recordings", str(folder), "--whisperx", service.url, "--once", "--json", str(out))
    assert status == 0, output
    assert output.count("Retrying for up to") == 1
    (recording,) = json.loads(out.read_text())
    assert (recording["status"], recording["attempts"]) == ("completed", 1)
    assert [received.method for received in service.received].count("POST") == 2  # the others are connection tests


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["up"], "--samples --recordings is required"),
        (["up", "--recordings", "/no/such/folder"], "this folder does not exist"),
        (["up", "--samples", "--aws-endpoint", "http://127.0.0.1:9"], "Could not connect"),
        (["invoke", "sync", "--event", "/no/event.json"], "cannot read it"),
        (["invoke", "sync"], "No stack is running"),
    ],
)
def test_invalid_command_has_a_message(arguments, message):
    status, output = run(*arguments)
    assert status == 2
    assert message in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_stack_keeps_running_serves_its_api_and_stops_on_ctrl_c(folder):
    with local("up", "--recordings", str(folder)) as process:
        assert process.stdout
        output = ""
        while " completed " not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        key, url = re.search(r"Bearer (\w+)\" (http://[\d.:]+)/api", output).groups()
        auth = {"Authorization": f"Bearer {key}"}

        def request(method, path, **options):
            return requests.request(method, f"{url}{path}", headers=auth, timeout=LIMIT_SECONDS, **options)

        assert requests.get(f"{url}/health", timeout=LIMIT_SECONDS).json() == {"status": "ok"}
        assert requests.get(f"{url}/api/call-recordings", timeout=LIMIT_SECONDS).status_code == 401
        (item,) = request("GET", "/api/call-recordings").json()["items"]
        path = f"/api/call-recordings/{item['id']}"
        assert "hotel" in request("GET", f"{path}/transcript?format=txt").text
        run_now = request("POST", "/api/call-recordings/sync")
        assert (run_now.status_code, run_now.json()["counts"]["listed"]) == (200, 1)
        assert run_now.json()["trigger"] == "api"
        tested = request("POST", "/api/modules/whisperx/test").json()
        assert tested["ok"], tested
        (service_request,) = request("GET", "/api/transcription-calls").json()["items"]
        assert (service_request["recordingId"], service_request["status"]) == (item["id"], 200)
        outside = request("POST", "/api/call-recordings/sync?recordingsPath=/etc")
        assert (outside.status_code, outside.json()["error"]["code"]) == (400, "invalid_path")
        form = auth | {"Content-Type": "application/x-www-form-urlencoded"}  # as sent by `curl -d`
        accepted = requests.post(f"{url}{path}/transcribe", headers=form, data='{"force": true}', timeout=LIMIT_SECONDS)
        assert accepted.status_code == 202
        wait_until(lambda: request("GET", path).json()["transcript"]["version"] != item["transcript"]["version"])
        # immediately, not by the next scheduled run
        runs = "/api/scheduler/runs?task=process_transcription&trigger=api&status=succeeded"
        (started,) = wait_until(lambda: request("GET", runs).json()["items"])
        assert started["counts"]["completed"] == 1
        status, result = run("invoke", "queue")
        assert (status, json.loads(result)["task"]) == (0, "queue_transcriptions")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0
    assert "1 of 1 recordings completed." in output
    assert "Traceback" not in output
