"""Metrics as the functions write them: CloudWatch's embedded metric format, with units and without secrets."""

import json

import pytest

from benchmarks import cost
from callscribe import observability
from callscribe.store import status_counts
from tests.unit.test_monitoring import ALARMS, documented_metrics, metrics_of

UNITS = {"OldestQueuedAgeSeconds": "Seconds", "AudioSeconds": "Seconds"}


@pytest.fixture
def read_metrics(capsys):
    """The metrics written since the last call: (service, metric) → values. Checks their units."""

    def read_metrics():
        values: dict[tuple[str, str], list[float]] = {}
        for line in capsys.readouterr().out.splitlines():
            document = json.loads(line) if line.startswith('{"_aws"') else {}
            for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
                assert directive["Dimensions"] == [["service"]]
                for metric in directive["Metrics"]:
                    assert metric["Unit"] == UNITS.get(metric["Name"], "Count")
                    values.setdefault((document["service"], metric["Name"]), []).extend(document[metric["Name"]])
        return values

    return read_metrics


def test_every_metric_that_an_alarm_watches_is_written(handlers, put, service, reply, read_metrics, monkeypatch):
    all_metrics = {}

    def run(task, **event):
        monkeypatch.setattr(
            observability.metrics.provider, "service", task
        )  # as the template's variable sets it in Lambda
        getattr(handlers, task)(**event)
        metrics = read_metrics()
        assert set(metrics) <= {
            (service, name) for name, services in documented_metrics().items() for service in services
        }
        all_metrics.update(metrics)
        return metrics

    put("call-2025550143.wav")
    put("broken-2025550144.wav")
    assert run("sync")["sync", "RecordingsAdded"] == [2.0]
    assert run("queue")["queue", "OldestQueuedAgeSeconds"] == [0.0]
    handlers.advance_clock(minutes=7)
    assert 419 < run("queue")["queue", "OldestQueuedAgeSeconds"][0] < 430
    service.replies = [reply(status=503)]
    assert run("process")["process", "ServiceUnavailable"] == [1.0]
    assert run("process")["process", "ServiceUnavailable"] == [1.0]  # the circuit is open
    handlers.advance_clock(minutes=2)
    service.replies = [reply(status=415), reply()]
    probed = run("process")  # the probe fails terminally, and the round continues
    assert sum(probed["process", "RecordingsFailed"]) == 1
    assert probed["process", "RecordingsCompleted"] == [1.0]
    assert probed["process", "ScheduledRunsSucceeded"] == [1.0]
    assert run("process", trigger="api") == {}
    handlers.overrides["RECORDINGS_PATH"] = "s3://there-is-no-such-bucket/"
    assert run("sync") == {("sync", "RunsFailed"): [1.0]}
    watched = [metric for alarm in ALARMS.values() for metric in metrics_of(alarm)]
    ours = {(dimensions["service"], name) for space, name, dimensions in watched if "Callscribe" in str(space)}
    failed_alike = {("queue", "RunsFailed"), ("process", "RunsFailed")}  # written where sync's is: runs.end
    assert ours - failed_alike <= set(all_metrics)


@pytest.mark.parametrize("trigger", ["schedule", "api"])
def test_unexpected_exception_is_left_to_lambdas_error_metric_and_logged_without_its_message(
    handlers, read_metrics, monkeypatch, trigger, caplog
):
    def crash(*_):
        raise RuntimeError("2025550143")

    monkeypatch.setattr(status_counts, "advance_checkpoint", crash)
    monkeypatch.setattr(observability.metrics.provider, "service", "queue")
    with pytest.raises(RuntimeError):
        handlers.queue(trigger=trigger)
    assert not {("queue", "RunsFailed"), ("queue", "ScheduledRunsSucceeded")} & read_metrics().keys()
    assert [record.exception_name for record in caplog.records if record.msg == "run failed"] == ["RuntimeError"]


def test_failed_run_of_a_user_does_not_count_for_the_alarm(handlers, read_metrics, monkeypatch):
    monkeypatch.setattr(observability.metrics.provider, "service", "sync")
    handlers.overrides["RECORDINGS_PATH"] = "s3://there-is-no-such-bucket/"
    assert handlers.sync(trigger="api")["status"] == "failed"
    assert read_metrics() == {}


def test_outage_fires_neither_the_errors_nor_the_no_successful_run_alarm(
    handlers, put, service, reply, read_metrics, monkeypatch
):
    monkeypatch.setattr(observability.metrics.provider, "service", "process")
    service.replies = [reply(status=503)]
    put("a.wav")
    handlers.sync_and_queue()
    read_metrics()
    assert handlers.process()["status"] == "failed"
    values = read_metrics()
    assert values["process", "ScheduledRunsSucceeded"] == [1.0]
    assert ("process", "RunsFailed") not in values


def test_only_metrics_with_a_value_are_written(handlers, put, service, reply, read_metrics, monkeypatch):
    """Each metric is charged for the hours in which it is written: the cost calculator counts these."""

    def written(task):
        monkeypatch.setattr(observability.metrics.provider, "service", task)
        getattr(handlers, task)()
        return set(read_metrics())

    idle = set().union(*map(written, ("sync", "queue", "process")))
    put("call.wav")
    service.replies = [reply()]
    busy = set().union(*map(written, ("sync", "queue", "process")))
    assert (len(idle), len(busy)) == (cost.METRICS_OF_SCHEDULES, cost.METRICS_OF_SCHEDULES + cost.METRICS_OF_CALLS)


@pytest.mark.parametrize("disabled", [True, False])
def test_disabled_metrics_are_never_written(read_metrics, monkeypatch, disabled):
    """Powertools alone would write them as soon as there are a hundred values."""
    monkeypatch.setattr(observability, "METRICS_DISABLED", disabled)
    monkeypatch.setattr(observability.metrics.provider, "service", "sync")
    for _ in range(100):
        observability.add_count("RecordingsAdded")
        observability.add_duration("AudioSeconds", seconds=1)
    values = read_metrics()
    observability.metrics.clear_metrics()
    assert bool(values) is not disabled
