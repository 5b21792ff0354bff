"""The files for `sam local` and the sample events, without Docker and without a running stack."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from local.sam import containers
from local.sam.files import ACCOUNT, BUCKET, EVENTS, REGION, examples, write_files
from tests.handlers.stack import tiny_stack

PAGE = (Path(__file__).parents[2] / "docs/sam-local.md").read_text()


@pytest.fixture
def stack():
    tiny = tiny_stack("SyncFunction", "ApiFunction")
    api = replace(tiny.functions["ApiFunction"], environment={"SYNC_FUNCTION": "stack-SyncFunction"})
    functions = {**tiny.functions, "ApiFunction": api}
    return replace(tiny, account_id="000000000000", buckets={"RecordingsBucket": "ours"}, functions=functions)


def test_environment_has_the_endpoints_and_functions_by_logical_id(stack, tmp_path):
    endpoints = {"AWS_ENDPOINT_URL": "http://10.0.0.1:5000"}
    write_files(tmp_path, stack, "the-key", endpoints, skip_pull=True)
    options = tomllib.loads((tmp_path / "samconfig.toml").read_text())["default"]["global"]["parameters"]
    assert (options["region"], options["skip_pull_image"]) == ("us-east-1", True)
    assert json.loads(Path(options["env_vars"]).read_text()) == {
        "SyncFunction": {"OWN": "SyncFunction", **endpoints},
        "ApiFunction": {"SYNC_FUNCTION": "SyncFunction", **endpoints},
    }


def test_sample_events_have_the_names_of_the_stack_in_place_of_the_placeholders(stack):
    events = examples(stack, "the-key")
    (message,) = events["upload"]["Records"]
    assert json.loads(message["body"])["detail"]["bucket"]["name"] == "ours"
    assert events["sync-prefix"]["recordingsPath"].startswith("s3://ours/")
    assert events["api-list"]["headers"]["authorization"] == "Bearer the-key"
    for placeholder in (BUCKET, ACCOUNT, REGION):
        assert placeholder not in json.dumps(events)


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*")), ids=lambda path: path.name)
def test_every_sample_event_is_documented(path):
    assert f"| `{path.name}` |" in PAGE


def test_missing_and_stopped_docker_have_different_messages(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert containers.unavailable_reason() == "the command 'docker' was not found"
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon.' >&2\nexit 1\n")
    docker.chmod(0o755)
    assert containers.unavailable_reason() == "Docker is not running: Cannot connect to the Docker daemon."
