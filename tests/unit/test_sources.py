"""Recording sources: which paths are valid, which are inside another, and how a folder is listed and opened."""

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
def test_path_is_split_into_location_and_prefix(path, location, prefix):
    source = open_source(path)
    assert (source.location, source.prefix) == (location, prefix)
    assert open_for_recording(location).location == location


def test_path_inside_the_source_is_accepted():
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
def test_no_spelling_of_a_path_leads_out_of_the_bucket_or_prefix(path):
    with pytest.raises(ConfigurationError, match="outside"):
        open_subsource("s3://bucket/in/", path)


@pytest.mark.parametrize("path", ["s3://bucket/in/%2e%2e/out/", "s3://bucket/in/..\\out/", "s3://bucket/in/…/"])
def test_lookalikes_of_a_parent_folder_are_ordinary_names_in_s3(path):
    assert open_subsource("s3://bucket/in/", path).prefix.startswith("in/")


@pytest.mark.parametrize(
    "path",
    ["", " ", ".", "..", "in", "\\in", "S3://bucket/in/", "s3:/bucket/in", "file:///in", "s3://", "s3:///in/",
     "https://bucket.example/"],
)  # fmt: skip
def test_invalid_path_is_rejected_with_advice(path):
    for open_path in (open_source, partial(open_subsource, "s3://bucket/in/"), partial(open_subsource, "/in")):
        with pytest.raises(ConfigurationError, match="It must be s3://"):
            open_path(path)


@pytest.mark.parametrize("character", ["\0", "\ud800"])
@pytest.mark.parametrize("root", ["s3://bucket/in/", "/in"])
def test_invalid_character_is_rejected_without_a_request(root, character):
    with pytest.raises(ConfigurationError, match="invalid character"):
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
def test_path_of_a_file_resolves_to_the_key_that_it_is_listed_with(root, path, key):
    assert resolve_key(root, path) == key


@pytest.mark.parametrize("name", ["", ".", "..", "../a.wav", "a/../../a.wav", "\0", "a\ud800.wav", "x" * 1024])
@pytest.mark.parametrize("root", ["s3://bucket/in/", "/in/"])
def test_path_that_names_no_file_inside_the_source_is_rejected(root, name):
    with pytest.raises(ConfigurationError):
        resolve_key(root, root + name)


def test_folder_source_has_no_presigned_urls():
    assert open_source("/in").presigned_url("in/a.wav", 60, content_type="audio/wav", disposition="inline") is None


