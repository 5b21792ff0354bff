"""The simulation beside the code: `python -m benchmarks.validation`, in about two minutes.

The real functions, in processes of their own on moto and dynalite, take the calls of a queue to a server that answers
after a given time; runs begin every few seconds in the place of every minute. The simulation is told the same, with the
time that a request takes here. Needs dynalite.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import stories, usage
from benchmarks.day import Parameters, Service, Steps
from benchmarks.load import Calls
from benchmarks.simulation import Simulation

CALLS = 120
SECONDS = 6.0
"""Until the server answers."""
SLOTS, PER_RUN = 20, 30
TICKS = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""Seconds at which runs begin."""
WARM = 4
"""Runs that are at work at once, at most."""
READY = 60.0
"""Seconds into the simulated day at which all are in line."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of either: by run, how many it completed and its seconds; when all were done; slots held at most; seconds that a
    recording waited in line on the average.
    """

    completed: list[int]
    seconds: list[float]
    done_after: float
    most_slots: int
    waited: float

    def show(self, name: str) -> None:
        runs = ", ".join(f"{done} in {took:.1f} s" for done, took in zip(self.completed, self.seconds, strict=True))
        print(f"{name}: {runs}")
        print(
            f"    {sum(self.completed)} done after {self.done_after:.1f} s, {sum(self.seconds):.1f} s of runs, "
            f"{self.most_slots} slots at most, {self.waited:.1f} s in line on the average"
        )


def simulated(request: float) -> Figures:
    """By the rules, with requests to AWS that take so long."""
    steps = Steps(request=request, start=0.0, to_pending=0.0)
    parameters = Parameters(slots=SLOTS, per_run=PER_RUN)
    service = Service(servers=CALLS, speed=0.0, each=SECONDS)
    calls = Calls([0.0] * CALLS, [60.0] * CALLS)
    ticks = [READY + tick for tick in TICKS]
    day = Simulation(calls.arrive, calls.lengths, parameters, service, steps, ticks=ticks, queue_ticks=[1.0]).run()
    return Figures(
        completed=[run.completed for run in day.runs],
        seconds=[run.ended - run.began for run in day.runs if run.ended is not None],
        done_after=max(day.done) - READY,
        most_slots=day.most_slots,
        waited=sum(day.begun) / CALLS - READY,
    )


def real(lambdas: Any, service: Any) -> Figures:
    """By the functions."""
    began = time.monotonic()

    def run(tick: float) -> tuple[int, float, float]:
        time.sleep(max(0.0, began + tick - time.monotonic()))
        at = time.monotonic()
        answer = lambdas.invoke("process", {}).payload
        assert answer["status"] in ("succeeded", "skipped"), answer
        return answer["counts"]["completed"], time.monotonic() - at, time.monotonic() - began

    with ThreadPoolExecutor(len(TICKS)) as pool:
        results = list(pool.map(run, TICKS))
    completed, seconds, ends = (list(each) for each in zip(*results, strict=True))
    waited = [at - began for at in service.at[-CALLS:]]
    last = max(end for end, done in zip(ends, completed, strict=True) if done)
    return Figures(completed, seconds, last, service.most_at_once, sum(waited) / CALLS)


def waiting_service(seconds: float) -> Any:
    """Answers each request after so long, and keeps when it came (`at`)."""
    from testing.scripted_service import Received, Reply, ScriptedService

    service: Any = ScriptedService()
    service.at = []

    def choose(_: Received) -> Reply:
        service.at.append(time.monotonic())
        return Reply(wait=seconds)

    service.choose = choose
    return service


def request_seconds(lambdas: Any, put: Callable[[str], Any]) -> float:
    """What a request takes here: by a run with one recording, which makes as many as the story of it says."""
    requests = sum(usage.counted()[0]["asr"]["requests"].values())
    took = []
    for number in range(4):
        put(f"alone-{number}.wav")
        for task in ("sync", "queue"):
            lambdas.invoke(task, {})
        took.append((lambdas.invoke("process", {}).payload["duration"] - SECONDS) / requests)
    return median(took[1:])  # the first one imports what reads audio


def main() -> None:
    from local.cloud.aws import serve_aws
    from local.cloud.client import aws_client
    from local.cloud.stack import deploy
    from local.lambdas.pool import Lambdas
    from testing.dynalite import declared_tables, on_dynalite, serve_dynalite, why_not

    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    if reason := why_not():
        parser.exit(1, f"{reason}\n")
    service = waiting_service(SECONDS)
    given = {"WhisperXUrl": service.url, "MaxConcurrentTranscriptions": str(SLOTS), "RecordingsPerRun": str(PER_RUN)}
    with serve_aws() as endpoint, serve_dynalite() as database, tempfile.TemporaryDirectory() as state:
        template = Path(__file__).parents[1] / "template.yaml"
        stack = on_dynalite(deploy(template, endpoint, given), database, declared_tables())
        s3, bucket = aws_client("s3", endpoint), stack.buckets["RecordingsBucket"]

        def put(key: str) -> None:
            s3.put_object(Bucket=bucket, Key=key, Body=stories.wav())

        with Lambdas(stack, Path(state)) as lambdas, ThreadPoolExecutor(WARM) as pool:
            list(pool.map(lambda _: lambdas.invoke("process", {}), range(WARM)))
            alone = request_seconds(lambdas, put)
            for number in range(CALLS):
                put(f"{number:03}.wav")
            lambdas.invoke("sync", {})
            assert lambdas.invoke("queue", {}).payload["counts"]["queued"] == CALLS
            told = real(lambdas, service)
    service.stop()
    print(f"{CALLS} calls of {SECONDS:g} s, {SLOTS} slots, {PER_RUN} a run; {1000 * alone:.1f} ms for a request here")
    told.show("the functions  ")
    simulated(alone).show("the simulation ")


if __name__ == "__main__":
    main()
