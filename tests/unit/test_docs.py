"""The docs name what exists, and everything that users meet is documented."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel
from samtranslator.yaml_helper import yaml_parse

from callscribe import errors
from callscribe.phone_systems import SYSTEMS, extract_metadata
from callscribe.phone_systems.custom_patterns import GROUPS, CustomPattern
from callscribe.recordings.recording import Status
from callscribe.recordings.state_machine import TRANSITIONS
from callscribe.settings.api import ApiSettings, EdgeSettings
from callscribe.settings.environment import StoreSettings
from callscribe.settings.process import ProcessSettings
from callscribe.settings.sync import SyncEnv
from callscribe.settings.whisperx import DIALECTS, WhisperXSettings
from callscribe.sources import file_types
from callscribe.transcripts.stereo import DEFAULT_LAYOUTS, ChannelLayout
from functions.api.app import app
from functions.api.routes import load_all_routes
from functions.api.schemas.modules import CallRecordingsTestRequest, WhisperXTestRequest
from local.options import PARAMETERS

SETTINGS = {
    "Sync": (SyncEnv,),
    "Queue": (),
    "Process": (ProcessSettings,),
    "Api": (ApiSettings, EdgeSettings, WhisperXSettings),
}
ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/shared/callscribe"
README = (ROOT / "README.md").read_text()
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
CODE_ARGUMENTS = {"ErrorMapping": slice(1, 2), "ApiError": slice(1, 2), "end": slice(2, 3), "_end": slice(4, 5)}
"""The position of the error code in the arguments of these functions and classes."""
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tests/README.md", ROOT / "local/samples/README.md"]
MAX_README_LINES = 150
MAX_GLOSSARY_TERMS = 40


def read_page(name):
    return (ROOT / "docs" / name).read_text()


def table_rows(text):
    """Return the cells of each row of the Markdown tables, including headers."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set(row[0]) <= set("-: ")]


def test_readme_is_short_and_counts_the_phone_systems():
    assert len(README.splitlines()) <= MAX_README_LINES
    assert f"[{len(SYSTEMS)} phone systems]" in README


def test_index_of_the_docs_links_every_page():
    linked = set(re.findall(r"\]\(([\w-]+\.md)", read_page("README.md")))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} == linked


def test_glossary_is_short_and_sorted():
    terms = [row[0] for row in table_rows(read_page("glossary.md"))][1:]
    assert terms == sorted(terms, key=str.casefold)
    assert len(terms) <= MAX_GLOSSARY_TERMS


def test_every_parameter_is_documented_with_its_default_and_no_others():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", read_page("configuration.md"), re.MULTILINE)
    documented = {name: default.strip("`") for name, default in rows}
    declared = {
        name: str(parameter.get("Default", "–")) or "empty" for name, parameter in TEMPLATE["Parameters"].items()
    }
    assert documented == declared


def test_pages_name_only_parameters_and_resources_that_exist():
    for page in PAGES:
        named = set(re.findall(r"`(WhisperX[A-Z]\w*|Alarm[A-Z]\w*|Efs[A-Z]\w*|\w+Schedule)[`=]", page.read_text()))
        assert named <= TEMPLATE["Parameters"].keys() | TEMPLATE["Resources"].keys(), page.name


def test_every_server_has_a_section_with_its_docker_commands_and_settings():
    page = read_page("whisperx-servers.md")
    servers = re.findall(r"^\| \[([\w.-]+)\]\(#[\w-]+\) \| `(\w+)` \|", page, re.MULTILINE)
    assert {dialect for _, dialect in servers} == set(DIALECTS)
    for server, dialect in servers:
        section = page.partition(f"\n## {server}\n")[2].partition("\n## ")[0]
        assert "docker run" in section, server
        assert f"`{dialect}` |" in section, server


def test_setting_names_agree_across_page_api_template_and_cli():
    row = re.compile(r"^\| ([^|]+) \| `(\w+)` \| (?:`(\w+)`|–) \| (?:`(--[\w-]+)`|–) \|$", re.MULTILINE)
    rows = row.findall(read_page("api.md"))
    forms = (ROOT / "functions/api/admin/forms.js").read_text()
    settings = {**WhisperXTestRequest.model_fields, **CallRecordingsTestRequest.model_fields}
    assert {(field, label) for label, field, _, _ in rows} == set(re.findall(r'name="(\w+)"\s+title="([^"]+)"', forms))
    assert {field for _, field, _, _ in rows} == {to_camel(name) for name in settings}
    assert {parameter for _, _, parameter, _ in rows} - {""} <= TEMPLATE["Parameters"].keys()
    options = {parameter or field: option for _, field, parameter, option in rows if option}
    assert options == PARAMETERS | {"RecordingsPath": "--recordings", "headers": "--header", "caCertificate": "--ca"}


