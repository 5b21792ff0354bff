"""The functions as they are deployed, under AWS's Lambda emulator: what is missing from a build is missing here too."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local.build import BUILD_DIR, LOG, BuiltFunction, build_functions
from local.cloud.aws import serve_aws
from local.cloud.client import aws_client
from local.cloud.secrets import read_api_key
from local.cloud.stack import Stack, deploy
from local.lambdas.pool import lambda_environment
from local.sam.files import examples
from testing.emulator import emulate, run_code, unavailable_reason
from testing.made_audio import wav

FUNCTIONS = ("SyncFunction", "QueueFunction", "ProcessFunction", "ApiFunction")
TRANSCRIBED = "hello there"  # what the scripted service answers
UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552: the flags of a .pyc file
UNZIPPED_BYTES = 60_000_000  # a quarter of what Lambda allows: what is small starts quickly
LAMBDA_ALLOWS = 250 * 1024**2  # bytes, unzipped, of a function with its layers
DECODER = ("av", "av.libs")  # FFmpeg, which weighs more than all else
WHISPERX_KEY = "the-key-of-the-whisperx-server"
PARAMETERS = {"WhisperXApiKey": WHISPERX_KEY, "LogLevel": "DEBUG"}
DEVELOPMENT_ONLY = ("pytest", "moto", "samtranslator", "samcli", "numpy", "pip")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))]


@pytest.fixture(scope="session")
def built() -> dict[str, BuiltFunction]:
    return build_functions()


@pytest.fixture
def stack(built: dict[str, BuiltFunction], service: Any) -> Iterator[Stack]:
    """What the built template declares, on moto."""
    with serve_aws() as endpoint:
        yield deploy(BUILD_DIR / "template.yaml", endpoint, PARAMETERS | {"WhisperXUrl": service.url})


def test_template_and_build_give_no_warning(built: dict[str, BuiltFunction]) -> None:
    said = LOG.read_text()
    after_installing = said[said.index("sam validate") :]
    assert "warn" not in after_installing.lower()
    assert set(built) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_imports_from_its_own_folder_and_the_layer_only(built: dict[str, BuiltFunction], name: str) -> None:
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
    found = run_code(function, code)
    assert found["importable"] == []
    assert found["handler"]
    handler = found["from"].pop(function.handler.rpartition(".")[0])
    assert Path(handler).is_relative_to(function.folder)
    assert all(Path(each).is_relative_to(function.layer / "python") for each in found["from"].values())


def test_every_module_is_shipped_byte_compiled(built: dict[str, BuiltFunction]) -> None:
    """Lambda can write no byte code, and zipping changes the times by which it is checked otherwise."""

    def flags(source: Path) -> bytes:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        return compiled.read_bytes()[4:8] if compiled.exists() else b""

    sources = [path for folder in _folders(built) for path in folder.rglob("*.py")]
    assert sources
    assert [path for path in sources if flags(path) != UNCHECKED_HASH] == []


def test_layer_and_functions_stay_within_their_size(built: dict[str, BuiltFunction]) -> None:
    process = built["ProcessFunction"]
    decoder = sum(_size(process.folder / each) for each in DECODER)
    assert sum(map(_size, _folders(built))) - decoder <= UNZIPPED_BYTES
    assert _size(process.folder) + _size(process.layer) <= 0.8 * LAMBDA_ALLOWS


def test_the_decoder_lies_with_process_alone_and_is_not_loaded_at_its_start(built: dict[str, BuiltFunction]) -> None:
    carrying = [name for name, each in built.items() if (each.folder / DECODER[0]).exists()]
    assert carrying == ["ProcessFunction"]
    assert not list(built["ProcessFunction"].layer.rglob("av"))
    code = f"""if True:
        import importlib, json, sys
        importlib.import_module({built["ProcessFunction"].handler.rpartition(".")[0]!r})
        at_start = "av" in sys.modules
        import av
        print(json.dumps({{"at start": at_start, "reads": sorted({{"mp3", "ogg", "flac"}} & av.formats_available)}}))
    """
    assert run_code(built["ProcessFunction"], code) == {"at start": False, "reads": ["flac", "mp3", "ogg"]}


def test_layer_serves_both_architectures(built: dict[str, BuiltFunction]) -> None:
    layer = built["ApiFunction"].layer
    compiled = list(layer.rglob("*.so"))
    without_python = [path for path in compiled if not path.with_name(f"{path.name.partition('.')[0]}.py").exists()]
    assert without_python == []


def test_built_functions_take_a_recording_from_upload_to_transcript(
    built: dict[str, BuiltFunction], stack: Stack, service: Any, tmp_path: Path
) -> None:
    key = read_api_key(stack.endpoint, stack.secrets["ApiKeySecret"])
    events = examples(stack, key)

    def invoke(name: str, *those: str) -> list[dict[str, Any]]:
        variables = lambda_environment(stack.functions[name], stack)
        with emulate(built[name], variables, tmp_path / f"{name}.log") as emulator:
            return [emulator.invoke(events[each]) for each in those]

    s3 = aws_client("s3", stack.endpoint)
    uploaded = events["upload"]["detail"]["object"]["key"]
    s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=uploaded, Body=wav(np.zeros(8000)))

    tried, *synced = invoke("SyncFunction", "connection-test", "upload", "sync-prefix", "sync-file", "schedule")
    assert tried["ok"], tried
    assert [(each["status"], each["counts"]["listed"]) for each in synced] == [("succeeded", 1)] * 4, synced
    assert [each["counts"]["added"] for each in synced] == [1, 0, 0, 0]
    queued, retried = invoke("QueueFunction", "schedule", "queue-retry")
    assert (queued["status"], queued["counts"]["queued"]) == ("succeeded", 1), queued
    assert (retried["status"], retried["trigger"]) == ("succeeded", "api"), retried
    (processed,) = invoke("ProcessFunction", "run-now")
    assert (processed["status"], processed["counts"]["completed"]) == ("succeeded", 1), processed
    (received,) = service.received
    assert (received.path, received.headers["authorization"]) == ("/asr", f"Bearer {WHISPERX_KEY}")

    (answer,) = invoke("ApiFunction", "api-list")
    assert answer["statusCode"] == 200, answer
    (item,) = json.loads(answer["body"])["items"]
    assert item["transcriptionStatus"] == "completed"

    logged = "".join(log.read_text() for log in tmp_path.glob("*.log"))
    assert "run ended" in logged
    for each in ("sync", "queue", "process"):  # as the template's alarms look for them
        written = [line for line in logged.splitlines() if '"Namespace":"Callscribe/callscribe"' in line]
        assert any(f'"service":"{each}"' in line and '"ScheduledRunsSucceeded":[' in line for line in written)
    for secret in (WHISPERX_KEY, key, TRANSCRIBED):
        assert secret not in logged


def test_built_api_is_open_for_health_and_the_admin_page_and_closed_without_a_key(
    built: dict[str, BuiltFunction], stack: Stack, tmp_path: Path
) -> None:
    events = examples(stack, key="")
    variables = lambda_environment(stack.functions["ApiFunction"], stack)
    with emulate(built["ApiFunction"], variables, tmp_path / "log") as emulator:
        health = emulator.invoke(events["api-health"])
        closed = emulator.invoke(events["api-list-without-key"])
        page = emulator.invoke(events["api-health"] | {"rawPath": "/admin"})
        (script,) = re.findall(r'<script type="module" src="(.+?)">', page["body"])
        asset = emulator.invoke(events["api-health"] | {"rawPath": script})
    assert (health["statusCode"], json.loads(health["body"])) == (200, {"status": "ok"})
    assert closed["statusCode"] == 401
    assert (page["statusCode"], asset["statusCode"]) == (200, 200)
    beginning = built["ApiFunction"].folder / "functions/api/admin" / Path(script).name
    assert asset["body"] == beginning.read_text()


def _folders(built: dict[str, BuiltFunction]) -> set[Path]:
    return {each.folder for each in built.values()} | {each.layer for each in built.values()}


def _size(folder: Path) -> int:
    """In bytes, of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
