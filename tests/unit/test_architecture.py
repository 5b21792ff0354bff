"""The architecture: which folder may import what, how large modules and packages grow, and unique class names."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/shared/callscribe"
FUNCTIONS = ROOT / "functions"
LAYER_MODULES = sorted(LAYER.rglob("*.py"))
MODULES = [*LAYER_MODULES, *sorted(FUNCTIONS.rglob("*.py"))]
PRODUCT = [*MODULES, *sorted((ROOT / "local").rglob("*.py"))]

PURE = ("clock", "cold_start", "errors", "call_metadata", "phone_systems", "recordings", "sidecars", "transcripts")
"""Modules and packages of the layer without AWS and HTTP: they import only the standard library and pure modules."""

PURE_MODULES = ("settings.environment", "sources", "sources.file_types", "sources.wav")
"""Pure modules in packages that also hold others."""

EXTRA_LIBRARIES = {"phone_systems/custom_patterns.py": "re2"}
"""Libraries that a pure module may import: re2 matches in linear time, and is imported only for custom patterns."""

LIBRARIES = {
    "pynamodb": ("store", "aws.py"),
    "requests": ("whisperx",),
    "urllib3": ("whisperx",),
    "boto3": ("aws.py",),
    "botocore": ("aws.py",),
    "re2": ("phone_systems/custom_patterns.py",),
}
"""The only part of the product that may import a library, relative to the layer."""

FORBIDDEN_IMPORTS = {
    "layers/shared/callscribe": {"functions", "local", "benchmarks", "testing", "tests"},
    "functions": {"local", "benchmarks", "testing", "tests"},
    "local": {"benchmarks", "testing", "tests"},
    "testing": {"benchmarks", "tests"},
    "benchmarks": {"tests"},
}

MAX_LINES = 300
"""Lines of a module."""

MAX_ROOT_MODULES = {"layers/shared/callscribe": 8, "functions/api": 10}
"""Modules directly in a package, without its `__init__.py`."""

ADAPTERS = ("recordings", "settings", "store", "whisperx", "sources", "sidecars", "phone_systems")
"""Packages of the layer that keep one concern in one place: transitions, settings, DynamoDB, HTTP, audio, sidecars,
file names. A module of theirs belongs there even if one function alone uses it."""


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_level_imports(path):
    return {name.split(".")[0] for name in imports(path)}


def layer_module(path):
    """`callscribe.store.runs` for its path; a package for its `__init__.py`."""
    parts = path.relative_to(LAYER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_one_part_of_the_layer_imports_each_library(path):
    for library, allowed in LIBRARIES.items():
        if library in top_level_imports(path):
            assert any(path.is_relative_to(LAYER / each) for each in allowed), library


@pytest.mark.parametrize("folder", FORBIDDEN_IMPORTS)
def test_imports_go_one_way_and_nothing_imports_the_tests(folder):
    wrong = {path: FORBIDDEN_IMPORTS[folder] & top_level_imports(path) for path in (ROOT / folder).rglob("*.py")}
    assert not any(wrong.values()), wrong


@pytest.mark.parametrize("name", [*PURE, *PURE_MODULES])
def test_pure_modules_import_only_the_standard_library_and_each_other(name):
    base = LAYER / name.replace(".", "/")
    paths = (
        base.rglob("*.py")
        if base.is_dir() and name in PURE
        else [base / "__init__.py" if base.is_dir() else base.with_suffix(".py")]
    )
    for path in paths:
        for module in imports(path):
            top, _, rest = module.partition(".")
            is_pure = top == "callscribe" and (
                rest.split(".")[0] in PURE
                or any(rest == each or rest.startswith(f"{each}.") for each in PURE_MODULES)
                or not rest
            )
            is_extra = EXTRA_LIBRARIES.get(path.relative_to(LAYER).as_posix()) == top
            assert is_pure or is_extra or top in sys.stdlib_module_names, f"{relative(path)} imports {module}"


def test_a_layer_module_is_used_by_two_functions_or_by_a_layer_module_that_is():
    names = {layer_module(path): path for path in LAYER_MODULES}
    users: dict[str, set[str]] = {name: set() for name in names}
    for path in MODULES:
        user = layer_module(path) if path.is_relative_to(LAYER) else path.relative_to(FUNCTIONS).parts[0]
        for name in set(imports(path)) & set(names):
            users[name].add(user)
    shared = {name for name, by in users.items() if len([user for user in by if not user.startswith("callscribe")]) > 1}
    while grown := {name for name, by in users.items() if by & shared} - shared:
        shared |= grown
    packages = {name for name, path in names.items() if path.name == "__init__.py"}
    alone = {name for name in set(names) - shared - packages if name.split(".")[1] not in ADAPTERS}
    assert alone == set(), "move it to the function that uses it"


@pytest.mark.parametrize("folder", MAX_ROOT_MODULES)
def test_a_package_root_holds_few_modules(folder):
    modules = [path.name for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_ROOT_MODULES[folder], modules


def test_no_module_is_too_long():
    lines = {relative(path): len(path.read_text().splitlines()) for path in PRODUCT}
    assert {path: number for path, number in lines.items() if number > MAX_LINES} == {}


def test_no_two_classes_of_the_product_share_a_name():
    found = Counter(
        node.name for path in PRODUCT for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)
    )
    assert {name: number for name, number in found.items() if number > 1} == {}


def test_classifying_a_name_imports_no_patterns():
    """Patterns, and the library for custom ones, are imported when the first name is parsed."""
    code = "import sys, callscribe.sources.file_types, callscribe.phone_systems; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": f"{LAYER.parent}"}
    loaded = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith("callscribe.phone_systems.") or name == "re2"] == []


@pytest.mark.parametrize("function", ["sync", "queue", "process", "api"])
def test_a_function_imports_no_other_function(function):
    for path in (FUNCTIONS / function).rglob("*.py"):
        for module in imports(path):
            if module.startswith("functions."):
                assert module.split(".")[1] == function


def test_only_the_decoder_imports_pyav():
    assert [path for path in MODULES if "av" in top_level_imports(path)] == [FUNCTIONS / "process/decoder.py"]


def test_nothing_imports_the_tracer():
    for path in MODULES:
        assert not [name for name in imports(path) if "tracing" in name.lower() or "tracer" in name.lower()]


def test_every_module_has_a_docstring():
    assert [path for path in PRODUCT if not ast.get_docstring(ast.parse(path.read_text()))] == []


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


def test_the_queue_function_does_not_hide_the_standard_library_s_queue():
    assert [*FUNCTIONS.glob("__init__.py"), *FUNCTIONS.glob("*/__init__.py")] == []
    code = "import queue; queue.SimpleQueue()"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": f"{ROOT}:{LAYER.parent}"}, check=True)
