"""Where recordings lie: which path is a source, and which lies inside another."""

import os
from functools import partial
from pathlib import Path

import pytest

from callscribe import aws
from callscribe.errors import ConfigurationError, PermanentError, RetryableError, SourceError
from callscribe.sources import folder, open_for_recording, open_source, open_subsource, resolve_key


@pytest.mark.parametrize(
    ("path", "location", "prefix"),
    [("s3://bucket", "s3://bucket", ""), ("s3://bucket/", "s3://bucket", ""), ("/", "file://", ""),
     ("s3://bucket/a/b", "s3://bucket", "a/b/"), ("s3://bucket/a/b/", "s3://bucket", "a/b/"),
     ("/mnt/recordings", "file://", "mnt/recordings/"), ("/mnt//recordings/./x/..", "file://", "mnt/recordings/")],
)  # fmt: skip
def test_a_path_is_a_place_and_a_beginning(path, location, prefix):
    source = open_source(path)
    assert (source.location, source.prefix) == (location, prefix)
    assert open_for_recording(location).location == location


def test_a_path_inside_is_taken():
    assert open_subsource("s3://bucket/in/", "s3://bucket/in/deeper").prefix == "in/deeper/"
    assert open_subsource("s3://bucket/in/", "s3://bucket/in").prefix == "in/"
    assert open_subsource("s3://bucket", "s3://bucket/any/").prefix == "any/"
    assert open_subsource("/in", "/in/").prefix == "in/"
    assert open_subsource("/in/", "//in/./x/y//..").prefix == "in/x/"
    assert open_subsource("/", "/any").prefix == "any/"


@pytest.mark.parametrize(
    "path",
    ["s3://other/in/", "s3://bucket/", "s3://bucket/i", "s3://bucket/in-other/", "s3://bucket/inner", "s3://bucket/IN/",
     "s3://bucket//in/", "s3://bucket/%69n/", "s3://bucket/in/..", "s3://bucket/in/../out/", "s3://bucket/out/",
     "s3://bucket/in/deeper/../../out/", "s3://bucket/in/../in/", "s3://bucket/./in/", "s3://bucket-other/in/",
     "s3://bucket.s3/in/", "s3://bucket@other/in/", "s3://user:word@bucket/in/", "s3://bucket?x=/in/",
     "s3://bucket%2Fin/", "s3://Bucket/in/", "s3://ｂucket/in/", "/in/", "/in", "/", "//"],
)  # fmt: skip
def test_no_way_of_writing_it_leads_out_of_a_bucket_or_prefix(path):
    with pytest.raises(ConfigurationError, match="outside"):
        open_subsource("s3://bucket/in/", path)


@pytest.mark.parametrize("path", ["s3://bucket/in/%2e%2e/out/", "s3://bucket/in/..\\out/", "s3://bucket/in/…/"])
def test_what_only_looks_like_a_way_up_is_a_name_in_s3(path):
    assert open_subsource("s3://bucket/in/", path).prefix.startswith("in/")


@pytest.mark.parametrize(
    "path",
    ["", " ", ".", "..", "in", "\\in", "S3://bucket/in/", "s3:/bucket/in", "file:///in", "s3://", "s3:///in/",
     "https://bucket.example/"],
)  # fmt: skip
def test_what_is_no_path_is_refused_as_such(path):
    for opened in (open_source, partial(open_subsource, "s3://bucket/in/"), partial(open_subsource, "/in")):
        with pytest.raises(ConfigurationError, match="It must be s3://"):
            opened(path)


@pytest.mark.parametrize("character", ["\0", "\ud800"])
@pytest.mark.parametrize("root", ["s3://bucket/in/", "/in"])
def test_what_no_path_can_hold_is_refused_without_asking_anybody(root, character):
    with pytest.raises(ConfigurationError, match="no path can hold"):
        open_subsource(root, f"{root}/a{character}b")


@pytest.mark.parametrize(
    ("root", "path", "key"),
    [
        ("s3://bucket", "s3://bucket/a.wav", "a.wav"),
        ("s3://bucket/in/", "s3://bucket/in/a b+%20.wav", "in/a b+%20.wav"),
        ("s3://bucket/in/", "s3://bucket/in/./a//b..wav", "in/./a//b..wav"),
        ("/in", "/in/a.wav", "in/a.wav"),
        ("/in/", "//in//b/../a/./\U0010fde9.wav", "in/a/\U0010fde9.wav"),
    ],
)
def test_a_file_within_the_source_has_the_key_that_it_is_listed_with(root, path, key):
    assert resolve_key(root, path) == key


@pytest.mark.parametrize("name", ["", ".", "..", "../a.wav", "a/../../a.wav", "\0", "a\ud800.wav", "x" * 1024])
@pytest.mark.parametrize("root", ["s3://bucket/in/", "/in/"])
def test_what_names_no_file_within_the_source_has_no_key(root, name):
    with pytest.raises(ConfigurationError):
        resolve_key(root, root + name)


