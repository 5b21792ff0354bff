"""`python -m local names`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local.names import line, names

ROOT = Path(__file__).parents[2]
CALL = "out-5551234567-101-20230517-142530-1684333530.12.wav"
FIELDS = [
    *(
        "path",
        "ingest",
        "phone_system",
        "direction",
        "caller",
        "callee",
        "extension",
        "started_at",
        "utc_offset",
        "call_id",
    ),
    *("remote_number", "kind", "party", "origins"),
]


def run(*arguments, **environment):
    command = [sys.executable, "-m", "local", "names", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False)


def test_a_line_has_these_fields_in_this_order():
    assert list(line("x")) == FIELDS
    told = line(f"/monitor/{CALL}")
    assert (told["started_at"], told["utc_offset"], told["direction"]) == ("2023-05-17T14:25:30", "+00:00", "outbound")
    assert told["origins"]["caller"] == "name"


def test_the_size_counts_where_the_file_exists(tmp_path):
    (tmp_path / CALL).write_bytes(b"")
    assert [line(path)["ingest"] for path in (CALL, str(tmp_path / CALL))] == ["audio", "wait"]


def test_a_folder_stands_for_all_files_below_it(tmp_path, capsys):
    for path in ("b.wav", "a/2.wav", "a/1.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * 100)
    assert names([str(tmp_path), "c.wav"], "", ()) == 0
    printed = [json.loads(each)["path"] for each in capsys.readouterr().out.splitlines()]
    assert printed == [*(str(tmp_path / path) for path in ("b.wav", "a/1.wav", "a/2.wav")), "c.wav"]


def test_names_that_no_terminal_can_show_are_still_json():
    done = run(b"caf\xe9.wav", "Вызов@x(0078462010155)_20230215113029.mp3", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(each) for each in done.stdout.splitlines()]
    assert first["path"] == "caf\udce9.wav"
    assert (second["path"][:5], second["party"]) == ("Вызов", "x")


def test_the_site_s_settings_can_be_tried():
    done = run(CALL, "x7.wav", "--phone-system", "issabel", "--pattern", "(?P<a", "--pattern", "x")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"The pattern (?P<a" in done.stderr
    done = run(CALL, "x7.wav", "--phone-system", "issabel", "--pattern", "x(?P<call_id>[0-9])")
    first, second = [json.loads(each) for each in done.stdout.splitlines()]
    assert (first["phone_system"], second["call_id"]) == ("issabel", "7")
