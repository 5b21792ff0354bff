"""/admin: how the page and its files are served. What the page does in a browser is tested in tests/browser."""

import gzip
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
"""A script that another one loads: relative to that file if it starts with a dot, else relative to the folder."""

IMPORT = re.compile(r"""^import\b[^;"]*"(?P<file>[^"]+)";""", re.MULTILINE)
URL = re.compile(r"""url\(\s*["']?(?P<file>[^"')]+)""")
MARKUP_FROM_TEXT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|DOMParser|createContextualFragment"
    r"|\beval\b|\bFunction\(|javascript:|srcdoc"
)

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
SERVED = [name for name in FILES if PurePosixPath(name).suffix in MEDIA_TYPES]
SCRIPTS = [name for name in SERVED if name.endswith(".js")]
OWN_FILES = [name for name in SERVED if not name.startswith("vendor/")]

MAX_FIRST_VIEW_BYTES = 60_000
"""Compressed, with everything that the overview needs."""


def asset(name, digest=None):
    return f"/admin/assets/{digest or load_site().digest}/{name}"


def parse_policy(response):
    directives = (directive.split() for directive in response.headers["Content-Security-Policy"].split(";"))
    return {name: set(sources) for name, *sources in directives}


@pytest.fixture
def page(handlers):
    return handlers.api("GET", "/admin", key=None)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", ADDRESSES)
def test_page_is_served_at_every_address_without_a_key_or_aws(handlers, page, count_requests, path, query):
    with count_requests() as requests:
        response = handlers.api("GET", path, query=query, key=None, authorization="Bearer wrong")
    assert (response.status, response.body) == (200, page.body)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert parse_policy(response) == parse_policy(page)
    assert not requests


