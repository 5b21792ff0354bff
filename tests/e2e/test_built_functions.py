"""The built functions under AWS's Lambda emulator: what is missing from the build is missing here, too."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.build import BUILD_DIR, LOG, BuiltFunction, build_functions
from local.cloud.aws import serve_aws
from local.cloud.client import aws_client
from local.cloud.secrets import read_api_key
from local.cloud.stack import Stack, deploy
from local.lambdas.pool import lambda_environment
from local.sam.files import examples
from testing.emulator import emulate, run_code, unavailable_reason
from testing.made_audio import tone, wav

FUNCTIONS = ("SyncFunction", "QueueFunction", "ProcessFunction", "ApiFunction")
TRANSCRIBED = "hello there"  # the transcript of the scripted service
UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552: the flags of a .pyc file
MAX_UNZIPPED_BYTES = 60_000_000  # a quarter of Lambda's limit: small functions start quickly
LAMBDA_LIMIT_BYTES = 250 * 1024**2  # unzipped, of a function with its layers
DECODER = ("av", "av.libs")  # FFmpeg, which is larger than everything else together
WHISPERX_KEY = "the-key-of-the-whisperx-server"
PARAMETERS = {"WhisperXApiKey": WHISPERX_KEY, "LogLevel": "DEBUG"}
DEVELOPMENT_ONLY = ("pytest", "moto", "samtranslator", "samcli", "numpy", "pip")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))]


@pytest.fixture(scope="session")
def built() -> dict[str, BuiltFunction]:
    return build_functions()


@pytest.fixture
def stack(built: dict[str, BuiltFunction], service: Any) -> Iterator[Stack]:
    """The built template, deployed to moto."""
    with serve_aws() as endpoint:
        yield deploy(BUILD_DIR / "template.yaml", endpoint, PARAMETERS | {"WhisperXUrl": service.url})


def test_validation_and_build_print_no_warnings(built: dict[str, BuiltFunction]) -> None:
    log = LOG.read_text()
    after_installation = log[log.index("sam validate") :]
    assert "warn" not in after_installation.lower()
    assert set(built) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_imports_only_from_its_own_folder_and_the_layer(built: dict[str, BuiltFunction], name: str) -> None:
    function = built[name]
    code = f"""if True:
        import importlib, importlib.util, json
        names = {DEVELOPMENT_ONLY!r}
        handler = importlib.import_module({function.handler.rpartition(".")[0]!r})
        import boto3, callscribe
        print(json.dumps({{
            "importable": [name for name in names if importlib.util.find_spec(name)],
            "files": {{module.__name__: module.__file__ for module in (handler, boto3, callscribe)}},
            "handler": callable(handler.lambda_handler),
        }}))
    """
    result = run_code(function, code)
    assert result["importable"] == []
    assert result["handler"]
    handler = result["files"].pop(function.handler.rpartition(".")[0])
    assert Path(handler).is_relative_to(function.folder)
    assert all(Path(file).is_relative_to(function.layer / "python") for file in result["files"].values())


def test_every_source_file_is_shipped_byte_compiled(built: dict[str, BuiltFunction]) -> None:
    """Lambda cannot write byte code, and zipping changes the mtimes that Python otherwise uses to validate it."""

    def flags(source: Path) -> bytes:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        return compiled.read_bytes()[4:8] if compiled.exists() else b""

    sources = [path for folder in _folders(built) for path in folder.rglob("*.py")]
    assert sources
    assert [path for path in sources if flags(path) != UNCHECKED_HASH] == []


def test_layer_and_functions_are_within_their_size_limits(built: dict[str, BuiltFunction]) -> None:
    process = built["ProcessFunction"]
    decoder = sum(_size(process.folder / name) for name in DECODER)
    assert sum(map(_size, _folders(built))) - decoder <= MAX_UNZIPPED_BYTES
    assert _size(process.folder) + _size(process.layer) <= 0.8 * LAMBDA_LIMIT_BYTES


def test_only_process_has_the_decoder_and_does_not_import_it_at_its_start(built: dict[str, BuiltFunction]) -> None:
    with_decoder = [name for name, function in built.items() if (function.folder / DECODER[0]).exists()]
    assert with_decoder == ["ProcessFunction"]
    assert not list(built["ProcessFunction"].layer.rglob("av"))
    code = f"""if True:
        import importlib, json, sys
        importlib.import_module({built["ProcessFunction"].handler.rpartition(".")[0]!r})
        at_start = "av" in sys.modules
        import av
        print(json.dumps({{"at start": at_start, "reads": sorted({{"mp3", "ogg", "flac"}} & av.formats_available)}}))
    """
    assert run_code(built["ProcessFunction"], code) == {"at start": False, "reads": ["flac", "mp3", "ogg"]}


def test_layer_works_on_both_architectures(built: dict[str, BuiltFunction]) -> None:
    layer = built["ApiFunction"].layer
    compiled = list(layer.rglob("*.so"))
    without_python = [path for path in compiled if not path.with_name(f"{path.name.partition('.')[0]}.py").exists()]
    assert without_python == []


def test_built_functions_take_a_recording_from_upload_to_transcript(
    built: dict[str, BuiltFunction], stack: Stack, service: Any, tmp_path: Path
) -> None:
    key = read_api_key(stack.endpoint, stack.secrets["ApiKeySecret"])
    events = examples(stack, key)

    def invoke(name: str, *event_names: str) -> list[dict[str, Any]]:
        variables = lambda_environment(stack.functions[name], stack)
        with emulate(built[name], variables, tmp_path / f"{name}.log") as emulator:
            return [emulator.invoke(events[event_name]) for event_name in event_names]

    s3 = aws_client("s3", stack.endpoint)
    (message,) = events["upload"]["Records"]
    uploaded = json.loads(message["body"])["detail"]["object"]["key"]
    s3.put_object(Bucket=stack.buckets["RecordingsBucket"], Key=uploaded, Body=wav(tone(1, 8_000)))

    tested, *synced = invoke("SyncFunction", "connection-test", "upload", "sync-prefix", "sync-file", "schedule")
    assert tested["ok"], tested
    assert [(run["status"], run["counts"]["listed"]) for run in synced] == [("succeeded", 1)] * 4, synced
    assert [run["counts"]["added"] for run in synced] == [1, 0, 0, 0]
    queued, retried = invoke("QueueFunction", "schedule", "queue-retry")
    assert (queued["status"], queued["counts"]["queued"]) == ("succeeded", 1), queued
    assert (retried["status"], retried["trigger"]) == ("succeeded", "api"), retried
    processed, scheduled = invoke("ProcessFunction", "run-now", "schedule")
    assert (processed["status"], processed["counts"]["completed"]) == ("succeeded", 1), processed
    assert scheduled["status"] == "succeeded", scheduled
    (received,) = service.received
    assert (received.path, received.headers["authorization"]) == ("/asr", f"Bearer {WHISPERX_KEY}")

    (response,) = invoke("ApiFunction", "api-list")
    assert response["statusCode"] == 200, response
    (item,) = json.loads(response["body"])["items"]
    assert item["transcriptionStatus"] == "completed"

    logged = "".join(log.read_text() for log in tmp_path.glob("*.log"))
    assert "run ended" in logged
    metrics = [entry for entry in logged.splitlines() if '"Namespace":"Callscribe/callscribe"' in entry]
    for service_name in ("sync", "queue", "process"):  # used by the template's alarms
        own_metrics = [entry for entry in metrics if f'"service":"{service_name}"' in entry]
        assert any('"ScheduledRunsSucceeded":[' in entry for entry in own_metrics)
    for secret in (WHISPERX_KEY, key, TRANSCRIBED):
        assert secret not in logged


def test_built_api_requires_a_key_except_for_health_and_the_admin_page(
    built: dict[str, BuiltFunction], stack: Stack, tmp_path: Path
) -> None:
    events = examples(stack, key="")
    variables = lambda_environment(stack.functions["ApiFunction"], stack)
    with emulate(built["ApiFunction"], variables, tmp_path / "log") as emulator:
        health = emulator.invoke(events["api-health"])
        unauthorized = emulator.invoke(events["api-list-without-key"])
        page = emulator.invoke(events["api-health"] | {"rawPath": "/admin"})
        (script,) = re.findall(r'<script type="module" src="(.+?)">', page["body"])
        asset = emulator.invoke(events["api-health"] | {"rawPath": script})
    assert (health["statusCode"], json.loads(health["body"])) == (200, {"status": "ok"})
    assert unauthorized["statusCode"] == 401
    assert (page["statusCode"], asset["statusCode"]) == (200, 200)
    source = built["ApiFunction"].folder / "functions/api/admin" / Path(script).name
    assert asset["body"] == source.read_text()


def _folders(built: dict[str, BuiltFunction]) -> set[Path]:
    return {function.folder for function in built.values()} | {function.layer for function in built.values()}


def _size(folder: Path) -> int:
    """The total size of all files in a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
