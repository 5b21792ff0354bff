"""/admin: the page and its files, as they are handed out. What the page does in a browser is in tests/browser."""

import re
import sys
from hashlib import sha256
from pathlib import PurePosixPath

import pytest

from functions.api.http_response import MIN_COMPRESSED_BYTES
from functions.api.routes.admin import FOLDER, MEDIA_TYPES, load_site
from testing.handlers import ROOT, read_api_key

ADDRESSES = (
    *("/admin", "/admin/", "/admin/scheduler", "/admin/recordings/x", "/admin/recordings/x/y/z", "/admin/assets"),
    *("/admin/né", "/admin/<script>", "/admin/../api"),
)
QUERIES = ("", "status=failed&from=2026-11-18", "no-such=1&no-such=2", "a[]=%00&%3Cscript%3E")

POLICY = {
    "default-src": {"'none'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "img-src": {"'self'"},
    "connect-src": {"'self'"},
    "media-src": {"'self'", "https://*.amazonaws.com", "https://*.amazonaws.com.cn"},
    "base-uri": {"'none'"},
    "form-action": {"'none'"},
    "frame-ancestors": {"'none'"},
    "require-trusted-types-for": {"'script'"},
    "trusted-types": {"'none'"},
}

SCRIPT = re.compile(r"""["'`](?P<file>[\w./-]+\.js)["'`]""")
"""The name of one, whichever way it is loaded: with a dot before it, it lies beside the file, else in the folder."""

IMPORT = re.compile(r"""^import\b[^;"]*"(?P<file>[^"]+)";""", re.MULTILINE)
URL = re.compile(r"""url\(\s*["']?(?P<file>[^"')]+)""")
MARKUP_OUT_OF_TEXT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|DOMParser|createContextualFragment"
    r"|\beval\b|\bFunction\(|javascript:|srcdoc"
)

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
SERVED = [name for name in FILES if PurePosixPath(name).suffix in MEDIA_TYPES]
SCRIPTS = [name for name in SERVED if name.endswith(".js")]
OURS = [name for name in SERVED if not name.startswith("vendor/")]


def asset(name, digest=None):
    return f"/admin/assets/{digest or load_site().digest}/{name}"


def policy_of(answer):
    directives = (each.split() for each in answer.headers["Content-Security-Policy"].split(";"))
    return {name: set(sources) for name, *sources in directives}


@pytest.fixture
def page(handlers):
    return handlers.api("GET", "/admin", key=None)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", ADDRESSES)
def test_it_is_at_each_of_its_addresses_and_wants_no_key_and_no_aws(handlers, page, counted, path, query):
    with counted() as requests:
        answer = handlers.api("GET", path, query=query, key=None, authorization="Bearer wrong")
    assert (answer.status, answer.body) == (200, page.body)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert policy_of(answer) == policy_of(page)
    assert not requests


@pytest.mark.parametrize("path", ["/adminx", "/Admin", "//admin", "/administrator/x", "/api/admin"])
def test_it_is_nowhere_else(handlers, path):
    assert handlers.api("GET", path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/admin", "/admin/recordings/x", "/admin/assets/x/main.js"])
def test_it_can_only_be_read(handlers, method, path):
    answer = handlers.api(method, path, key=None, accept_encoding="gzip")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("endpoint", "more"),
    [("", set()), ("http://127.0.0.1:4566", {"http://127.0.0.1:4566"}), ("http://aws:5000/", {"http://aws:5000"})],
)
def test_its_policy_lets_it_run_its_own_files_ask_this_api_and_play_from_s3_alone(handlers, endpoint, more):
    handlers.overrides["AWS_ENDPOINT_URL"] = endpoint
    answer = handlers.api("GET", "/admin", key=None)
    assert policy_of(answer) == POLICY | {"media-src": POLICY["media-src"] | more}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_every_file_that_a_script_or_a_style_loads_is_there():
    for name in SERVED:
        content = (FOLDER / name).read_text("utf-8")
        loaded = [each["file"] for each in (SCRIPT if name.endswith(".js") else URL).finditer(content)]
        assert {within(name, each) for each in loaded} <= set(SERVED), name
        assert all(each.startswith(("./", "../")) for each in imports(name)), name
        assert "@import" not in content


def test_a_script_is_loaded_after_those_that_it_needs():
    """One at a time: else the browser asks for what is missing by itself, and for all of that at once."""
    start, main = ((FOLDER / name).read_text("utf-8") for name in ("start.js", "main.js"))
    there = {"start.js", "in_turn.js"}
    for each in SCRIPT.finditer(start[start.index("inTurn(") :]):
        assert needs(each["file"]) <= there, each["file"]
        there.add(each["file"])
    views = [[each["file"] for each in SCRIPT.finditer(line)] for line in main.splitlines() if '"views/' in line]
    assert {view for *_, view in views} == {name for name in SCRIPTS if name.startswith("views/")}
    for view in views:
        for at, name in enumerate(view):
            assert needs(name) <= there | set(view[:at]), name


