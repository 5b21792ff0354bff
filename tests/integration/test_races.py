"""Several process runs at once, in processes of their own: nothing is sent twice, and no more at once than allowed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from local.lambdas.pool import Lambdas

RECORDINGS = 24


@pytest.mark.parametrize(("slots", "runs"), [(1, 2), (8, 8)])
def test_runs_at_the_same_moment_send_no_recording_twice(handlers, stack, put, service, tmp_path, listed, slots, runs):
    for number in range(RECORDINGS):
        put(f"{number:02}.wav", f"audio of {number:02}".encode() * 10)
    handlers.sync()
    handlers.queue()
    for each in service.replies:
        each.wait = 0.05
    environment = {"WHISPERX_URL": service.url, "MAX_CONCURRENT_TRANSCRIPTIONS": str(slots)}
    with Lambdas(stack, tmp_path, environment) as lambdas, ThreadPoolExecutor(runs) as pool:

        def until_nothing_is_queued(_):
            completed = 0
            while True:
                result = lambdas.invoke("process", {"trigger": "api"})
                assert not result.failed, result.payload
                assert result.payload["status"] in ("succeeded", "skipped"), result.payload
                completed += result.payload["counts"]["completed"]
                if result.payload["status"] == "succeeded" and not result.payload["counts"]["completed"]:
                    return completed

        completed = sum(pool.map(until_nothing_is_queued, range(runs)))
    sent = [received.body.split(b"\r\n\r\n", 1)[1][:11] for received in service.received]
    assert sorted(sent) == sorted({f"audio of {number:02}".encode() for number in range(RECORDINGS)})
    assert completed == RECORDINGS
    assert service.most_at_once <= slots
    assert {(item["transcriptionStatus"], item["attempts"]) for item in listed().values()} == {("completed", 1)}


def test_two_syncs_at_once_make_no_duplicate(handlers, stack, put, tmp_path, listed):
    for number in range(RECORDINGS):
        put(f"{number:02}.wav")
    with Lambdas(stack, tmp_path) as lambdas, ThreadPoolExecutor(4) as pool:
        lambdas.invoke("sync", {"trigger": "api", "recordingsPath": "s3://none/"})  # one process is warm
        runs = list(pool.map(lambda _: lambdas.invoke("sync", {}).payload, range(4)))
    assert [run["status"] for run in runs] == ["succeeded"] * 4
    assert sum(run["counts"]["added"] for run in runs) == RECORDINGS
    assert len(listed()) == RECORDINGS


def test_two_queue_runs_at_once_queue_each_recording_once(handlers, stack, put, tmp_path, listed):
    for number in range(RECORDINGS):
        put(f"{number:02}.wav")
    handlers.sync()
    with Lambdas(stack, tmp_path) as lambdas, ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: lambdas.invoke("queue", {}).payload, range(4)))
    assert sum(run["counts"]["queued"] for run in runs) == RECORDINGS
    assert {item["transcriptionStatus"] for item in listed().values()} == {"queued"}