@pytest.mark.parametrize("path", ["/adminx", "/Admin", "//admin", "/administrator/x", "/api/admin"])
def test_page_is_not_served_elsewhere(handlers, path):
    assert handlers.api("GET", path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/admin", "/admin/recordings/x", "/admin/assets/x/main.js"])
def test_methods_other_than_get_return_405(handlers, method, path):
    response = handlers.api(method, path, key=None, accept_encoding="gzip")
    assert (response.status, response.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("endpoint", "local_sources"),
    [("", set()), ("http://127.0.0.1:4566", {"http://127.0.0.1:4566"}), ("http://aws:5000/", {"http://aws:5000"})],
)
def test_content_security_policy_allows_own_files_this_api_and_audio_from_s3_only(handlers, endpoint, local_sources):
    handlers.overrides["AWS_ENDPOINT_URL"] = endpoint
    response = handlers.api("GET", "/admin", key=None)
    assert parse_policy(response) == POLICY | {"media-src": POLICY["media-src"] | local_sources}
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_every_file_that_a_script_or_stylesheet_loads_exists():
    for name in SERVED:
        content = (FOLDER / name).read_text("utf-8")
        loaded = [match["file"] for match in (SCRIPT if name.endswith(".js") else URL).finditer(content)]
        assert {resolve(name, file) for file in loaded} <= set(SERVED), name
        assert all(file.startswith(("./", "../")) for file in imports(name)), name
        assert "@import" not in content


def test_scripts_are_loaded_after_those_that_they_import():
    """Otherwise the browser would load the missing imports by itself, all of them in parallel."""
    page_scripts, views = load_order()
    loaded = {"start.js", "load_in_order.js"}
    for name in page_scripts:
        assert imported_files(name) <= loaded, name
        loaded.add(name)
    assert {view for *_, view in views} == {name for name in SCRIPTS if name.startswith("views/")}
    for view in views:
        for index, name in enumerate(view):
            assert imported_files(name) <= loaded | set(view[:index]), name


def test_first_view_stays_small():
    page_scripts, (overview, *_) = load_order()
    names = ("index.html", "style.css", "icon.svg", "start.js", "load_in_order.js", *page_scripts, *overview)
    assert sum(len(gzip.compress((FOLDER / name).read_bytes())) for name in names) <= MAX_FIRST_VIEW_BYTES


def load_order():
    """The scripts of the page, and for each view its own, in the order in which they are loaded."""
    start, main = ((FOLDER / name).read_text("utf-8") for name in ("start.js", "main.js"))
    page_scripts = [match["file"] for match in SCRIPT.finditer(start[start.index("loadInOrder(") :])]
    views = [[match["file"] for match in SCRIPT.finditer(line)] for line in main.splitlines() if '"views/' in line]
    return page_scripts, views


def imports(name):
    return [match["file"] for match in IMPORT.finditer((FOLDER / name).read_text("utf-8"))]


def imported_files(name):
    return {resolve(name, file) for file in imports(name)}


def resolve(name, file):
    """The name in the folder of a file that the file `name` loads."""
    base = (FOLDER / name).parent if file.startswith(".") or name.endswith(".css") else FOLDER
    return (base / file).resolve().relative_to(FOLDER).as_posix()


@pytest.mark.parametrize("name", OWN_FILES)
def test_own_files_never_turn_text_into_markup_or_code(name):
    assert not MARKUP_FROM_TEXT.search((FOLDER / name).read_text("utf-8"))


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("name", SERVED)
def test_asset_is_served_under_its_version_and_cached_for_a_year(handlers, name, gzipped):
    accepts = {"accept_encoding": "gzip, deflate, br, zstd"} if gzipped else {}
    response = handlers.api("GET", asset(name), key=None, **accepts)
    assert (response.status, response.text) == (200, content := (FOLDER / name).read_text("utf-8"))
    assert response.headers["Content-Type"] == MEDIA_TYPES[PurePosixPath(name).suffix]
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers.get("Content-Encoding") == (
        "gzip" if gzipped and len(content) >= MIN_COMPRESSED_BYTES else None
    )
    assert response.headers["Vary"] == "Accept-Encoding"  # shared caches must keep both variants


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
def test_unknown_asset_is_not_found_and_not_cached(handlers, path, accepts):
    response = handlers.api("GET", path, key=None, accept_encoding=accepts)
    assert (response.status, response.json["error"]["code"]) == (404, "file_not_found")
    assert response.headers["Cache-Control"] == "no-store"


def test_unchanged_page_is_not_sent_again(handlers, page):
    tag = page.headers["ETag"]
    for if_none_match in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        response = handlers.api("GET", "/admin/failures", key=None, if_none_match=if_none_match, accept_encoding="gzip")
        assert (response.status, response.body or "") == (304, "")
        assert (response.headers["ETag"], response.headers["Vary"]) == (tag, "Accept-Encoding")
        assert parse_policy(response) == parse_policy(page)
    assert handlers.api("GET", "/admin", key=None, if_none_match='"other"').status == 200


def test_version_changes_with_the_files(page, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[load_site.__module__], "FOLDER", tmp_path)
    for name in SERVED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    assert load_site.__wrapped__().digest == load_site().digest
    (tmp_path / "format.js").write_text("//")
    assert load_site.__wrapped__().digest != load_site().digest


def test_files_contain_no_keys_and_no_names_of_the_account(handlers, stack, page):
    names = [*stack.tables.values(), *stack.buckets.values(), *stack.secrets.values(), stack.account_id, stack.region]
    names += [function.name for function in stack.functions.values()]
    contents = [page.body, *(handlers.api("GET", asset(name), key=None).text for name in SERVED)]
    for text in (*names, read_api_key(stack), "arn:aws", "AKIA", "execute-api", "BEGIN "):
        assert not [content for content in contents if text in content], text


def test_vendored_libraries_match_npm_and_their_readme():
    """`make vendor` writes them. After an update, document the new versions and digests in their README."""
    readme = (FOLDER / "vendor/README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    rows = re.findall(r"^\| `(\S+)` \| (\w+) (\S+), .*\| `(\w+)` \|$", readme, re.MULTILINE)
    assert {name for name, *_ in rows} == {path.name for path in (FOLDER / "vendor").glob("*.js")}
    for name, package, version, digest in rows:
        assert sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == digest, name
        assert re.search(rf"^{package.upper()} +:= {re.escape(version)}$", makefile, re.MULTILINE)
    for package, title in (("preact", "The MIT License"), ("htm", "Apache License")):
        assert (FOLDER / f"vendor/{package}.LICENSE").read_text("utf-8").strip().startswith(title)
