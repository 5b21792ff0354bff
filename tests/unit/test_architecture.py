"""The arrows of the house run one way, and importing any room needs no environment and no AWS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/shared/callscribe"
MODULES = sorted([*LAYER.rglob("*.py"), *(ROOT / "functions").rglob("*.py")])

PLAIN = (
    *("breaker", "call", "captions", "clock", "conversation", "errors", "ingest", "metadata", "moments"),
    *("numbers", "phone_systems", "recording", "run", "search", "settings", "sidecars", "start", "tags", "transcript"),
    *("transitions", "wav", "words"),
)
"""Plain Python: no AWS, no HTTP, and of the layer only each other. A folder is one with all that is in it."""

LIBRARIES = {"site_patterns.py": "re2"}
"""What a plain room may know besides: it matches text in linear time, and is imported where a site has patterns."""

ROOMS = {
    "pynamodb": ("store",),
    "requests": ("whisperx",),
    "urllib3": ("whisperx",),
    "boto3": ("s3.py", "events.py"),
    "cronsim": ("schedule.py",),
    "re2": ("phone_systems/site_patterns.py",),
}
"""Libraries that one room of the layer alone knows."""


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


DEVELOPMENT = {"benchmarks", "testing", "tests"}

NOT_IMPORTED = {
    "layers/shared/callscribe": {"functions", "local", *DEVELOPMENT},
    "functions": {"local", *DEVELOPMENT},
    "local": DEVELOPMENT,
    "testing": {"benchmarks", "tests"},
    "benchmarks": {"tests"},
}
"""What a folder must not import."""


def names(path):
    return {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", sorted(LAYER.rglob("*.py")), ids=lambda path: path.relative_to(LAYER).as_posix())
def test_each_library_has_its_room(path):
    for library, room in ROOMS.items():
        if library in names(path):
            assert any(path.is_relative_to(LAYER / each) for each in room)


@pytest.mark.parametrize("folder", NOT_IMPORTED)
def test_imports_go_one_way_and_nothing_imports_the_tests(folder):
    wrong = {path: NOT_IMPORTED[folder] & names(path) for path in (ROOT / folder).rglob("*.py")}
    assert not any(wrong.values()), wrong


@pytest.mark.parametrize("name", PLAIN)
def test_the_plain_rooms_import_the_standard_library_and_each_other_only(name):
    for path in (LAYER / name).glob("*.py") if (LAYER / name).is_dir() else [LAYER / f"{name}.py"]:
        for module in imported(path):
            top, *rest = module.split(".")
            own = top == "callscribe" and set(rest[:1]) <= set(PLAIN)
            assert own or top in sys.stdlib_module_names or LIBRARIES.get(path.name) == top, path


def test_a_name_costs_a_cold_start_nothing_until_one_is_read():
    """Patterns, and the library for a site's own, are imported with the first name."""
    code = "import sys, callscribe.ingest, callscribe.phone_systems; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": f"{LAYER.parent}"}
    loaded = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith("callscribe.phone_systems.") or name == "re2"] == []


@pytest.mark.parametrize("function", ["sync", "queue", "process", "api"])
def test_a_function_imports_no_other_function(function):
    for path in (ROOT / "functions" / function).rglob("*.py"):
        for module in imported(path):
            if module.startswith("functions."):
                assert module.split(".")[1] == function


def test_one_room_of_one_function_decodes_audio():
    assert [path for path in MODULES if "av" in names(path)] == [ROOT / "functions/process/decoder.py"]


def test_nothing_imports_the_tracer():
    for path in MODULES:
        assert not [name for name in imported(path) if "tracing" in name.lower() or "tracer" in name.lower()]


def test_every_module_says_at_its_top_why_it_exists():
    assert [path for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_importing_everything_needs_no_environment_and_no_network():
    modules = [
        ".".join(path.relative_to(LAYER.parent if path.is_relative_to(LAYER) else ROOT).with_suffix("").parts)
        for path in MODULES
        if path.name != "__init__.py"
    ]
    code = "import socket, importlib\nsocket.socket.connect = None\n" + "".join(
        f"importlib.import_module({module!r})\n" for module in modules
    )
    env = {"PYTHONPATH": f"{LAYER.parent}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_standard_library_s_queue_is_not_hidden_by_ours():
    assert list((ROOT / "functions").rglob("__init__.py")) == []
    code = "import queue; queue.SimpleQueue()"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": f"{ROOT}:{LAYER.parent}"}, check=True)