def imports(name):
    return [each["file"] for each in IMPORT.finditer((FOLDER / name).read_text("utf-8"))]


def needs(name):
    return {within(name, each) for each in imports(name)}


def within(name, loaded):
    """The name of the file that `name` means by this."""
    beside = (FOLDER / name).parent if loaded.startswith(".") or name.endswith(".css") else FOLDER
    return (beside / loaded).resolve().relative_to(FOLDER).as_posix()


@pytest.mark.parametrize("name", OURS)
def test_no_file_of_ours_can_make_markup_or_code_out_of_text(name):
    assert not MARKUP_OUT_OF_TEXT.search((FOLDER / name).read_text("utf-8"))


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("name", SERVED)
def test_a_file_is_had_under_its_version_and_kept_for_a_year(handlers, name, gzipped):
    accepts = {"accept_encoding": "gzip, deflate, br, zstd"} if gzipped else {}
    answer = handlers.api("GET", asset(name), key=None, **accepts)
    assert (answer.status, answer.text) == (200, content := (FOLDER / name).read_text("utf-8"))
    assert answer.headers["Content-Type"] == MEDIA_TYPES[PurePosixPath(name).suffix]
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers.get("Content-Encoding") == (
        "gzip" if gzipped and len(content) >= MIN_COMPRESSED_BYTES else None
    )
    assert answer.headers["Vary"] == "Accept-Encoding"  # a cache in between must not mix them up


@pytest.mark.parametrize("accepts", ["", "gzip"])
@pytest.mark.parametrize(
    "path",
    [*(asset("main.js", digest) for digest in ("0" * 16, "../x", "{digest}", ".")),
     *map(asset, ("", "no-such.js", "index.html.bak", "main.js.map", "main.js~", "MAIN.JS", "main.js/", "./main.js")),
     *map(asset, ("../app.py", "../main.js", "vendor/../main.js", "../../app.py", "views/../../auth.py", "app.py")),
     *map(asset, ("%2e%2e/app.py", "..%2fapp.py", "..\\app.py", "vendor%2fhtm.js", "main.js%00", "main.js\0.css")),
     *map(asset, ("/etc/passwd", "//etc/passwd", str(FOLDER / "main.js"), "vendor", "vendor/", "vendor/README.md")),
     "/admin/assets/main.js", "/admin/assets//main.js", "/admin/assets/../main.js"],
)  # fmt: skip
def test_there_are_no_other_files_and_that_is_not_kept(handlers, path, accepts):
    answer = handlers.api("GET", path, key=None, accept_encoding=accepts)
    assert (answer.status, answer.json["error"]["code"]) == (404, "file_not_found")
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_is_not_sent_again_to_who_has_it(handlers, page):
    tag = page.headers["ETag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        answer = handlers.api("GET", "/admin/failures", key=None, if_none_match=known, accept_encoding="gzip")
        assert (answer.status, answer.body or "") == (304, "")
        assert (answer.headers["ETag"], answer.headers["Vary"]) == (tag, "Accept-Encoding")
        assert policy_of(answer) == policy_of(page)
    assert handlers.api("GET", "/admin", key=None, if_none_match='"other"').status == 200


def test_its_version_is_that_of_its_files(page, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[load_site.__module__], "FOLDER", tmp_path)
    for name in SERVED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    assert load_site.__wrapped__().digest == load_site().digest
    (tmp_path / "words.js").write_text("//")
    assert load_site.__wrapped__().digest != load_site().digest


def test_no_file_holds_a_key_or_tells_of_the_account(handlers, stack, page):
    named = [*stack.tables.values(), *stack.buckets.values(), *stack.secrets.values(), stack.account_id, stack.region]
    named += [each.name for each in stack.functions.values()]
    handed_out = [page.body, *(handlers.api("GET", asset(name), key=None).text for name in SERVED)]
    for each in (*named, read_api_key(stack), "arn:aws", "AKIA", "execute-api", "BEGIN "):
        assert not [content for content in handed_out if each in content], each


def test_the_libraries_are_those_that_are_said_to_be_and_as_npm_has_them():
    """`make vendor` writes them; who brings a new version up to date writes down what came."""
    described = (FOLDER / "vendor/README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    rows = re.findall(r"^\| `(\S+)` \| (\w+) (\S+), .*\| `(\w+)` \|$", described, re.MULTILINE)
    assert {name for name, *_ in rows} == {path.name for path in (FOLDER / "vendor").glob("*.js")}
    for name, package, version, digest in rows:
        assert sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == digest, name
        assert re.search(rf"^{package.upper()} +:= {re.escape(version)}$", makefile, re.MULTILINE)
    for package, begins in (("preact", "The MIT License"), ("htm", "Apache License")):
        assert (FOLDER / f"vendor/{package}.LICENSE").read_text("utf-8").strip().startswith(begins)
