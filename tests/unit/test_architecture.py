"""The architecture: which folder may import what, how large modules and packages grow, and unique class names."""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/shared/callscribe"
FUNCTIONS = ROOT / "functions"
FUNCTION_NAMES = ("sync", "queue", "process", "api")
LAYER_MODULES = sorted(LAYER.rglob("*.py"))
MODULES = [*LAYER_MODULES, *sorted(FUNCTIONS.rglob("*.py"))]
PRODUCT = [*MODULES, *sorted((ROOT / "deployment").rglob("*.py")), *sorted((ROOT / "local").rglob("*.py"))]
CODE = [*PRODUCT, *sorted((ROOT / "testing").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]

PURE = ("clock", "cold_start", "errors", "call_metadata", "phone_systems", "recordings", "sidecars", "transcripts")
"""Modules and packages of the layer without AWS and HTTP: they import only the standard library and pure modules."""

PURE_MODULES = ("settings.environment", "sources", "sources.file_types", "sources.wav")
"""Pure modules in packages that also hold others."""

EXTRA_LIBRARIES = {"phone_systems/custom_patterns.py": "re2"}
"""Libraries that a pure module may import: re2 matches in linear time, and is imported only for custom patterns."""

LIBRARIES = {
    "pynamodb": (LAYER / "store", LAYER / "aws.py"),
    "requests": (LAYER / "whisperx",),
    "urllib3": (LAYER / "whisperx",),
    "boto3": (LAYER / "aws.py",),
    "botocore": (LAYER / "aws.py",),
    "re2": (LAYER / "phone_systems/custom_patterns.py",),
    "av": (FUNCTIONS / "process/audio/decoder.py",),
    "aws_lambda_powertools.utilities.parameters": (),  # it creates clients of its own, with other timeouts
}
"""The only modules or packages of the functions and the layer that may import a library."""

AWS_NAMES = {"boto3", "botocore", "create_client", "ClientError", "BotoCoreError"}
"""Names that only `aws.py` may use: it creates the clients, and maps their exceptions to ours."""

FORBIDDEN_IMPORTS = {
    "layers/shared/callscribe": {"functions", "local", "benchmarks", "testing", "tests"},
    "functions": {"local", "benchmarks", "testing", "tests"},
    "deployment": {"functions", "callscribe", "local", "benchmarks", "testing", "tests"},
    "local": {"benchmarks", "testing", "tests"},
    "testing": {"benchmarks", "tests"},
    "benchmarks": {"tests"},
}

MAX_LINES = 300
"""Lines of a module."""

MAX_MODULES = 8
"""Modules directly in a folder, without its `__init__.py`."""

LARGER_FOLDERS = {
    "functions/api": 9,
    "functions/api/routes": 9,
    "layers/shared/callscribe/phone_systems": 11,
    "layers/shared/callscribe/recordings": 9,
    "layers/shared/callscribe/store": 15,
}
"""Folders with more modules, and how many. A number may be lowered; to raise one needs a reason."""

MODULES_OF_ONE_FUNCTION = {
    "settings has all settings": ("settings.api", "settings.process", "settings.sync"),
    "store has all that uses DynamoDB": ("store.known_files", "store.service_requests", "store.statistics"),
    "sidecars has all formats of metadata files": (
        "sidecars",
        "sidecars.csv_sidecar",
        "sidecars.freeswitch_cdr",
        "sidecars.grandstream_index",
        "sidecars.json_sidecar",
        "sidecars.placeholders",
        "sidecars.plain_text",
        "sidecars.xml_sidecar",
    ),
    "whisperx has all that talks to the server; the dialects are imported by name": (
        "whisperx",
        "whisperx.authentication",
        "whisperx.client",
        "whisperx.connection_failures",
        "whisperx.connection_test",
        "whisperx.dialects.asr",
        "whisperx.dialects.base",
        "whisperx.dialects.openai",
        "whisperx.dialects.reported_errors",
        "whisperx.dialects.tasks",
        "whisperx.response_errors",
        "whisperx.error_tables",
        "whisperx.connection_options",
        "whisperx.network_errors",
    ),
}
"""Modules of the layer that fewer than two functions use, by the reason why they are in the layer nevertheless."""


@cache
def parse(path):
    return ast.parse(path.read_text())


def imports(path):
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{relative(path)}:{node.lineno} is a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_level_imports(path):
    return {name.split(".")[0] for name in imports(path)}


def identifiers(path):
    """The names and attributes that a module uses or imports."""
    for node in ast.walk(parse(path)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name


def layer_module(path):
    """`callscribe.store.runs` for its path; a package for its `__init__.py`."""
    parts = path.relative_to(LAYER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("library", LIBRARIES)
def test_only_named_modules_import_a_library(library):
    importers = [path for path in MODULES if any(f"{name}.".startswith(f"{library}.") for name in imports(path))]
    assert [path for path in importers if not any(map(path.is_relative_to, LIBRARIES[library]))] == []
    assert [each for each in LIBRARIES[library] if not any(path.is_relative_to(each) for path in importers)] == []


def test_only_one_module_creates_aws_clients_and_names_their_exceptions():
    users = {
        relative(path): found
        for path in MODULES
        if path != LAYER / "aws.py" and (found := AWS_NAMES & set(identifiers(path)))
    }
    assert users == {}


@pytest.mark.parametrize("folder", FORBIDDEN_IMPORTS)
def test_imports_go_one_way_and_nothing_imports_the_tests(folder):
    wrong = {path: FORBIDDEN_IMPORTS[folder] & top_level_imports(path) for path in (ROOT / folder).rglob("*.py")}
    assert not any(wrong.values()), wrong


def test_only_one_module_imports_sam_cli():
    """SAM CLI is in an environment of its own, and its modules are not a public interface."""
    users = [relative(path) for path in CODE if any(name.startswith("samcli") for name in imports(path))]
    assert users == ["deployment/sam.py"]


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


def uses_of(function):
    """The modules of the layer that a function imports, itself or through others."""
    by_name = {layer_module(path): path for path in LAYER_MODULES}
    uses, unread = set[str](), [path for path in MODULES if path.is_relative_to(FUNCTIONS / function)]
    while unread:
        new = {name for name in imports(unread.pop()) if name in by_name} - uses
        uses |= new
        unread += [by_name[name] for name in new]
    return uses


def test_every_module_of_the_layer_is_used_by_two_functions_or_has_a_reason_to_be_there():
    users = Counter(module for function in FUNCTION_NAMES for module in uses_of(function))
    alone = {
        layer_module(path).removeprefix("callscribe.")
        for path in LAYER_MODULES
        if users[layer_module(path)] < 2 and len(parse(path).body) > 1  # not a package with only a docstring
    }
    with_reason = {module for modules in MODULES_OF_ONE_FUNCTION.values() for module in modules}
    assert alone - with_reason == set(), "move them to the function that uses them"
    assert with_reason - alone == set(), "they need no exception"


def test_a_folder_holds_few_modules():
    modules = Counter(relative(path.parent) for path in MODULES if path.name != "__init__.py")
    assert {folder: number for folder, number in modules.items() if number > MAX_MODULES} == LARGER_FOLDERS


def test_no_module_is_too_long():
    lines = {relative(path): len(path.read_text().splitlines()) for path in CODE}
    assert {path: number for path, number in lines.items() if number > MAX_LINES} == {}


def class_names():
    """The classes of all code, nested ones too; except `Meta`, whose name PynamoDB prescribes."""
    nodes = (node for path in CODE for node in ast.walk(parse(path)))
    return [node.name for node in nodes if isinstance(node, ast.ClassDef) and node.name != "Meta"]


def test_no_two_classes_share_a_name():
    assert {name: number for name, number in Counter(class_names()).items() if number > 1} == {}


def test_there_is_one_class_for_pages():
    assert [name for name in class_names() if name.endswith("Page")] == ["Page"]


def test_classifying_a_name_imports_no_patterns():
    """Patterns, and the library for custom ones, are imported when the first name is parsed."""
    code = "import sys, callscribe.sources.file_types, callscribe.phone_systems; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": f"{LAYER.parent}"}
    loaded = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith("callscribe.phone_systems.") or name == "re2"] == []


@pytest.mark.parametrize("function", FUNCTION_NAMES)
def test_a_function_imports_no_other_function(function):
    for path in (FUNCTIONS / function).rglob("*.py"):
        for module in imports(path):
            if module.startswith("functions."):
                assert module.split(".")[1] == function


def test_nothing_imports_the_tracer():
    for path in MODULES:
        assert not [name for name in imports(path) if "tracing" in name.lower() or "tracer" in name.lower()]


def test_every_module_has_a_docstring():
    assert [path for path in PRODUCT if not ast.get_docstring(parse(path))] == []


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
