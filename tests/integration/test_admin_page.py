"""/admin: the page and its files as served. tests/browser tests what the page does in a browser."""

import re
import sys
from hashlib import sha256
from pathlib import PurePosixPath

import pytest

from functions.api.http_response import MIN_COMPRESSED_BYTES
from functions.api.routes.admin import FOLDER, MEDIA_TYPES, load_site
from testing.handlers import ROOT, read_api_key

PATHS = (
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
"""A loaded script: relative to the loading file if its path starts with a dot, otherwise to the folder."""

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


def asset(name, digest=None):
    return f"/admin/assets/{digest or load_site().digest}/{name}"


def policy_of(response):
    directives = (directive.split() for directive in response.headers["Content-Security-Policy"].split(";"))
    return {name: set(sources) for name, *sources in directives}


@pytest.fixture
def page(handlers):
    return handlers.api("GET", "/admin", key=None)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", PATHS)
def test_page_is_served_at_each_path_without_a_key_and_without_aws(handlers, page, counted, path, query):
    with counted() as requests:
        response = handlers.api("GET", path, query=query, key=None, authorization="Bearer wrong")
    assert (response.status, response.body) == (200, page.body)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert policy_of(response) == policy_of(page)
    assert not requests


@pytest.mark.parametrize("path", ["/adminx", "/Admin", "//admin", "/administrator/x", "/api/admin"])
def test_page_is_not_served_at_other_paths(handlers, path):
    assert handlers.api("GET", path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/admin", "/admin/recordings/x", "/admin/assets/x/main.js"])
def test_page_supports_only_get(handlers, method, path):
    response = handlers.api(method, path, key=None, accept_encoding="gzip")
    assert (response.status, response.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("endpoint", "more"),
    [("", set()), ("http://127.0.0.1:4566", {"http://127.0.0.1:4566"}), ("http://aws:5000/", {"http://aws:5000"})],
)
def test_content_security_policy_allows_only_own_files_this_api_and_s3_audio(handlers, endpoint, more):
    handlers.overrides["AWS_ENDPOINT_URL"] = endpoint
    response = handlers.api("GET", "/admin", key=None)
    assert policy_of(response) == POLICY | {"media-src": POLICY["media-src"] | more}
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_every_file_loaded_by_a_script_or_stylesheet_exists():
    for name in SERVED:
        content = (FOLDER / name).read_text("utf-8")
        loaded = [match["file"] for match in (SCRIPT if name.endswith(".js") else URL).finditer(content)]
        assert {resolve(name, path) for path in loaded} <= set(SERVED), name
        assert all(path.startswith(("./", "../")) for path in imports(name)), name
        assert "@import" not in content


def test_scripts_are_loaded_after_their_imports():
    """One after the other: otherwise the browser requests missing imports itself, and all at once."""
    start, main = ((FOLDER / name).read_text("utf-8") for name in ("start.js", "main.js"))
    loaded = {"start.js", "in_turn.js"}
    for match in SCRIPT.finditer(start[start.index("inTurn(") :]):
        assert needs(match["file"]) <= loaded, match["file"]
        loaded.add(match["file"])
    views = [[match["file"] for match in SCRIPT.finditer(line)] for line in main.splitlines() if '"views/' in line]
    assert {view for *_, view in views} == {name for name in SCRIPTS if name.startswith("views/")}
    for view in views:
        for index, name in enumerate(view):
            assert needs(name) <= loaded | set(view[:index]), name


def imports(name):
    return [match["file"] for match in IMPORT.finditer((FOLDER / name).read_text("utf-8"))]


def needs(name):
    return {resolve(name, path) for path in imports(name)}


def resolve(name, path):
    """Return the name of the file that `name` loads by this path."""
    folder = (FOLDER / name).parent if path.startswith(".") or name.endswith(".css") else FOLDER
    return (folder / path).resolve().relative_to(FOLDER).as_posix()


@pytest.mark.parametrize("name", OWN_FILES)
def test_no_own_script_turns_text_into_markup_or_code(name):
    assert not MARKUP_FROM_TEXT.search((FOLDER / name).read_text("utf-8"))


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("name", SERVED)
def test_assets_are_served_under_their_version_and_cached_for_a_year(handlers, name, gzipped):
    accepts = {"accept_encoding": "gzip, deflate, br, zstd"} if gzipped else {}
    response = handlers.api("GET", asset(name), key=None, **accepts)
    assert (response.status, response.text) == (200, content := (FOLDER / name).read_text("utf-8"))
    assert response.headers["Content-Type"] == MEDIA_TYPES[PurePosixPath(name).suffix]
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers.get("Content-Encoding") == (
        "gzip" if gzipped and len(content) >= MIN_COMPRESSED_BYTES else None
    )
    assert response.headers["Vary"] == "Accept-Encoding"  # so that caches keep them apart


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
def test_other_asset_paths_return_an_uncached_404(handlers, path, accepts):
    response = handlers.api("GET", path, key=None, accept_encoding=accepts)
    assert (response.status, response.json["error"]["code"]) == (404, "file_not_found")
    assert response.headers["Cache-Control"] == "no-store"


def test_page_is_not_sent_again_to_a_client_that_has_it(handlers, page):
    tag = page.headers["ETag"]
    for if_none_match in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        response = handlers.api("GET", "/admin/failures", key=None, if_none_match=if_none_match, accept_encoding="gzip")
        assert (response.status, response.body or "") == (304, "")
        assert (response.headers["ETag"], response.headers["Vary"]) == (tag, "Accept-Encoding")
        assert policy_of(response) == policy_of(page)
    assert handlers.api("GET", "/admin", key=None, if_none_match='"other"').status == 200


def test_version_of_the_page_changes_with_its_files(page, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[load_site.__module__], "FOLDER", tmp_path)
    for name in SERVED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    assert load_site.__wrapped__().digest == load_site().digest
    (tmp_path / "words.js").write_text("//")
    assert load_site.__wrapped__().digest != load_site().digest


def test_no_file_contains_a_key_or_names_of_the_account(handlers, stack, page):
    names = [*stack.tables.values(), *stack.buckets.values(), *stack.secrets.values(), stack.account_id, stack.region]
    names += [function.name for function in stack.functions.values()]
    served = [page.body, *(handlers.api("GET", asset(name), key=None).text for name in SERVED)]
    for text in (*names, read_api_key(stack), "arn:aws", "AKIA", "execute-api", "BEGIN "):
        assert not [content for content in served if text in content], text


def test_vendored_libraries_match_their_documented_version_and_digest():
    """`make vendor` downloads them; whoever updates one also updates the README."""
    readme = (FOLDER / "vendor/README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    rows = re.findall(r"^\| `(\S+)` \| (\w+) (\S+), .*\| `(\w+)` \|$", readme, re.MULTILINE)
    assert {name for name, *_ in rows} == {path.name for path in (FOLDER / "vendor").glob("*.js")}
    for name, package, version, digest in rows:
        assert sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == digest, name
        assert re.search(rf"^{package.upper()} +:= {re.escape(version)}$", makefile, re.MULTILINE)
    for package, begins in (("preact", "The MIT License"), ("htm", "Apache License")):
        assert (FOLDER / f"vendor/{package}.LICENSE").read_text("utf-8").strip().startswith(begins)
