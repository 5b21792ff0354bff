"""What goes with every answer of the API: headers, CORS, the request's id; and what is kept out of the log."""

import io
import json

import pytest

from callscribe.observability import logger

LIST = "/api/call-recordings"
ORIGIN = "https://intranet.example.com"
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods")


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [("GET", "/health", None, 200), ("GET", LIST, "", 200), ("GET", LIST, None, 401), ("GET", "/nothing", None, 404),
     ("PATCH", LIST, "", 405), ("PUT", f"{LIST}/x", "", 404)],
)  # fmt: skip
def test_every_answer_says_that_it_is_data_and_which_request_it_is_of(handlers, method, path, key, status):
    answer = handlers.api(method, path, key=key, body={"caller": "1"} if method == "PUT" else None)
    assert answer.status == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    assert answer.headers["X-Request-Id"] == "r"
    assert not set(CORS) & set(answer.headers)
    if status >= 400:
        assert answer.json["error"]["requestId"] == "r"


def test_an_error_is_found_in_the_log_by_its_id_with_its_route_and_the_name_of_the_key(handlers, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    handlers.api("GET", LIST, query="phoneNumber=2025550143&search=2025550143")
    handlers.api("GET", f"{LIST}/aaaaaaaaaaaaaaaaaaaa", authorization="Bearer wrong", key=None)
    lines = [json.loads(line) for line in log.getvalue().splitlines() if '"request"' in line]
    good, refused = lines
    assert good | {"correlation_id": "r", "status": 200, "key": "default", "route": f"GET {LIST}"} == good
    assert refused | {"correlation_id": "r", "status": 401} == refused
    assert not {"route", "key"} & set(refused)
    assert "2025550143" not in json.dumps(lines)
    assert "wrong" not in json.dumps(lines)


@pytest.mark.parametrize("reads", ["gzip", "gzip, deflate, br, zstd"])
def test_text_comes_compressed_to_who_can_read_that(handlers, reads):
    many = "&".join(f"parameter-{number}=1" for number in range(20))
    for path, query, status in (("/openapi.json", "", 200), ("/docs", "", 200), (LIST, many, 400)):
        plain = handlers.api("GET", path, query=query)
        answer = handlers.api("GET", path, query=query, accept_encoding=reads)
        assert (answer.status, answer.text) == (status, plain.body)
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert len(answer.body) < len(plain.body) / 2
    assert answer.json["error"]["requestId"] == "r"


@pytest.mark.parametrize("reads", [None, "br", "gzip;q=0"])
def test_text_comes_as_it_is_to_who_cannot_and_so_does_what_is_small(handlers, reads):
    headers = {} if reads is None else {"accept_encoding": reads}
    for answer in (
        handlers.api("GET", "/openapi.json", **headers),
        handlers.api("GET", "/health", **headers | {"accept_encoding": "gzip"}),
        handlers.api("GET", "/nothing", **headers | {"accept_encoding": "gzip"}),
    ):
        assert json.loads(answer.body) == answer.json
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example.com", "null", ""])
def test_without_a_setting_no_page_of_another_origin_may_use_the_api(handlers, origin):
    asked = handlers.api("OPTIONS", LIST, key=None, origin=origin, access_control_request_method="GET")
    assert asked.status == 401
    answer = handlers.api("GET", LIST, origin=origin)
    for each in (asked, answer):
        assert not set(CORS) & set(each.headers)
        assert each.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_pages_of_the_origins_that_are_set_may_and_no_others(handlers, monkeypatch):
    handlers.overrides["CORS_ORIGINS"] = f"https://other.example.com {ORIGIN}"
    asked = handlers.api("OPTIONS", f"{LIST}/x/transcript", key=None, origin=ORIGIN)
    assert (asked.status, asked.body) == (204, "")
    assert asked.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"Authorization", "If-None-Match", "Range"} <= set(asked.headers["Access-Control-Allow-Headers"].split(","))
    assert asked.headers["Access-Control-Allow-Methods"] == "DELETE, GET, POST, PUT"
    answer = handlers.api("GET", LIST, origin=ORIGIN)
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Vary"] == "Origin, Accept-Encoding"
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert handlers.api("GET", LIST, key=None, origin=ORIGIN).status == 401
    for other in ("https://evil.example.com", f"{ORIGIN}.evil.com", "null"):
        assert handlers.api("OPTIONS", LIST, key=None, origin=other).status == 401
        refused = handlers.api("GET", LIST, origin=other)
        assert not set(CORS) & set(refused.headers)
        assert refused.headers["Vary"] == "Origin, Accept-Encoding"


@pytest.mark.parametrize("raw", [False, True])
def test_a_body_that_is_too_large_is_413_and_not_read(handlers, raw):
    body = '{"patterns": ["' + "x" * 300_000 + '"]}'
    path = "/api/modules/call-recordings/preview"
    answer = handlers.api("POST", path, raw=body.encode()) if raw else handlers.api("POST", path, body=body)
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")


def test_the_documentation_is_open_is_one_page_and_loads_nothing_from_elsewhere(handlers):
    page = handlers.api("GET", "/docs", key=None)
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    head = page.body[:2000] + page.body[-3000:]
    assert "src=" not in head.replace("<script>", "")
    assert "href=" not in head
    document = handlers.api("GET", "/openapi.json", key=None)
    assert document.json["openapi"].startswith("3.1")
