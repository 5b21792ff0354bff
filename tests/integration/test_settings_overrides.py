"""Settings of call-recordings through the API: they override the template's, and are saved all or not at all."""

from datetime import UTC, datetime

import pytest

from callscribe.errors import RunSkipped
from callscribe.phone_systems import SYSTEMS
from callscribe.recordings import transitions
from callscribe.recordings.run import Module, Task
from callscribe.store import recordings, settings_overrides
from testing import dynalite

pytestmark = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)

MODULE = "/api/modules/call-recordings"
PATTERN = "^desk-(?P<extension>[0-9]+)-(?P<remote_number>[0-9]+)"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def put(handlers):
    def put(**body):
        return handlers.api("PUT", MODULE, body=body)

    return put


@pytest.fixture
def create_recordings(handlers):
    """Create recordings of files with these names."""
    handlers.queue()  # configures the tables

    def create_recordings(*names):
        for name in names:
            new = transitions.create("s3://b", f"in/{name}", size=9, etag="e", modified_at=NOON, now=NOON)
            assert recordings.create(new)

    return create_recordings


def test_null_restores_the_template_value_of_an_overridden_setting(handlers, put):
    handlers.overrides |= {"PHONE_SYSTEM": "yeastar", "TIME_ZONE": "Europe/Berlin", "AUDIO_EXTENSIONS": "wav mp3"}
    template = handlers.api("GET", MODULE).json
    assert template == {
        "slug": "call-recordings", "enabled": True, "recordingsPath": handlers.recordings_path,
        "phoneSystem": "yeastar", "timeZone": "Europe/Berlin", "patterns": [], "channels": "auto",
        "extensions": ["mp3", "wav"], "phoneSystems": sorted(SYSTEMS), "changed": [],
    }  # fmt: skip
    response = put(phoneSystem="freepbx", patterns=[PATTERN], extensions=[".WAV", "ogg"])
    assert response.status == 200
    assert response.json == handlers.api("GET", MODULE).json
    assert response.json == template | {
        "phoneSystem": "freepbx", "patterns": [PATTERN], "extensions": ["ogg", "wav"],
        "changed": ["phoneSystem", "patterns", "extensions"],
    }  # fmt: skip
    assert put(timeZone="Asia/Kolkata").json["changed"] == ["phoneSystem", "timeZone", "patterns", "extensions"]
    assert put(phoneSystem=None, timeZone=None, patterns=None, extensions=None).json == template


def test_empty_value_overrides_the_template(handlers, put):
    handlers.overrides["PHONE_SYSTEM"] = "yeastar"
    response = put(phoneSystem="").json
    assert (response["phoneSystem"], response["changed"]) == ("", ["phoneSystem"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phoneSystem", "unknown"),
        ("timeZone", "Mars/Phobos"),
        ("patterns", ["(?P<caller>["]),
        ("extensions", ["json"]),
    ],
)
def test_invalid_setting_is_400_names_the_field_and_saves_nothing(handlers, put, field, value):
    before = put(timeZone="Asia/Kolkata").json
    response = put(**{"phoneSystem": "freepbx", "enabled": False, field: value})
    assert (response.status, response.json["error"]["code"]) == (400, "invalid_settings")
    assert [detail["field"] for detail in response.json["error"]["details"]] == [field]
    assert field in response.json["error"]["message"]
    assert handlers.api("GET", MODULE).json == before


@pytest.mark.parametrize(
    "body",
    [{"phoneSystem": 1}, {"patterns": "x"}, {"surprise": 1}, {"enabled": None}, {"extensions": [1]}, [], None, "x"],
)
def test_malformed_body_is_400(handlers, body):
    response = handlers.api("PUT", MODULE, body=body)
    assert (response.status, response.json["error"]["code"]) == (400, "invalid_request")


def test_second_of_two_concurrent_updates_returns_409(handlers, put):
    handlers.queue()
    previous = settings_overrides.load()
    assert settings_overrides.save(Module.CALL_RECORDINGS, previous, {"time_zone": "Asia/Kolkata"})
    assert not settings_overrides.save(Module.CALL_RECORDINGS, previous, {"time_zone": "Europe/Berlin"})
    assert handlers.api("GET", MODULE).json["timeZone"] == "Asia/Kolkata"


def test_run_reads_overrides_and_disabled_state_in_one_request(handlers, put, count_requests):
    put(timeZone="Asia/Kolkata", patterns=[PATTERN])
    with count_requests() as requests:
        overrides = settings_overrides.load_if_enabled(Task.SYNC)
    assert overrides.call_recordings == {"time_zone": "Asia/Kolkata", "patterns": [PATTERN]}
    assert requests == {"BatchGetItem": 1}
    assert put(enabled=False).status == 200
    with pytest.raises(RunSkipped, match="disabled"):
        settings_overrides.load_if_enabled(Task.SYNC)


def test_preview_counts_parsed_names_and_changes_nothing(handlers, create_recordings):
    create_recordings(
        "in-2025550100-2025550143-20261118-093012-1795012210.17.wav", "desk-101-2025550178.wav", "nothing.wav"
    )
    before = handlers.api("GET", MODULE).json
    current = handlers.api("POST", f"{MODULE}/preview").json
    assert (current["names"], current["understood"], current["byPattern"]) == (3, 1, 0)
    assert current["systems"] == {"freepbx": 1}
    assert sorted(current["notUnderstood"]) == ["s3://b/in/desk-101-2025550178.wav", "s3://b/in/nothing.wav"]
    (example,) = current["examples"]
    assert (example["direction"], example["callId"], example["startedAt"]) == (
        "inbound", "1795012210.17", "2026-11-18T09:30:12",
    )  # fmt: skip
    assert example["metadataOrigins"]["callId"] == "name"
    body = {"patterns": [PATTERN.replace("^", "/")], "timeZone": "Asia/Kolkata"}
    preview = handlers.api("POST", f"{MODULE}/preview", body=body).json
    assert (preview["understood"], preview["byPattern"], preview["notUnderstood"]) == (2, 1, ["s3://b/in/nothing.wav"])
    example = next(example for example in preview["examples"] if example["extension"] == "101")
    assert (example["remoteNumber"], example["metadataOrigins"]["remoteNumber"]) == ("2025550178", "pattern")
    assert handlers.api("GET", MODULE).json == before


def test_preview_refuses_invalid_settings(handlers):
    response = handlers.api("POST", f"{MODULE}/preview", body={"patterns": ["("]})
    assert (response.status, response.json["error"]["details"][0]["field"]) == (400, "patterns")
