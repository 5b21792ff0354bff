"""What the docs name is there, and what is there is named."""

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
from callscribe.transcripts.stereo import DEFAULT_LAYOUTS
from functions.api.app import app, load_all_routes
from functions.api.schemas.modules import CallRecordingsTestRequest, WhisperXTestRequest
from local.options import PARAMETERS

SETTINGS = {
    "Sync": (SyncEnv,),
    "Queue": (),
    "Process": (ProcessSettings,),
    "Api": (ApiSettings, EdgeSettings, WhisperXSettings),
}
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
PLACES = {"ErrorMapping": slice(1, 2), "end": slice(2, 3), "_end": slice(4, 5)}
"""Of the code among the arguments of these."""
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tests/README.md", ROOT / "local/samples/README.md"]


def test_every_parameter_is_in_the_readme_with_its_default():
    for name, declared in TEMPLATE["Parameters"].items():
        row = re.search(rf"^\| `{name}` \| (.*?) \|", README, re.MULTILINE)
        assert row, name
        default = declared.get("Default", "–")
        assert row[1].strip("`") == (str(default) or "empty")


def test_a_setting_has_a_name_on_the_page_in_the_api_in_the_template_and_on_the_command_line():
    rows = re.findall(
        r"^\| ([^|]+) \| `(\w+)` \| (?:`(\w+)`|–) \| (?:`(--[\w-]+)`|–) \|$",
        (ROOT / "docs/api.md").read_text(),
        re.MULTILINE,
    )
    forms = (ROOT / "functions/api/admin/forms.js").read_text()
    fields = {**WhisperXTestRequest.model_fields, **CallRecordingsTestRequest.model_fields}
    assert {(field, label) for label, field, _, _ in rows} == set(re.findall(r'name="(\w+)"\s+title="([^"]+)"', forms))
    assert {field for _, field, _, _ in rows} == {to_camel(name) for name in fields}
    assert {parameter for _, _, parameter, _ in rows} - {""} <= TEMPLATE["Parameters"].keys()
    options = {parameter: option for _, _, parameter, option in rows if option}
    assert options == PARAMETERS | {"RecordingsPath": "--recordings"}


def test_every_route_is_in_the_readme():
    load_all_routes()
    for route in app._static_routes + app._dynamic_routes:
        if not route.include_in_schema:
            continue
        methods = [route.method] if isinstance(route.method, str) else route.method
        path = re.sub(r"<(\w+)>", r"{\1}", route.path)
        path = re.sub(r"\{(recording|run)Id\}", "{id}", path)
        for method in methods:
            assert f"`{method} {path}`" in README


@pytest.mark.parametrize("function", ["Sync", "Queue", "Process", "Api"])
def test_a_function_is_given_the_variables_that_it_reads_and_no_others(function):
    given = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    given |= set(TEMPLATE["Resources"][f"{function}Function"]["Properties"]["Environment"]["Variables"])
    read = {each.name.upper() for kind in (StoreSettings, *SETTINGS[function]) for each in fields(kind)}
    assert {name for name in given if not name.startswith(("AWS_", "POWERTOOLS_"))} == read


def test_the_template_offers_the_dialects_that_there_are():
    assert TEMPLATE["Parameters"]["WhisperXDialect"]["AllowedValues"] == list(DIALECTS)


def test_every_status_is_in_the_table_of_states():
    states = (ROOT / "docs/states.md").read_text()
    for status in Status:
        assert f"| `{status}` |" in states


def test_every_transition_is_in_the_table_of_states():
    states = (ROOT / "docs/states.md").read_text()
    ways = {way for row in re.findall(r"^\| (.* → .*?) \|", states, re.MULTILINE) for way in row.split(", ")}
    for transitions in TRANSITIONS.values():
        for source, targets in transitions.items():
            assert {f"{source} → {target}" for target in targets} <= ways


