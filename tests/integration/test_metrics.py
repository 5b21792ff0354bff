"""Metrics as the functions write them: CloudWatch's embedded metric format, with units, and nothing that is secret."""

import json

import pytest

from callscribe import observability
from callscribe.store import status_counts
from tests.unit.test_monitoring import ALARMS, documented_metrics, metrics_of

UNITS = {"OldestQueuedAgeSeconds": "Seconds", "AudioSeconds": "Seconds"}


@pytest.fixture
def written(capsys):
    """What was written since it was last asked for: (service, metric) → its values, with units looked at."""

    def written():
        found: dict[tuple[str, str], list[float]] = {}
        for line in capsys.readouterr().out.splitlines():
            document = json.loads(line) if line.startswith('{"_aws"') else {}
            for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
                assert directive["Dimensions"] == [["service"]]
                for metric in directive["Metrics"]:
                    assert metric["Unit"] == UNITS.get(metric["Name"], "Count")
                    found.setdefault((document["service"], metric["Name"]), []).extend(document[metric["Name"]])
        return found

    return written


def test_the_way_of_recordings_is_measured_and_every_alarm_of_ours_with_it(
    handlers, put, service, reply, written, monkeypatch
):
    seen = {}

    def run(task, **event):
        monkeypatch.setattr(
            observability.metrics.provider, "service", task
        )  # as the template's variable says in Lambda
        getattr(handlers, task)(**event)
        found = written()
        assert set(found) <= {
            (service, name) for name, services in documented_metrics().items() for service in services
        }
        seen.update(found)
        return found

    put("call-2025550143.wav")
    put("broken-2025550144.wav")
    assert run("sync")["sync", "RecordingsAdded"] == [2.0]
    assert run("queue")["queue", "OldestQueuedAgeSeconds"] == [0.0]
    handlers.advance_clock(minutes=7)
    assert 419 < run("queue")["queue", "OldestQueuedAgeSeconds"][0] < 430
    service.replies = [reply(status=503)]
    assert run("process")["process", "ServiceUnavailable"] == [1.0]
    assert run("process")["process", "ServiceUnavailable"] == [1.0]  # it is known to be
    handlers.advance_clock(minutes=2)
    service.replies = [reply(status=415), reply()]
    probed = run("process")  # the probe fails for good, and the round goes on
    assert sum(probed["process", "RecordingsFailed"]) == 1
    assert probed["process", "RecordingsCompleted"] == [1.0]
    assert probed["process", "ScheduledRunsSucceeded"] == [1.0]
    assert run("process", trigger="api")["process", "ScheduledRunsSucceeded"] == [0.0]
    handlers.overrides["RECORDINGS_PATH"] = "s3://there-is-no-such-bucket/"
    failed = run("sync")
    assert (failed["sync", "RunsFailed"], failed["sync", "ScheduledRunsSucceeded"]) == ([1.0], [0.0])
    watched = [metric for alarm in ALARMS.values() for metric in metrics_of(alarm)]
    ours = {(each["service"], name) for space, name, each in watched if "Callscribe" in str(space)}
    assert ours <= set(seen)


@pytest.mark.parametrize("trigger", ["schedule", "api"])
def test_a_fault_of_ours_is_lambdas_to_count_and_is_logged_without_its_text(
    handlers, written, monkeypatch, trigger, caplog
):
    def fault(*_):
        raise RuntimeError("2025550143")

    monkeypatch.setattr(status_counts, "advance_checkpoint", fault)
    monkeypatch.setattr(observability.metrics.provider, "service", "queue")
    with pytest.raises(RuntimeError):
        handlers.queue(trigger=trigger)
    found = written()
    assert (found["queue", "RunsFailed"], found["queue", "ScheduledRunsSucceeded"]) == ([0.0], [0.0])
    assert [each.fault for each in caplog.records if each.msg == "run failed"] == ["RuntimeError"]


def test_who_asked_for_a_run_is_answered_and_no_alarm_goes_off(handlers, written, monkeypatch):
    monkeypatch.setattr(observability.metrics.provider, "service", "sync")
    handlers.overrides["RECORDINGS_PATH"] = "s3://there-is-no-such-bucket/"
    assert handlers.sync(trigger="api")["status"] == "failed"
    assert written()["sync", "RunsFailed"] == [0.0]


def test_an_outage_is_no_failed_run_and_no_silence(handlers, put, service, reply, written, monkeypatch):
    monkeypatch.setattr(observability.metrics.provider, "service", "process")
    service.replies = [reply(status=503)]
    put("a.wav")
    handlers.sync_and_queue()
    written()
    assert handlers.process()["status"] == "failed"
    found = written()
    assert (found["process", "RunsFailed"], found["process", "ScheduledRunsSucceeded"]) == ([0.0], [1.0])
