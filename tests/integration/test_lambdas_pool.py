"""The local functions run as on Lambda: environment, context, errors, timeouts and crashes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.lambdas.pool import Lambdas
from local.lambdas.worker_process import ROOT
from testing.waiting import LIMIT_SECONDS, wait_until
from tests.handlers.stack import tiny_stack


@pytest.fixture
def lambdas(tmp_path: Path) -> Iterator[Lambdas]:
    stack = tiny_stack("echo", "raising", "exiting", "unserializable", "huge", "missing")
    with Lambdas(stack, tmp_path, {"ADDED": "yes"}, workers_per_function=2) as running:
        yield running


def read_log(tmp_path: Path, name: str) -> str:
    return (tmp_path / "logs" / f"{name}.log").read_text()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a process that has ended is listed until its parent waits for it
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for_end(pid: int) -> None:
    wait_until(lambda: not is_alive(pid))


def wait_for_start(tmp_path: Path) -> tuple[int, int]:
    """Wait for the handler `waiting` to start; return the process ids of its worker and its child (0 for none)."""
    log = tmp_path / "logs" / "waiting.log"
    wait_until(log.exists)
    (worker, child), *_ = wait_until(lambda: re.findall(r"began (\d+) (\d+)\n", log.read_text()))
    return int(worker), int(child)


def test_handler_receives_the_event_and_a_lambda_context(lambdas: Lambdas) -> None:
    result = lambdas.invoke("echo", {"a": ["ü", None]})
    assert not result.failed
    assert result.payload["event"] == {"a": ["ü", None]}
    context = result.payload["context"]
    assert 1000 < context.pop("remaining") <= LIMIT_SECONDS * 1000
    assert context.pop("log_stream_name")
    assert context.pop("deadline")
    assert context == {
        "aws_request_id": result.request_id,
        "function_name": "stack-echo",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:stack-echo",
        "memory_limit_in_mb": "256",
        "log_group_name": "/aws/lambda/stack-echo",
        "identity": None,
        "client_context": None,
    }


def test_handler_does_not_inherit_the_users_environment(lambdas: Lambdas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-users")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    environment = lambdas.invoke("echo", {}).payload["environment"]
    assert {"OWN": "echo", "ADDED": "yes", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items() <= environment.items()
    assert not {"AWS_PROFILE", "HTTP_PROXY", "HOME"} & environment.keys()


def test_function_is_found_by_logical_id_name_or_arn(lambdas: Lambdas) -> None:
    arn = lambdas.stack.functions["echo"].arn
    pids = {lambdas.invoke(name, {}).payload["pid"] for name in ("echo", "stack-echo", arn)}
    assert len(pids) == 1
    with pytest.raises(KeyError):
        lambdas.invoke("other", {})


def test_exception_is_reported_as_by_lambda(lambdas: Lambdas, tmp_path: Path) -> None:
    result = lambdas.invoke("raising", {})
    assert result.failed
    assert result.payload["errorType"] == "LookupError"
    assert result.payload["errorMessage"] == "no such thing"
    assert "in raising" in result.payload["stackTrace"][0]
    assert "worker.py" not in str(result.payload["stackTrace"])
    log = read_log(tmp_path, "raising")
    assert "about to fail" in log
    assert "LookupError: no such thing" in log


@pytest.mark.parametrize(("event", "status"), [({"die": True}, 3), ({"leave": True}, 4)])
def test_crashed_worker_is_reported_and_replaced(
    lambdas: Lambdas, tmp_path: Path, event: dict[str, bool], status: int
) -> None:
    before = lambdas.invoke("exiting", {}).payload["pid"]
    result = lambdas.invoke("exiting", event)
    assert result.failed
    assert result.payload["errorType"] == "Runtime.ExitError"
    assert f"exit status {status}" in result.payload["errorMessage"]
    assert result.request_id in read_log(tmp_path, "exiting")
    assert lambdas.invoke("exiting", {}).payload["pid"] != before


def test_full_disk_is_named_in_the_error(lambdas: Lambdas, tmp_path: Path) -> None:
    (tmp_path / "logs" / "raising.log").symlink_to("/dev/full")
    result = lambdas.invoke("raising", {})
    assert result.failed
    assert result.payload["errorMessage"].endswith("the log cannot be written: No space left on device")


def test_worker_killed_while_idle_is_replaced_without_a_failed_event(lambdas: Lambdas) -> None:
    before = lambdas.invoke("exiting", {}).payload["pid"]
    os.kill(before, signal.SIGKILL)
    # wait until it has ended with all its threads, but leave it to the parent to notice
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert lambdas.invoke("exiting", {}).payload["pid"] != before


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("unserializable", "Runtime.MarshalError"),
        ("huge", "Function.ResponseSizeTooLarge"),
        ("missing", "Runtime.ImportModuleError"),
    ],
)
def test_result_that_lambda_would_reject_fails_and_is_logged(
    lambdas: Lambdas, tmp_path: Path, name: str, kind: str
) -> None:
    for _ in range(2):
        result = lambdas.invoke(name, {})
        assert (result.failed, result.payload["errorType"]) == (True, kind)
    assert result.payload["errorMessage"] in read_log(tmp_path, name)


def test_timeout_kills_the_worker_and_its_child_processes(tmp_path: Path) -> None:
    with Lambdas(tiny_stack("waiting", timeout_seconds=2), tmp_path) as lambdas:
        result = lambdas.invoke("waiting", {"until": str(tmp_path / "never"), "child": True})
        assert result.failed
        assert result.payload["errorType"] == "Sandbox.Timedout"
        assert "Task timed out after 2.00 seconds" in result.payload["errorMessage"]
        worker, child = wait_for_start(tmp_path)
        wait_for_end(child)
        wait_for_end(worker)
        assert lambdas.invoke("waiting", {}).payload["pid"] != worker


def test_concurrent_events_have_separate_workers_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "meeting").mkdir()
    event = {"meet": str(tmp_path / "meeting"), "number": 3}
    with (
        Lambdas(tiny_stack("waiting"), tmp_path, workers_per_function=3) as lambdas,
        ThreadPoolExecutor(9) as threads,
    ):
        results = list(threads.map(lambda _: lambdas.invoke("waiting", event), range(9)))
    assert not any(result.failed for result in results)
    assert len({result.payload["pid"] for result in results}) == 3


def test_asynchronous_event_runs_to_its_end(tmp_path: Path) -> None:
    with Lambdas(tiny_stack("waiting"), tmp_path) as lambdas:
        assert lambdas.invoke("waiting", {"until": str(tmp_path / "now")}, wait=False).payload is None
        wait_for_start(tmp_path)
        (tmp_path / "now").touch()
        lambdas.stop(grace_seconds=LIMIT_SECONDS)
        assert read_log(tmp_path, "waiting").endswith("ended\n")


def test_activity_reports_whether_another_function_has_run_since_the_last_check(tmp_path: Path) -> None:
    with Lambdas(tiny_stack("waiting", "echo"), tmp_path) as lambdas:
        has_run = lambdas.monitor_activity(exclude="echo")
        assert not has_run()
        lambdas.invoke("waiting", {})
        assert [has_run(), has_run()] == [True, False]
        lambdas.invoke("echo", {})
        assert not has_run()
        lambdas.invoke("waiting", {"until": str(tmp_path / "now")}, wait=False)
        assert [has_run(), has_run()] == [True, True]
        (tmp_path / "now").touch()
        wait_until(lambda: not has_run())


def test_stop_ends_busy_and_idle_workers_and_rejects_events(tmp_path: Path) -> None:
    stack = tiny_stack("waiting", "echo")
    with Lambdas(stack, tmp_path) as lambdas:
        idle = lambdas.invoke("echo", {}).payload["pid"]
        lambdas.invoke("waiting", {"until": str(tmp_path / "never")}, wait=False)
        busy, _ = wait_for_start(tmp_path)
    for pid in (idle, busy):
        wait_for_end(pid)
    assert "ended" not in read_log(tmp_path, "waiting")
    for name in stack.functions:
        with pytest.raises(RuntimeError):
            lambdas.invoke(name, {})


PARENT = """
import sys
from pathlib import Path
from local.lambdas.pool import Lambdas
from tests.handlers.stack import tiny_stack
try:
    with Lambdas(tiny_stack("waiting"), Path(sys.argv[1])) as lambdas:
        lambdas.invoke("waiting", {"until": sys.argv[1] + "/never"})
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_exit_with_their_parent_and_without_a_traceback(tmp_path: Path, end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as parent:
        try:
            worker, _ = wait_for_start(tmp_path)
            # to the whole group, as a terminal does
            os.killpg(parent.pid, end)
            output, errors = parent.communicate(timeout=LIMIT_SECONDS)
        finally:
            parent.kill()
    wait_for_end(worker)
    assert errors == ""
    assert read_log(tmp_path, "waiting") == f"began {worker} 0\n"
    assert ("interrupted" in output) == (end is signal.SIGINT)