def codes_of(*callees):
    """The codes that the functions and the layer give to calls of these names: by keyword, or in their place."""
    found = set()
    for path in [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers/shared/callscribe").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in callees:
                given = [each.value for each in node.keywords if each.arg in ("code", "error_code")]
                given += node.args[PLACES[name]] if name in PLACES else []
                found |= {each.value for each in given if isinstance(each, ast.Constant)}
    return found


def kinds_of(error):
    return [error, *(each for kind in error.__subclasses__() for each in kinds_of(kind))]


def test_every_code_that_an_attempt_can_end_with_is_explained():
    page = (ROOT / "docs/transcription.md").read_text()
    kinds = kinds_of(errors.TranscriptionError)
    codes = codes_of("ErrorMapping", *(kind.__name__ for kind in kinds)) | {
        kind.code for kind in kinds if "code" in vars(kind)
    }
    assert {"timeout", "authentication_failed", "no_audio", "service_down"} <= codes
    assert {code for code in codes - {"transcription"} if f"`{code}`" not in page} == set()


def test_the_codes_that_a_run_can_end_with_are_explained_and_no_others():
    table = (ROOT / "docs/operations.md").read_text().partition("## Task errors")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    codes = codes_of("RunSkipped", "end", "_finish", "replace")
    codes |= {kind.code for kind in (errors.ConfigurationError, errors.SourceError, errors.StoreError)}
    assert {"internal_error", "run_died", "paused"} <= codes
    assert codes == {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}


def test_every_phone_system_is_in_the_docs_with_a_name_that_is_understood():
    page = (ROOT / "docs/phone-systems.md").read_text()
    rows = dict(re.findall(r"^\| [^|]+ \| `([^`]+)` \| (.*) \|$", page, re.MULTILINE))
    assert set(rows) == set(SYSTEMS)
    for system, row in rows.items():
        names, *_, other_party = row.split(" | ")
        assert other_party.startswith(
            DEFAULT_LAYOUTS[system].removeprefix("caller-") if system in DEFAULT_LAYOUTS else "–"
        )
        name = names.split("`")[1].replace("CONTACTID", "c04b9f56-069a-4baa-8cbf-cbd10b3b5da3")
        name = name.replace(
            "=ID/RECORDING", "=7c0e1a52-0a55-4f3d-9a43-2f5a3e1c9d10/0d4f7a55-2b1c-4c4e-8f0f-6f5b7a8c9d0e"
        )
        assert extract_metadata(name, system).phone_system == system


def test_everything_about_names_of_files_is_in_the_docs():
    page = (ROOT / "docs/phone-systems.md").read_text()
    for word in (*GROUPS, *file_types.FileKind):
        assert f"`{word}`" in page, word
    assert set(re.search(r"in upper or lower case: ([^.]+)\.", page)[1].split(", ")) == file_types.AUDIO_EXTENSIONS


def test_the_examples_of_a_site_s_own_pattern_read_what_they_say():
    page = (ROOT / "docs/phone-systems.md").read_text()
    examples = re.findall(r"^(\S.*)\n    (\S.*\(\?P<.*)$", page, re.MULTILINE)
    first, second = [extract_metadata(name, patterns=[CustomPattern.parse(pattern)]) for name, pattern in examples]
    assert (first.caller, first.callee, str(first.started_at)) == ("01134960000", "204", "2023-05-17 14:25:00")
    assert (second.extension, second.callee, second.direction) == ("204", "01134960000", "outbound")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_and_picture_leads_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"src(?:set)?=\"([^\"]+)\"", text):
        if target.startswith("https://"):
            continue
        name, _, part = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not part or part in headings(path), target


def headings(page):
    """Those of a page as links name them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found]


def test_every_option_of_up_is_in_the_readme():
    command = [sys.executable, "-m", "local", "up", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for option in set(re.findall(r"--[a-z-]+", text)) - {"--help"}:
        assert f"`{option}" in README, option


def test_every_verb_of_make_that_the_docs_name_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for verb in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE):
            assert re.search(rf"^{verb}:", makefile, re.MULTILINE), (page.name, verb)


def test_nothing_of_this_machine_or_of_a_package_registry_is_in_the_tree():
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    # docs name a cache folder within containers of WhisperX servers
    hosts = re.compile("python" + "hosted|py" + r"pi\.org|registry\.npm" + "js|/ro" + r"ot/(?!\.cache)|/wo" + "rk/")
    for name in files:
        path = ROOT / name
        if (
            name
            and path.is_file()
            and path.suffix in (".py", ".md", ".txt", ".in", ".toml", ".yaml", ".sh", ".json", "")
        ):
            assert not hosts.search(path.read_text(errors="replace")), name