@pytest.mark.parametrize(
    ("bucket", "endpoint", "url"),
    [
        ("calls", "", "https://calls.s3.eu-south-1.amazonaws.com/in/a%20b.wav"),
        ("calls.example", "", "https://s3.eu-south-1.amazonaws.com/calls.example/in/a%20b.wav"),
        ("calls", "http://minio:9000", "http://minio:9000/calls/in/a%20b.wav"),
    ],
)
def test_presigned_url_has_the_regional_host_and_needs_no_request(monkeypatch, bucket, endpoint, url):
    region = {"AWS_DEFAULT_REGION": "eu-south-1", "AWS_ENDPOINT_URL": endpoint}
    for name, value in {**region, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    aws._create_client.cache_clear()
    source = open_source(f"s3://{bucket}/in/")
    presigned = source.presigned_url("in/a b.wav", 60, content_type="audio/wav", disposition="inline")
    aws._create_client.cache_clear()
    assert presigned.startswith(f"{url}?")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in presigned


def create_files(folder, *names):
    """Create files with these names, and their folders."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def keys(source):
    return [file.key for file in source.list_files()]


def test_neither_dots_nor_links_lead_out_of_the_folder(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    create_files(inside, "deeper/a.wav")
    create_files(outside, "b.wav", "deeper/b.wav")
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
def test_lookalikes_of_a_parent_folder_are_ordinary_names_in_a_folder(tmp_path, name):
    create_files(tmp_path, "in/a.wav", "out/b.wav")
    source = open_subsource(f"{tmp_path}/in", f"{tmp_path}/in/{name}")
    with pytest.raises(SourceError, match=r"does not exist|cannot be listed"):
        list(source.list_files())


def test_configured_folder_may_be_a_link_and_keys_contain_its_path_as_configured(tmp_path):
    """With the resolved path, each file would be a different recording."""
    create_files(tmp_path, "target/deeper/a.wav")
    (tmp_path / "link").symlink_to("target")
    link, target = f"{tmp_path}/link", f"{tmp_path}/target"
    key = f"{link}/deeper/a.wav".lstrip("/")
    for source in (open_source(link), open_subsource(link, link), open_subsource(link, f"{link}/deeper")):
        assert keys(source) == [key]
    with open_source(link).open(key) as audio:
        assert audio.read() == b"x"
    with pytest.raises(ConfigurationError, match="outside"):
        open_subsource(link, f"{target}/deeper")


def test_subfolder_replaced_by_a_link_after_it_was_validated_is_not_followed(tmp_path):
    create_files(tmp_path, "in/deep/er/a.wav", "out/er/b.wav")
    source = open_subsource(f"{tmp_path}/in", f"{tmp_path}/in/deep/er")
    (tmp_path / "in/deep").rename(tmp_path / "in/moved")
    (tmp_path / "in/deep").symlink_to(tmp_path / "out")
    with pytest.raises(SourceError, match="is not a folder"):
        list(source.list_files())


def test_folder_replaced_by_a_link_during_a_listing_is_not_followed(tmp_path):
    create_files(tmp_path, "in/a.wav", "in/b/b.wav", "in/c/d/d.wav", "in/e.wav", "out/secret.wav")
    files = open_source(f"{tmp_path}/in").list_files()
    assert next(files).name == "a.wav"  # `b` and `c` are listed already
    (tmp_path / "in/b").rename(tmp_path / "b")
    (tmp_path / "in/b").symlink_to(tmp_path / "out")
    (tmp_path / "in/c/d").rename(tmp_path / "d")
    (tmp_path / "in/c/d").symlink_to(tmp_path / "out")
    assert [file.name for file in files] == ["e.wav"]


def test_listing_leaves_no_descriptors_open_even_if_it_ends_early(tmp_path):
    create_files(tmp_path, "a/b/c/x.wav", "a/b/c/y.wav", "z.wav")
    before = len(list(Path("/proc/self/fd").iterdir()))
    list(open_source(str(tmp_path)).list_files())
    files = open_source(str(tmp_path)).list_files()
    next(files)
    files.close()  # type: ignore[attr-defined]  # a generator
    with pytest.raises(SourceError):
        list(open_source(f"{tmp_path}/z.wav").list_files())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_folder_is_listed_in_the_order_of_its_keys_without_following_links(tmp_path):
    names = ["a-b/x.wav", "a.wav", "a/x.wav", "a0/x.wav", "z/deep/er/x.wav", "ü.wav"]  # sorted by bytes
    create_files(tmp_path, *names)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    assert keys(open_source(str(tmp_path))) == [f"{tmp_path}/{name}".lstrip("/") for name in names]


def test_pipes_and_folders_with_names_of_audio_files_are_ignored(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    assert list(open_source(str(tmp_path)).list_files()) == []


def test_unreadable_entry_is_counted_and_the_others_are_listed(tmp_path, monkeypatch):
    create_files(tmp_path, "a/x.wav", "b/x.wav", "c/x.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    original_open = os.open

    def open_without_permission(path, *flags, **options):  # file modes have no effect if the tests run as root
        if path == "b":
            raise PermissionError(13, "Permission denied")
        return original_open(path, *flags, **options)

    monkeypatch.setattr(os, "open", open_without_permission)
    source = open_source(str(tmp_path))
    assert [key[-7:] for key in keys(source)] == ["a/x.wav", "c/x.wav"]
    assert source.unreadable_count == 1


def test_error_says_whether_the_folder_is_missing_or_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name, message in (("none", "does not exist"), ("file", "is not a folder")):
        for source in (open_source(f"{tmp_path}/{name}"), open_subsource(str(tmp_path), f"{tmp_path}/{name}")):
            with pytest.raises(SourceError, match=message):
                list(source.list_files())


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("none.wav", PermanentError, "does not exist"),
        ("folder", RetryableError, "directory"),
        ("link.wav", RetryableError, "by a link"),
        ("pipe.wav", RetryableError, "by something else"),  # and opening it does not block
    ],
)
def test_file_that_was_deleted_or_replaced_is_not_opened(tmp_path, name, error, message):
    create_files(tmp_path, "in/folder/a.wav", "out/secret")
    (tmp_path / "in/link.wav").symlink_to(tmp_path / "out/secret")
    os.mkfifo(tmp_path / "in/pipe.wav")
    source = open_source(f"{tmp_path}/in")
    with pytest.raises(error, match=message), source.open(source.prefix + name):
        pass


def test_folder_nested_too_deeply_is_counted_and_the_rest_is_listed(tmp_path, monkeypatch):
    (tmp_path / "z.wav").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for _ in range(2200):  # exceeds the length of a path, the recursion limit and the number of open files
        Path("d").mkdir()
        os.chdir("d")
    source = open_source(str(tmp_path))
    assert [key[-5:] for key in keys(source)] == ["z.wav"]
    assert source.unreadable_count == 1


def test_audio_is_read_in_chunks(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"0123456789")
    with open_source(str(tmp_path)).open(f"{tmp_path}/a.wav".lstrip("/")) as audio:
        assert audio.length == 10
        assert [audio.read(4), audio.read(4), audio.read(4), audio.read(4)] == [b"0123", b"4567", b"89", b""]


def test_listing_under_a_prefix_follows_no_links(tmp_path):
    create_files(tmp_path, "in/a/b/x.wav", "in/a/b/x.json", "in/a/b/y.wav", "in/a/b/x.d/z.wav", "out/b/x.wav")
    (tmp_path / "in/link").symlink_to(tmp_path / "out")
    source = open_source(f"{tmp_path}/in")

    def names(under):
        return [file.key.removeprefix(source.prefix) for file in source.list_files(source.prefix + under)]

    assert names("a/b/x.") == ["a/b/x.d/z.wav", "a/b/x.json", "a/b/x.wav"]
    assert names("link/b/x.") == names("gone/x.") == names("a/b/x.wav/x.") == []
    assert source.unreadable_count == 0


def test_many_names_of_arbitrary_bytes_are_listed_in_order_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MAX_NAMES_IN_MEMORY", 3)
    for name in (b"in/\xff/\xe4.wav", "in/\U0010fdff/a.wav".encode(), *(b"in/%d.wav" % number for number in range(10))):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    source = open_source(f"{tmp_path}/in")
    files = list(source.list_files())
    assert len(files) == 12
    assert [file.key for file in files] == sorted(file.key for file in files)
    for file in files:
        assert source.stat(file.key) == file
        subsource = open_subsource(f"{tmp_path}/in", f"/{file.key.rpartition('/')[0]}")
        assert file in list(subsource.list_files())
