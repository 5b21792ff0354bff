"""Where recordings lie: which path is a source, and which lies inside another."""

import os
from pathlib import Path

import pytest

from callscribe.errors import ConfigurationError, PermanentError, RetryableError, SourceError
from callscribe.sources import open_location, open_source, open_within


@pytest.mark.parametrize(
    ("path", "location", "prefix"),
    [
        ("s3://bucket", "s3://bucket", ""),
        ("s3://bucket/", "s3://bucket", ""),
        ("s3://bucket/a/b", "s3://bucket", "a/b/"),
        ("s3://bucket/a/b/", "s3://bucket", "a/b/"),
        ("/mnt/recordings", "file://", "mnt/recordings/"),
        ("/mnt//recordings/./x/..", "file://", "mnt/recordings/"),
        ("/", "file://", ""),
    ],
)
def test_a_path_is_a_place_and_a_beginning(path, location, prefix):
    source = open_source(path)
    assert (source.location, source.prefix) == (location, prefix)
    assert open_location(location).location == location


@pytest.mark.parametrize("path", ["", "s3://", "s3:///a", "relative", "https://bucket.example/", "file:///mnt"])
def test_a_path_that_is_none_says_what_one_is(path):
    with pytest.raises(ConfigurationError, match="RecordingsPath must be"):
        open_source(path)


@pytest.mark.parametrize(
    "path", ["s3://other/in/", "s3://bucket/out/", "s3://bucket/", "s3://bucket/in/../out/", "s3://bucket/inner", "/in"]
)
def test_a_path_outside_of_the_source_is_refused(path):
    with pytest.raises(ConfigurationError, match="outside"):
        open_within("s3://bucket/in/", path)


def test_a_path_inside_is_taken():
    assert open_within("s3://bucket/in/", "s3://bucket/in/deeper").prefix == "in/deeper/"
    assert open_within("s3://bucket/in/", "s3://bucket/in").prefix == "in/"


def test_neither_dots_nor_links_lead_out_of_a_folder(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deeper").mkdir(parents=True)
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    assert open_within(str(inside), str(inside / "deeper")).prefix.endswith("in/deeper/")
    for path in (outside, inside / "link", inside / ".." / "out", tmp_path, f"{inside}side"):
        with pytest.raises(ConfigurationError, match="outside"):
            open_within(str(inside), str(path))


def test_a_folder_is_listed_in_the_order_of_its_keys_without_following_links(tmp_path):
    for name in ("a/x.wav", "a-b/x.wav", "a.wav", "a0/x.wav", "ü.wav", "z/deep/er/x.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    keys = [file.key for file in open_source(str(tmp_path)).files()]
    assert keys == sorted(keys, key=str.encode)
    prefix = f"{tmp_path}/".lstrip("/")
    found = {key.removeprefix(prefix) for key in keys}
    assert found == {"a/x.wav", "a-b/x.wav", "a.wav", "a0/x.wav", "ü.wav", "z/deep/er/x.wav"}


def test_pipes_and_folders_that_are_called_like_audio_are_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    assert list(open_source(str(tmp_path)).files()) == []


def test_one_bad_entry_does_not_hide_the_others(tmp_path, monkeypatch):
    for name in ("a/x.wav", "b/x.wav", "c/x.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    scandir = os.scandir

    def forbidden(path):  # as the tests may run as root, whom nothing is forbidden
        if str(path).endswith("/b/"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    source = open_source(str(tmp_path))
    assert [file.key[-7:] for file in source.files()] == ["a/x.wav", "c/x.wav"]
    assert source.unreadable == 1


def test_a_folder_that_is_none_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path, says in ((tmp_path / "none", "does not exist"), (tmp_path / "file", "is not a folder")):
        with pytest.raises(SourceError, match=says):
            list(open_source(str(path)).files())


def test_opening_tells_gone_from_unreadable(tmp_path):
    source = open_source(str(tmp_path))
    with pytest.raises(PermanentError, match="gone"), source.open(f"{tmp_path}/none.wav".lstrip("/")):
        pass
    with pytest.raises(RetryableError, match="directory"), source.open(str(tmp_path).lstrip("/")):
        pass


def test_a_file_that_has_become_a_pipe_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with (
        pytest.raises(RetryableError, match="no file"),
        open_source(str(tmp_path)).open(f"{tmp_path}/a.wav".lstrip("/")),
    ):
        pass


def test_a_deep_folder_and_a_date_that_cannot_be_are_survived(tmp_path, monkeypatch):
    (tmp_path / "z.wav").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for _ in range(2200):  # deeper than a path may be long, and than Python recurses
        Path("d").mkdir()
        os.chdir("d")
    source = open_source(str(tmp_path))
    assert [file.key[-5:] for file in source.files()] == ["z.wav"]
    assert source.unreadable == 1


def test_audio_is_read_piece_by_piece(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"0123456789")
    with open_source(str(tmp_path)).open(f"{tmp_path}/a.wav".lstrip("/")) as audio:
        assert audio.length == 10
        assert [audio.read(4), audio.read(4), audio.read(4), audio.read(4)] == [b"0123", b"4567", b"89", b""]
