"""The functions as they are deployed, under AWS's Lambda emulator: what is missing from a build is missing here too."""

import io
import json
import os
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.e2e import stack
from tests.e2e.build import BUILD, LOG, Built, build, why_not
from tests.e2e.emulator import emulate, probe

EVENTS = Path(__file__).parents[1] / "events"
FUNCTIONS = ("SyncFunction", "QueueFunction", "ProcessFunction", "ApiFunction")
DEVELOPMENT_ONLY = ("pytest", "moto", "samtranslator", "samcli", "numpy", "pip")

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

type Variables = dict[str, dict[str, str]]


def event(name: str) -> dict[str, Any]:
    return dict(json.loads((EVENTS / f"{name}.json").read_text()))


@pytest.fixture(scope="session")
def built() -> dict[str, Built]:
    return build()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", stack.REGION)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def variables(built: dict[str, Built], endpoint: str, service: Any) -> Variables:
    return stack.create(BUILD / "template.yaml", endpoint, {"WhisperXUrl": service.url})


def test_template_and_build_give_no_warning(built: dict[str, Built]) -> None:
    said = LOG.read_text()
    after_installing = said[said.index("sam validate") :]
    assert "warn" not in after_installing.lower()
    assert set(built) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_imports_from_its_own_folder_and_the_layer_only(built: dict[str, Built], name: str) -> None:
    function = built[name]
    code = f"""if True:
        import importlib, importlib.util, json
        names = {DEVELOPMENT_ONLY!r}
        handler = importlib.import_module({function.handler.rpartition(".")[0]!r})
        import boto3, callscribe
        print(json.dumps({{
            "importable": [each for each in names if importlib.util.find_spec(each)],
            "from": {{each.__name__: each.__file__ for each in (handler, boto3, callscribe)}},
            "handler": callable(handler.lambda_handler),
        }}))
    """
    found = probe(function, {"AWS_DEFAULT_REGION": stack.REGION}, code)
    assert found["importable"] == []
    assert found["handler"]
    handler = found["from"].pop(function.handler.rpartition(".")[0])
    assert Path(handler).is_relative_to(function.folder)
    assert all(Path(each).is_relative_to(function.layer / "python") for each in found["from"].values())


def test_every_module_is_shipped_byte_compiled(built: dict[str, Built]) -> None:
    folders = {each.folder for each in built.values()} | {each.layer for each in built.values()}
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    bare = [path for path in sources if not list((path.parent / "__pycache__").glob(f"{path.stem}.cpython-313.pyc"))]
    assert sources
    assert bare == []


def test_layer_serves_both_architectures(built: dict[str, Built]) -> None:
    layer = built["ApiFunction"].layer
    compiled = list(layer.rglob("*.so"))
    without_python = [path for path in compiled if not path.with_name(f"{path.name.partition('.')[0]}.py").exists()]
    assert without_python == []


def test_built_functions_take_a_recording_from_upload_to_transcript(
    built: dict[str, Built], variables: Variables, endpoint: str, service: Any, tmp_path: Path
) -> None:
    def invoke(name: str, what: dict[str, Any]) -> dict[str, Any]:
        with emulate(built[name], variables[name], tmp_path / f"{name}.log") as emulator:
            return emulator.invoke(what)

    bucket = variables["SyncFunction"]["RECORDINGS_PATH"].removeprefix("s3://").rstrip("/")
    boto3.client("s3", endpoint_url=endpoint).put_object(Bucket=bucket, Key="calls/one.wav", Body=_second_of_silence())
    tick = event("eventbridge-schedule")

    synced = invoke("SyncFunction", tick)
    assert (synced["status"], synced["counts"]["added"]) == ("succeeded", 1), synced
    queued = invoke("QueueFunction", tick)
    assert (queued["status"], queued["counts"]["queued"]) == ("succeeded", 1), queued
    processed = invoke("ProcessFunction", tick)
    assert (processed["status"], processed["counts"]["completed"]) == ("succeeded", 1), processed
    assert service.received[0].path == "/asr"

    request = event("api-gateway-v2-list")
    request["headers"]["authorization"] = f"Bearer {stack.API_KEY}"
    answer = invoke("ApiFunction", request)
    assert answer["statusCode"] == 200, answer
    (item,) = json.loads(answer["body"])["items"]
    assert item["transcriptionStatus"] == "completed"


def test_built_api_is_open_for_health_and_closed_without_a_key(
    built: dict[str, Built], variables: Variables, tmp_path: Path
) -> None:
    with emulate(built["ApiFunction"], variables["ApiFunction"], tmp_path / "log") as emulator:
        health = emulator.invoke(event("api-gateway-v2-health"))
        closed = emulator.invoke(event("api-gateway-v2-list-without-key"))
    assert (health["statusCode"], json.loads(health["body"])) == (200, {"status": "ok"})
    assert closed["statusCode"] == 401


def _second_of_silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(bytes(16000))
    return file.getvalue()
