"""`python -m local names`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local.names import print_names

ROOT = Path(__file__).parents[2]
CALL = "out-5551234567-101-20230517-142530-1684333530.12.wav"
FIELDS = [
    "path", "ingest", "phone_system", "direction", "caller", "callee", "extension", "started_at", "utc_offset",
    "call_id", "remote_number", "kind", "party", "origins",
]  # fmt: skip


def run(*arguments, **environment):
    command = [sys.executable, "-m", "local", "names", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False)


def printed(capsys, *paths):
    assert print_names([str(path) for path in paths], "", ()) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_has_these_fields_in_this_order(capsys):
    nothing, told = printed(capsys, "x", f"/monitor/{CALL}")
    assert list(nothing) == FIELDS
    assert (told["started_at"], told["utc_offset"], told["direction"]) == ("2023-05-17T14:25:30", "+00:00", "outbound")
    assert told["origins"]["caller"] == "name"


def test_the_size_counts_where_the_file_exists(tmp_path, capsys):
    (tmp_path / CALL).write_bytes(b"")
    assert [line["ingest"] for line in printed(capsys, CALL, tmp_path / CALL)] == ["audio", "wait"]


def test_a_folder_stands_for_all_files_below_it(tmp_path, capsys):
    for path in ("b.wav", "a/2.wav", "a/1.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * 100)
    told = [line["path"] for line in printed(capsys, tmp_path, "c.wav")]
    assert told == [*(str(tmp_path / path) for path in ("a/1.wav", "a/2.wav", "b.wav")), "c.wav"]


def test_what_lies_beside_a_file_is_read_with_it(tmp_path, capsys):
    (tmp_path / "2026-04").mkdir()
    for name in ("call.wav", "other.wav"):
        (tmp_path / "2026-04" / name).write_bytes(b"x" * 100)
    (tmp_path / "2026-04" / "other.json").write_text('{"caller": "100", "callee": "+12025550143"}')
    (tmp_path / ".rd_files_netdisk_2026-04.csv").write_text(
        "file_name,caller_num,callee_num,create_time\ncall.wav,1000,0488930190,1714132800\n"
    )
    for told in (
        printed(capsys, tmp_path / "2026-04" / "call.wav", tmp_path / "2026-04" / "other.wav"),
        [line for line in printed(capsys, tmp_path) if line["ingest"] == "audio"],
        [line for line in printed(capsys, tmp_path / "2026-04") if line["ingest"] == "audio"],
    ):
        call, other = told
        assert (call["caller"], call["callee"], call["started_at"]) == ("1000", "0488930190", "2024-04-26T12:00:00Z")
        assert (other["caller"], other["origins"]["caller"]) == ("100", "sidecar")


def test_names_that_no_terminal_can_show_are_still_json():
    done = run(b"caf\xe9.wav", "Вызов@x(0078462010155)_20230215113029.mp3", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(each) for each in done.stdout.splitlines()]
    assert first["path"] == "caf\udce9.wav"
    assert (second["path"][:5], second["party"]) == ("Вызов", "x")


def test_a_file_whose_name_is_not_utf8_has_a_line(tmp_path):
    file = tmp_path / os.fsdecode(b"caf\xe9/\xff.wav")
    file.parent.mkdir()
    file.write_bytes(b"")
    for path in (file, file.parent):
        told = json.loads(run(os.fsencode(path)).stdout)
        assert told["ingest"] == "wait", path


def test_the_site_s_settings_can_be_tried():
    done = run(CALL, "x7.wav", "--phone-system", "issabel", "--pattern", "(?P<a", "--pattern", "x")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"The pattern (?P<a" in done.stderr
    done = run(CALL, "x7.wav", "--phone-system", "issabel", "--pattern", "x(?P<call_id>[0-9])")
    first, second = [json.loads(each) for each in done.stdout.splitlines()]
    assert (first["phone_system"], second["call_id"]) == ("issabel", "7")