def test_a_folder_has_no_addresses_that_others_could_open():
    assert open_source("/in").presigned_url("in/a.wav", 60, content_type="audio/wav", disposition="inline") is None


@pytest.mark.parametrize(
    ("bucket", "endpoint", "address"),
    [
        ("calls", "", "https://calls.s3.eu-south-1.amazonaws.com/in/a%20b.wav"),
        ("calls.example", "", "https://s3.eu-south-1.amazonaws.com/calls.example/in/a%20b.wav"),
        ("calls", "http://minio:9000", "http://minio:9000/calls/in/a%20b.wav"),
    ],
)
def test_an_address_in_s3_has_the_host_of_its_region_and_nobody_is_asked_for_it(monkeypatch, bucket, endpoint, address):
    region = {"AWS_DEFAULT_REGION": "eu-south-1", "AWS_ENDPOINT_URL": endpoint}
    for name, value in {**region, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    aws._create_client.cache_clear()
    link = open_source(f"s3://{bucket}/in/").presigned_url(
        "in/a b.wav", 60, content_type="audio/wav", disposition="inline"
    )
    aws._create_client.cache_clear()
    assert link.startswith(f"{address}?")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link


def recorded(folder, *names):
    """Files of these names, in folders that are made for them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def keys(source):
    return [file.key for file in source.list_files()]


def test_neither_dots_nor_links_lead_out_of_a_folder(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    recorded(inside, "deeper/a.wav")
    recorded(outside, "b.wav", "deeper/b.wav")
    (inside / "link").symlink_to(outside)
    (inside / "deeper/up").symlink_to("..")
    (inside / "loop").symlink_to("loop")
    assert open_subsource(str(inside), str(inside / "deeper")).prefix.endswith("in/deeper/")
    for path in (
        "link",
        "link/deeper",
        "link/.",
        "deeper/up",
        "deeper/up/deeper",
        "loop",
        "../out",
        "deeper/../../out",
    ):
        with pytest.raises(ConfigurationError, match="outside"):
            open_subsource(str(inside), f"{inside}/{path}")
    for path in (tmp_path, outside, f"{inside}side"):
        with pytest.raises(ConfigurationError, match="outside"):
            open_subsource(str(inside), str(path))


@pytest.mark.parametrize(
    "name", ["%2e%2e/out", "%252e%252e", "..\\out", "．．/out", "‥/out", "deeper.", "…", "x" * 999]
)
def test_what_only_looks_like_a_way_up_is_a_name_in_a_folder(tmp_path, name):
    recorded(tmp_path, "in/a.wav", "out/b.wav")
    source = open_subsource(f"{tmp_path}/in", f"{tmp_path}/in/{name}")
    with pytest.raises(SourceError, match=r"does not exist|cannot be listed"):
        list(source.list_files())


def test_a_folder_may_itself_lie_behind_a_link_and_keeps_its_name(tmp_path):
    """Under the name that it has without the link, each of its files would be another recording."""
    recorded(tmp_path, "there/deeper/a.wav")
    (tmp_path / "here").symlink_to("there")
    here, there = f"{tmp_path}/here", f"{tmp_path}/there"
    key = f"{here}/deeper/a.wav".lstrip("/")
    for source in (open_source(here), open_subsource(here, here), open_subsource(here, f"{here}/deeper")):
        assert keys(source) == [key]
    with open_source(here).open(key) as audio:
        assert audio.read() == b"x"
    with pytest.raises(ConfigurationError, match="outside"):
        open_subsource(here, f"{there}/deeper")


def test_a_part_that_has_become_a_link_since_it_was_checked_is_not_followed(tmp_path):
    recorded(tmp_path, "in/deep/er/a.wav", "out/er/b.wav")
    source = open_subsource(f"{tmp_path}/in", f"{tmp_path}/in/deep/er")
    (tmp_path / "in/deep").rename(tmp_path / "in/was")
    (tmp_path / "in/deep").symlink_to(tmp_path / "out")
    with pytest.raises(SourceError, match="is not a folder"):
        list(source.list_files())


def test_a_folder_that_becomes_a_link_while_it_is_walked_is_not_followed(tmp_path):
    recorded(tmp_path, "in/a.wav", "in/b/b.wav", "in/c/d/d.wav", "in/e.wav", "out/secret.wav")
    files = open_source(f"{tmp_path}/in").list_files()
    assert next(files).name == "a.wav"  # `b` and `c` have been listed
    (tmp_path / "in/b").rename(tmp_path / "b")
    (tmp_path / "in/b").symlink_to(tmp_path / "out")
    (tmp_path / "in/c/d").rename(tmp_path / "d")
    (tmp_path / "in/c/d").symlink_to(tmp_path / "out")
    assert [file.name for file in files] == ["e.wav"]


def test_walking_leaves_nothing_open_also_when_it_ends_early(tmp_path):
    recorded(tmp_path, "a/b/c/x.wav", "a/b/c/y.wav", "z.wav")
    before = len(list(Path("/proc/self/fd").iterdir()))
    list(open_source(str(tmp_path)).list_files())
    files = open_source(str(tmp_path)).list_files()
    next(files)
    files.close()  # type: ignore[attr-defined]  # a generator
    with pytest.raises(SourceError):
        list(open_source(f"{tmp_path}/z.wav").list_files())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_is_listed_in_the_order_of_its_keys_without_following_links(tmp_path):
    names = ["a-b/x.wav", "a.wav", "a/x.wav", "a0/x.wav", "z/deep/er/x.wav", "ü.wav"]  # as bytes sort
    recorded(tmp_path, *names)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    assert keys(open_source(str(tmp_path))) == [f"{tmp_path}/{name}".lstrip("/") for name in names]


def test_pipes_and_folders_that_are_called_like_audio_are_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    assert list(open_source(str(tmp_path)).list_files()) == []


def test_one_bad_entry_does_not_hide_the_others(tmp_path, monkeypatch):
    recorded(tmp_path, "a/x.wav", "b/x.wav", "c/x.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    opened = os.open

    def forbidden(path, *flags, **options):  # as the tests may run as root, whom nothing is forbidden
        if path == "b":
            raise PermissionError(13, "Permission denied")
        return opened(path, *flags, **options)

    monkeypatch.setattr(os, "open", forbidden)
    source = open_source(str(tmp_path))
    assert [key[-7:] for key in keys(source)] == ["a/x.wav", "c/x.wav"]
    assert source.unreadable_count == 1


def test_a_folder_that_is_none_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name, says in (("none", "does not exist"), ("file", "is not a folder")):
        for source in (open_source(f"{tmp_path}/{name}"), open_subsource(str(tmp_path), f"{tmp_path}/{name}")):
            with pytest.raises(SourceError, match=says):
                list(source.list_files())


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("none.wav", PermanentError, "gone"),
        ("folder", RetryableError, "directory"),
        ("link.wav", RetryableError, "is a link"),
        ("pipe.wav", RetryableError, "no file"),  # and it holds nobody up
    ],
)
def test_what_is_not_a_file_any_more_is_not_opened(tmp_path, name, error, says):
    recorded(tmp_path, "in/folder/a.wav", "out/secret")
    (tmp_path / "in/link.wav").symlink_to(tmp_path / "out/secret")
    os.mkfifo(tmp_path / "in/pipe.wav")
    source = open_source(f"{tmp_path}/in")
    with pytest.raises(error, match=says), source.open(source.prefix + name):
        pass


def test_a_deep_folder_and_a_date_that_cannot_be_are_survived(tmp_path, monkeypatch):
    (tmp_path / "z.wav").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for _ in range(2200):  # deeper than a path may be long, than Python recurses, and than files may be open
        Path("d").mkdir()
        os.chdir("d")
    source = open_source(str(tmp_path))
    assert [key[-5:] for key in keys(source)] == ["z.wav"]
    assert source.unreadable_count == 1


def test_audio_is_read_piece_by_piece(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"0123456789")
    with open_source(str(tmp_path)).open(f"{tmp_path}/a.wav".lstrip("/")) as audio:
        assert audio.length == 10
        assert [audio.read(4), audio.read(4), audio.read(4), audio.read(4)] == [b"0123", b"4567", b"89", b""]


def test_what_begins_with_some_characters_is_found_without_a_link_on_the_way(tmp_path):
    recorded(tmp_path, "in/a/b/x.wav", "in/a/b/x.json", "in/a/b/y.wav", "in/a/b/x.d/z.wav", "out/b/x.wav")
    (tmp_path / "in/link").symlink_to(tmp_path / "out")
    source = open_source(f"{tmp_path}/in")

    def names(under):
        return [file.key.removeprefix(source.prefix) for file in source.list_files(source.prefix + under)]

    assert names("a/b/x.") == ["a/b/x.d/z.wav", "a/b/x.json", "a/b/x.wav"]
    assert names("link/b/x.") == names("gone/x.") == names("a/b/x.wav/x.") == []
    assert source.unreadable_count == 0


def test_names_of_any_bytes_and_many_of_them_are_listed_from_an_open_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MAX_NAMES_IN_MEMORY", 3)
    for name in (b"in/\xff/\xe4.wav", "in/\U0010fdff/a.wav".encode(), *(b"in/%d.wav" % number for number in range(10))):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    source = open_source(f"{tmp_path}/in")
    found = list(source.list_files())
    assert len(found) == 12
    assert [file.key for file in found] == sorted(file.key for file in found)
    for file in found:
        assert source.stat(file.key) == file
        part = open_subsource(f"{tmp_path}/in", f"/{file.key.rpartition('/')[0]}")
        assert file in list(part.list_files())
