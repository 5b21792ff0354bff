"""The language of code and docs: phrases that hide the meaning, and names that a stranger would search for."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PHRASES = {
    "told": (r"\b(told|tells?|telling)\b", "reports, contains, says"),
    "beside": (r"\bbesides?\b", "next to, in addition"),
    "lies": (r"\b(lies|lie|lay|lying)\b", "is, is stored"),
    "asks for": (r"\b(asks?|asked|asking) for\b", "requests"),
    "a person": (r"\bpersons?\b", "a user, an operator"),
    "wish": (r"\bwish(es|ed)?\b", "a request, filters, a payload"),
    "stands": (r"\b(stands?|stood|standing)\b", "is"),
    "so often": (r"\bso (often|many|long|few)\b", "how many, the maximum"),
    "in line": (r"\b(in line|the line)\b", "queued, the queue"),
    "goes on": (r"\b(go|goes|went|gone|going) on\b", "continues"),
    "anew": (r"\banew\b", "again"),
    "parted": (r"\bparted\b", "separated by"),
    "taken up": (r"\b(takes?|took|taken|taking) up\b", "ingested"),
    "of before": (r"\bof before\b", "previous"),
    "as it counts": (r"\bas it counts\b|\bcounts more\b", "effective, takes precedence"),
}
"""Words of a former private language, and what to write instead."""

MAX_OCCURRENCES = 2
"""Of each phrase in source and in docs. All are correct English now and then, so none is forbidden."""

RETIRED = (
    *("LostRace", "JobEnded", "ServiceDown", "Dispatcher", "Endings", "Beside", "UnderWay", "TimeLeft", "Rewound"),
    *("as_set", "asked_for", "tried_connection", "give_back", "in_turn", "taken_up", "tell_of", "with_kept", "why_off"),
    *("longest_in_line", "ended_before", "pending_position", "queued_position", "due_position", "final_position"),
    *("allowed_for_person", "module_settings", "whisperx_settings", "PatientAdapter", "OneRequest", "TellsSomebody"),
    *("lost_races", "passed_over", "under_way", "stopped_early", "too_old", "key_refused", "wrong_address"),
    *("being_transcribed", "changed_meanwhile", "function_slow", "unreadable_answer"),
    *("AlarmSilenceSeconds", "AlarmQueueMinutes", "FailedEvents", "UploadsCommand", "AlarmsCommand"),
    *("UploadsPassedOver", "RecordingsFailedFinally", "JobsUnderWay", "EventsLost", "ScheduledRuns", "FilesWaiting"),
    *("AudioTranscribed", "OldestQueuedAge", "StoreTranscriptsThatLayBeside", "TellWhatWasCompleted"),
)
"""Former identifiers, error codes, parameters and metrics: each was replaced by a usual term."""

SOURCE = ("*.py", "*.js", "*.html", "*.css", "*.yaml", "*.toml", "*.sh", "events/*.json", "Makefile", ".ci/run")
DOCS = ("*.md", "*.svg")
VENDORED = tuple(f"functions/api/admin/vendor/{name}.js" for name in ("hooks", "htm", "preact"))
EXCLUDED = (*VENDORED, "tests/unit/test_language.py")
"""Code of others, and these lists."""

FIRST_HITS = {
    "override": "store/settings_overrides.py",
    "effective settings": "settings/call_recordings.py",
    "circuit breaker": "recordings/circuit_breaker.py",
    "queue entry": "recordings/recording.py",
    "timestamp": "call_metadata/timestamps.py",
    "request body": "api/http_request.py",
    "request options": "settings/whisperx.py",
    "fingerprint": "sync/metadata_reader.py",
    "terminal": "recordings/recording.py",
    "terminal failure": "recordings/recording.py",
    "ingest": "sync/ingestion.py",
    "HTTP response": "api/http_response.py",
}
"""What a new engineer searches for in the product, and the file that must come first."""


def tracked_files(*patterns):
    """Files of the repository that match a pattern, deleted ones left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if name not in EXCLUDED and (ROOT / name).is_file()]


CAMEL_CASE = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BETWEEN_WORDS = r"[\s#/*]+"
"""Between two words of a phrase: also the end of a line, and the comment sign at the beginning of the next one."""


@cache
def words_of(path):
    """The text of a file, with the words of identifiers separated."""
    return CAMEL_CASE.sub(" ", path.read_text().replace("_", " "))


@cache
def definitions_in(path):
    """The names of classes and functions that a file defines."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def occurrences(pattern, files):
    """`path:line` of each match, in words and in identifiers such as `goes_on` and `TellWhatEnded`."""
    expression = re.compile(pattern.replace(" ", BETWEEN_WORDS), re.IGNORECASE)
    texts = ((path, words_of(path)) for path in files)
    return [
        f"{path.relative_to(ROOT)}:{text.count('\n', 0, match.start()) + 1}"
        for path, text in texts
        for match in expression.finditer(text)
    ]


@pytest.mark.parametrize("patterns", [SOURCE, DOCS], ids=["source", "docs"])
@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases_of_the_private_language_are_rare(phrase, patterns):
    pattern, instead = PHRASES[phrase]
    found = occurrences(pattern, tracked_files(*patterns))
    assert len(found) <= MAX_OCCURRENCES, f"write instead: {instead}"


def test_retired_names_are_not_used_again():
    pattern = re.compile(rf"\b_?({'|'.join(RETIRED)})\b")
    files = {path: sorted(set(pattern.findall(path.read_text()))) for path in tracked_files(*SOURCE, *DOCS)}
    assert {path.relative_to(ROOT).as_posix(): names for path, names in files.items() if names} == {}


def rank(path, pattern):
    """How an editor ranks a search: by file name, then by definitions, then by mentions. The lowest is first."""
    definitions = filter(pattern.search, definitions_in(path))
    return not pattern.search(path.stem), -len(list(definitions)), -len(pattern.findall(path.read_text()))


@pytest.mark.parametrize("term", FIRST_HITS)
def test_a_search_for_the_usual_term_finds_the_right_file_first(term):
    """`queue entry` also finds `queue_entry` and `QueueEntry`."""
    pattern = re.compile(term.replace(" ", "[ _-]?"), re.IGNORECASE)
    first = min(tracked_files("functions/*.py", "layers/*.py", "local/*.py"), key=lambda path: rank(path, pattern))
    assert first.as_posix().endswith(f"/{FIRST_HITS[term]}")
    assert pattern.search(first.read_text()), "the file's name promises it, and the text does not contain it"
