"""The settings of call-recordings over the API: kept over the template's, all that is given or nothing."""

from datetime import UTC, datetime

import pytest

from callscribe.errors import RunSkipped
from callscribe.phone_systems import SYSTEMS
from callscribe.recordings import state_machine
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
def named(handlers):
    """Records files of these names."""
    handlers.queue()  # binds the models to the tables

    def named(*names):
        for name in names:
            new = state_machine.create("s3://b", f"in/{name}", size=9, etag="e", modified_at=NOON, now=NOON)
            assert recordings.create(new)

    return named


def test_the_template_counts_until_something_is_set_and_null_brings_it_back(handlers, put):
    handlers.overrides |= {"PHONE_SYSTEM": "yeastar", "TIME_ZONE": "Europe/Berlin", "AUDIO_EXTENSIONS": "wav mp3"}
    template = handlers.api("GET", MODULE).json
    assert template == {
        "slug": "call-recordings", "enabled": True, "recordingsPath": handlers.recordings_path,
        "phoneSystem": "yeastar", "timeZone": "Europe/Berlin", "patterns": [], "channels": "auto",
        "extensions": ["mp3", "wav"], "phoneSystems": sorted(SYSTEMS), "changed": [],
    }  # fmt: skip
    answer = put(phoneSystem="freepbx", patterns=[PATTERN], extensions=[".WAV", "ogg"])
    assert answer.status == 200
    assert answer.json == handlers.api("GET", MODULE).json
    assert answer.json == template | {
        "phoneSystem": "freepbx", "patterns": [PATTERN], "extensions": ["ogg", "wav"],
        "changed": ["phoneSystem", "patterns", "extensions"],
    }  # fmt: skip
    assert put(timeZone="Asia/Kolkata").json["changed"] == ["phoneSystem", "timeZone", "patterns", "extensions"]
    assert put(phoneSystem=None, timeZone=None, patterns=None, extensions=None).json == template


def test_what_is_set_empty_counts_over_the_template(handlers, put):
    handlers.overrides["PHONE_SYSTEM"] = "yeastar"
    answer = put(phoneSystem="").json
    assert (answer["phoneSystem"], answer["changed"]) == ("", ["phoneSystem"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phoneSystem", "nobody's"),
        ("timeZone", "Mars/Phobos"),
        ("patterns", ["(?P<caller>["]),
        ("extensions", ["json"]),
    ],
)
def test_a_setting_that_cannot_be_used_is_400_names_the_field_and_nothing_is_kept(handlers, put, field, value):
    before = put(timeZone="Asia/Kolkata").json
    answer = put(**{"phoneSystem": "freepbx", "enabled": False, field: value})
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_settings")
    assert [each["field"] for each in answer.json["error"]["details"]] == [field]
    assert field in answer.json["error"]["message"]
    assert handlers.api("GET", MODULE).json == before


@pytest.mark.parametrize(
    "body",
    [{"phoneSystem": 1}, {"patterns": "x"}, {"surprise": 1}, {"enabled": None}, {"extensions": [1]}, [], None, "x"],
)
def test_a_malformed_body_is_400(handlers, body):
    answer = handlers.api("PUT", MODULE, body=body)
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request")


def test_of_two_who_set_at_the_same_moment_one_is_told(handlers, put):
    handlers.queue()
    seen = settings_overrides.load()
    assert settings_overrides.save(Module.CALL_RECORDINGS, seen, {"time_zone": "Asia/Kolkata"})
    assert not settings_overrides.save(Module.CALL_RECORDINGS, seen, {"time_zone": "Europe/Berlin"})
    assert handlers.api("GET", MODULE).json["timeZone"] == "Asia/Kolkata"


def test_a_run_reads_them_in_one_request_with_what_is_switched_off(handlers, put, counted):
    put(timeZone="Asia/Kolkata", patterns=[PATTERN])
    with counted() as requests:
        kept = settings_overrides.require_enabled(Task.SYNC)
    assert kept.call_recordings == {"time_zone": "Asia/Kolkata", "patterns": [PATTERN]}
    assert requests == {"BatchGetItem": 1}
    assert put(enabled=False).status == 200
    with pytest.raises(RunSkipped, match="disabled"):
        settings_overrides.require_enabled(Task.SYNC)


def test_a_preview_says_how_far_names_are_understood_and_changes_nothing(handlers, named):
    named("in-2025550100-2025550143-20261118-093012-1795012210.17.wav", "desk-101-2025550178.wav", "nothing.wav")
    before = handlers.api("GET", MODULE).json
    now = handlers.api("POST", f"{MODULE}/preview").json
    assert (now["names"], now["understood"], now["byPattern"]) == (3, 1, 0)
    assert now["systems"] == {"freepbx": 1}
    assert sorted(now["notUnderstood"]) == ["s3://b/in/desk-101-2025550178.wav", "s3://b/in/nothing.wav"]
    (example,) = now["examples"]
    assert (example["direction"], example["callId"], example["startedAt"]) == (
        "inbound", "1795012210.17", "2026-11-18T09:30:12",
    )  # fmt: skip
    assert example["metadataOrigins"]["callId"] == "name"
    body = {"patterns": [PATTERN.replace("^", "/")], "timeZone": "Asia/Kolkata"}
    then = handlers.api("POST", f"{MODULE}/preview", body=body).json
    assert (then["understood"], then["byPattern"], then["notUnderstood"]) == (2, 1, ["s3://b/in/nothing.wav"])
    told = next(each for each in then["examples"] if each["extension"] == "101")
    assert (told["remoteNumber"], told["metadataOrigins"]["remoteNumber"]) == ("2025550178", "pattern")
    assert handlers.api("GET", MODULE).json == before


def test_preview_shows_at_most_20_names_that_were_not_understood(handlers, named):
    named(*(f"nothing-{number}.wav" for number in range(21)))
    preview = handlers.api("POST", f"{MODULE}/preview").json
    assert (preview["names"], preview["understood"], len(preview["notUnderstood"])) == (21, 0, 20)


def test_a_preview_refuses_what_could_not_be_set(handlers):
    answer = handlers.api("POST", f"{MODULE}/preview", body={"patterns": ["("]})
    assert (answer.status, answer.json["error"]["details"][0]["field"]) == (400, "patterns")