def test_every_route_is_documented():
    page = read_page("api.md")
    load_all_routes(app)
    for route in app._static_routes + app._dynamic_routes:
        if not route.include_in_schema:
            continue
        methods = [route.method] if isinstance(route.method, str) else route.method
        path = re.sub(r"<(\w+)>", r"{\1}", route.path)
        path = re.sub(r"\{(recording|run)Id\}", "{id}", path)
        for method in methods:
            assert f"| `{method} {path}` |" in page


@pytest.mark.parametrize("function", ["Sync", "Queue", "Process", "Api"])
def test_function_gets_the_environment_variables_that_it_reads_and_no_others(function):
    declared = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    declared |= set(TEMPLATE["Resources"][f"{function}Function"]["Properties"]["Environment"]["Variables"])
    read = {field.name.upper() for settings in (StoreSettings, *SETTINGS[function]) for field in fields(settings)}
    assert {name for name in declared if not name.startswith(("AWS_", "POWERTOOLS_"))} == read


def test_template_offers_every_dialect_and_phone_system():
    assert TEMPLATE["Parameters"]["WhisperXDialect"]["AllowedValues"] == list(DIALECTS)
    assert TEMPLATE["Parameters"]["PhoneSystem"]["AllowedValues"] == ["", *SYSTEMS]


def test_every_status_is_documented():
    page = read_page("states.md")
    for status in Status:
        assert f"| `{status}` |" in page


def test_every_transition_is_documented():
    rows = re.findall(r"^\| (.* → .*?) \|", read_page("states.md"), re.MULTILINE)
    documented = {transition for row in rows for transition in row.split(", ")}
    for transitions in TRANSITIONS.values():
        for source, targets in transitions.items():
            assert {f"{source} → {target}" for target in targets} <= documented


