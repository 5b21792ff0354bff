"""`python -m local names` prints the metadata in the names of recordings."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local.names import print_names

ROOT = Path(__file__).parents[2]
CALL = "out-5551234567-101-20230517-142530-1684333530.12.wav"
FIELDS = [
    "path", "file_kind", "phone_system", "direction", "caller", "callee", "extension", "started_at", "utc_offset",
    "call_id", "remote_number", "kind", "party", "provenance",
]  # fmt: skip


def run(*arguments, **environment):
    command = [sys.executable, "-m", "local", "names", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False)


def print_rows(capsys, *paths):
    assert print_names([str(path) for path in paths], "", ()) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_row_has_these_fields_in_this_order(capsys):
    unknown, call = print_rows(capsys, "x", f"/monitor/{CALL}")
    assert list(unknown) == list(call) == FIELDS
    assert (call["started_at"], call["utc_offset"], call["direction"]) == ("2023-05-17T14:25:30", "+00:00", "outbound")
    assert call["provenance"]["caller"] == "name"


def test_sidecar_has_the_metadata_of_the_name_of_its_recording(capsys):
    names = [CALL.replace(".wav", suffix) for suffix in (".txt", ".wav.txt", ".transcript.txt", ".wav.json", ".csv")]
    for row in print_rows(capsys, *names):
        assert (row["file_kind"], row["direction"], row["caller"]) == ("sidecar", "outbound", "101")


def test_file_without_an_extension_is_a_recording_by_a_setting(capsys):
    names = [CALL.removesuffix(".wav"), "RE1234567890123456789012345678901a", "README", "x.mp3"]
    assert [row["file_kind"] for row in print_rows(capsys, *names)] == ["ignored", "ignored", "ignored", "audio"]
    assert print_names(names, "", (), frozenset({"none", "wav"})) == 0
    kinds = [json.loads(line)["file_kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["audio", "audio", "ignored", "unknown_type"]


def test_existing_file_is_classified_by_its_size(tmp_path, capsys):
    (tmp_path / CALL).write_bytes(b"")
    assert [row["file_kind"] for row in print_rows(capsys, CALL, tmp_path / CALL)] == ["audio", "incomplete"]


def test_folder_prints_a_row_for_each_file_below_it(tmp_path, capsys):
    for path in ("b.wav", "a/2.wav", "a/1.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * 100)
    paths = [row["path"] for row in print_rows(capsys, tmp_path, "c.wav")]
    assert paths == [*(str(tmp_path / path) for path in ("a/1.wav", "a/2.wav", "b.wav")), "c.wav"]


def test_sidecars_and_indexes_are_read(tmp_path, capsys):
    (tmp_path / "2026-04").mkdir()
    for name in ("call.wav", "other.wav"):
        (tmp_path / "2026-04" / name).write_bytes(b"x" * 100)
    (tmp_path / "2026-04" / "other.json").write_text('{"caller": "100", "callee": "+12025550143"}')
    (tmp_path / ".rd_files_netdisk_2026-04.csv").write_text(
        "file_name,caller_num,callee_num,create_time\ncall.wav,1000,0488930190,1714132800\n"
    )
    for call, other in (
        print_rows(capsys, tmp_path / "2026-04" / "call.wav", tmp_path / "2026-04" / "other.wav"),
        [row for row in print_rows(capsys, tmp_path) if row["file_kind"] == "audio"],
        [row for row in print_rows(capsys, tmp_path / "2026-04") if row["file_kind"] == "audio"],
    ):
        assert (call["caller"], call["callee"], call["started_at"]) == ("1000", "0488930190", "2024-04-26T12:00:00Z")
        assert (other["caller"], other["provenance"]["caller"]) == ("100", "sidecar")


def test_names_that_the_terminal_cannot_show_are_escaped():
    done = run(b"caf\xe9.wav", "Вызов@x(0078462010155)_20230215113029.mp3", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["path"] == "caf\udce9.wav"
    assert (second["path"][:5], second["party"]) == ("Вызов", "x")


def test_file_with_a_name_that_is_not_utf8_has_a_row(tmp_path):
    file = tmp_path / os.fsdecode(b"caf\xe9/\xff.wav")
    file.parent.mkdir()
    file.write_bytes(b"")
    for path in (file, file.parent):
        row = json.loads(run(os.fsencode(path)).stdout)
        assert row["file_kind"] == "incomplete", path


def test_phone_system_and_custom_patterns_are_options():
    done = run(CALL, "x7.wav", "--phone-system", "issabel", "--pattern", "(?P<a", "--pattern", "x")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"The pattern (?P<a" in done.stderr
    done = run(CALL, "x7.wav", "--phone-system", "issabel", "--pattern", "x(?P<call_id>[0-9])")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["phone_system"], second["call_id"]) == ("issabel", "7")