def find_calls(*callees):
    """Yield name and syntax tree of each call of these functions and classes in the functions and the layer."""
    for path in [*(ROOT / "functions").rglob("*.py"), *LAYER.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in callees:
                yield name, node


def error_codes(*callees):
    """Return the error codes in calls of these functions and classes, from keywords and positional arguments."""
    codes = set()
    for name, call in find_calls(*callees):
        arguments = [keyword.value for keyword in call.keywords if keyword.arg in ("code", "error_code")]
        arguments += call.args[CODE_ARGUMENTS[name]] if name in CODE_ARGUMENTS else []
        codes |= {argument.value for argument in arguments if isinstance(argument, ast.Constant)}
    return codes


def with_subclasses(error):
    return [error, *(descendant for subclass in error.__subclasses__() for descendant in with_subclasses(subclass))]


def test_every_error_code_of_an_attempt_is_documented():
    page = read_page("transcription.md")
    classes = with_subclasses(errors.TranscriptionError)
    codes = error_codes("ErrorMapping", *(error.__name__ for error in classes))
    codes |= {error.code for error in classes if "code" in vars(error)}
    assert {"timeout", "authentication_failed", "no_audio", "service_down"} <= codes
    assert {code for code in codes - {"transcription_error"} if f"`{code}`" not in page} == set()


def test_every_error_code_of_a_run_is_documented_and_no_others():
    table = read_page("operations.md").partition("## Task errors")[2].partition("\n## ")[0]
    codes = error_codes("RunSkipped", "end", "_finish", "replace")
    codes |= {error.code for error in (errors.ConfigurationError, errors.SourceError, errors.StoreError)}
    assert {"internal_error", "run_died", "paused"} <= codes
    assert codes == {code for row in table_rows(table) for code in re.findall(r"`(\w+)`", row[0])}


def test_every_error_code_of_the_api_is_documented():
    section = read_page("api.md").partition("## Errors\n")[2].partition("\n## ")[0]
    documented = {code for row in table_rows(section) for code in re.findall(r"`(\w+)`", row[1])}
    codes = error_codes("ApiError") | {errors.InvalidTransition.code, errors.StoreError.code}
    assert {"unauthorized", "recording_not_found", "conflict"} <= codes
    assert codes <= documented


def test_every_metric_is_documented():
    rows = re.findall(r"^\| `([A-Z]\w+)` \| [a-z, ]+ \| (?:count|seconds) \|", read_page("operations.md"), re.MULTILINE)
    names = {
        call.args[0].value
        for _, call in find_calls("add_count", "add_duration")
        if isinstance(call.args[0], ast.Constant)
    }
    assert {"RecordingsAdded", "OldestQueuedAgeSeconds"} <= names <= set(rows)


OTHER_PARTY = {
    None: "–",
    ChannelLayout.CALLER_LEFT: "left",
    ChannelLayout.CALLER_RIGHT: "right",
    ChannelLayout.CALLING_SIDE_LEFT: "left if it called",
}


def test_every_phone_system_is_documented_with_a_file_name_that_is_recognised():
    page = read_page("phone-systems.md")
    rows = dict(re.findall(r"^\| [^|]+ \| `([^`]+)` \| (.*) \|$", page, re.MULTILINE))
    assert set(rows) == set(SYSTEMS)
    for system, row in rows.items():
        names, *_, other_party = row.split(" | ")
        assert re.sub(r" \(.*", "", other_party) == OTHER_PARTY[DEFAULT_LAYOUTS.get(system)]
        name = names.split("`")[1].replace("CONTACTID", "c04b9f56-069a-4baa-8cbf-cbd10b3b5da3")
        name = name.replace(
            "=ID/RECORDING", "=7c0e1a52-0a55-4f3d-9a43-2f5a3e1c9d10/0d4f7a55-2b1c-4c4e-8f0f-6f5b7a8c9d0e"
        )
        assert extract_metadata(name, system).phone_system == system


def test_groups_of_patterns_kinds_of_files_and_extensions_are_documented():
    page = read_page("phone-systems.md")
    for word in (*GROUPS, *file_types.FileKind):
        assert f"`{word}`" in page, word
    assert set(re.search(r"in upper or lower case: ([^.]+)\.", page)[1].split(", ")) == file_types.AUDIO_EXTENSIONS


def test_examples_of_custom_patterns_match():
    page = read_page("phone-systems.md")
    examples = re.findall(r"^(\S.*)\n    (\S.*\(\?P<.*)$", page, re.MULTILINE)
    first, second = [extract_metadata(name, patterns=[CustomPattern.parse(pattern)]) for name, pattern in examples]
    assert (first.caller, first.callee, str(first.started_at)) == ("01134960000", "204", "2023-05-17 14:25:00")
    assert (second.extension, second.callee, second.direction) == ("204", "01134960000", "outbound")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_and_picture_has_a_target(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"src(?:set)?=\"([^\"]+)\"", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or anchor in headings(path), target


def headings(page):
    """Return the anchors that GitHub generates for the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_architecture_page_names_every_folder_and_only_files_that_exist():
    page = read_page("architecture.md")
    for path in re.findall(r"`([\w./]+\.py|[\w./]+/)[`:]", page):
        assert (ROOT / path).exists() or (LAYER / path).exists(), path
    folders = [path.parent for path in [*(ROOT / "functions").glob("*/app.py"), *LAYER.glob("*/__init__.py")]]
    assert {folder.name for folder in folders if f"  {folder.name}/ " not in page} == set()


def test_every_option_of_local_up_is_documented():
    command = [sys.executable, "-m", "local", "up", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for option in set(re.findall(r"--[a-z-]+", text)) - {"--help"}:
        assert f"`{option}" in README, option


def test_docs_name_only_make_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (page.name, target)


def test_no_file_contains_a_path_of_this_machine_or_a_package_registry():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    # docs name a cache folder in containers of WhisperX servers
    hosts = re.compile("python" + "hosted|py" + r"pi\.org|registry\.npm" + "js|/ro" + r"ot/(?!\.cache)|/wo" + "rk/")
    text_suffixes = (".py", ".md", ".txt", ".in", ".toml", ".yaml", ".sh", ".json", "")
    for name in listing.splitlines():
        path = ROOT / name
        if path.is_file() and path.suffix in text_suffixes:
            assert not hosts.search(path.read_text(errors="replace")), name
