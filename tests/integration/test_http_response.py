"""Headers, CORS, compression and the request id of every response; and the request log."""

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
def test_every_response_has_security_headers_and_the_request_id(handlers, method, path, key, status):
    response = handlers.api(method, path, key=key, body={"caller": "1"} if method == "PUT" else None)
    assert response.status == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Strict-Transport-Security"].startswith("max-age=")
    assert response.headers["X-Request-Id"] == "r"
    assert not set(CORS) & set(response.headers)
    if status >= 400:
        assert response.json["error"]["requestId"] == "r"


def test_request_log_has_request_id_route_and_key_name_but_no_phone_number(handlers, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    handlers.api("GET", LIST, query="phoneNumber=2025550143&search=2025550143")
    handlers.api("GET", f"{LIST}/aaaaaaaaaaaaaaaaaaaa", authorization="Bearer wrong", key=None)
    lines = [json.loads(entry) for entry in log.getvalue().splitlines() if '"request"' in entry]
    accepted, rejected = lines
    assert accepted | {"correlation_id": "r", "status": 200, "key": "default", "route": f"GET {LIST}"} == accepted
    assert rejected | {"correlation_id": "r", "status": 401} == rejected
    assert not {"route", "key"} & set(rejected)
    assert "2025550143" not in json.dumps(lines)
    assert "wrong" not in json.dumps(lines)


@pytest.mark.parametrize("accept_encoding", ["gzip", "gzip, deflate, br, zstd"])
def test_text_is_compressed_for_clients_that_accept_gzip(handlers, accept_encoding):
    many = "&".join(f"parameter-{number}=1" for number in range(20))
    for path, query, status in (("/openapi.json", "", 200), ("/docs", "", 200), (LIST, many, 400)):
        plain = handlers.api("GET", path, query=query)
        response = handlers.api("GET", path, query=query, accept_encoding=accept_encoding)
        assert (response.status, response.text) == (status, plain.body)
        assert (response.headers["Content-Encoding"], response.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert len(response.body) < len(plain.body) / 2
    assert response.json["error"]["requestId"] == "r"


@pytest.mark.parametrize("accept_encoding", [None, "br", "gzip;q=0"])
def test_text_is_not_compressed_for_other_clients_or_when_small(handlers, accept_encoding):
    headers = {} if accept_encoding is None else {"accept_encoding": accept_encoding}
    for response in (
        handlers.api("GET", "/openapi.json", **headers),
        handlers.api("GET", "/health", **headers | {"accept_encoding": "gzip"}),
        handlers.api("GET", "/nothing", **headers | {"accept_encoding": "gzip"}),
    ):
        assert json.loads(response.body) == response.json
        assert "Content-Encoding" not in response.headers
        assert response.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example.com", "null", ""])
def test_without_cors_origins_no_other_origin_may_use_the_api(handlers, origin):
    preflight = handlers.api("OPTIONS", LIST, key=None, origin=origin, access_control_request_method="GET")
    assert preflight.status == 401
    response = handlers.api("GET", LIST, origin=origin)
    for checked in (preflight, response):
        assert not set(CORS) & set(checked.headers)
        assert checked.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_configured_origins_may_use_the_api(handlers, monkeypatch):
    handlers.overrides["CORS_ORIGINS"] = f"https://other.example.com {ORIGIN}"
    preflight = handlers.api("OPTIONS", f"{LIST}/x/transcript", key=None, origin=ORIGIN)
    assert (preflight.status, preflight.body) == (204, "")
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"Authorization", "If-None-Match", "Range"} <= set(
        preflight.headers["Access-Control-Allow-Headers"].split(",")
    )
    assert preflight.headers["Access-Control-Allow-Methods"] == "DELETE, GET, POST, PUT"
    response = handlers.api("GET", LIST, origin=ORIGIN)
    assert response.status == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Vary"] == "Origin, Accept-Encoding"
    assert "ETag" in response.headers["Access-Control-Expose-Headers"]
    assert handlers.api("GET", LIST, key=None, origin=ORIGIN).status == 401
    for other in ("https://evil.example.com", f"{ORIGIN}.evil.com", "null"):
        assert handlers.api("OPTIONS", LIST, key=None, origin=other).status == 401
        rejected = handlers.api("GET", LIST, origin=other)
        assert not set(CORS) & set(rejected.headers)
        assert rejected.headers["Vary"] == "Origin, Accept-Encoding"


@pytest.mark.parametrize("raw", [False, True])
def test_too_large_body_returns_413(handlers, raw):
    body = '{"patterns": ["' + "x" * 300_000 + '"]}'
    path = "/api/modules/call-recordings/preview"
    response = handlers.api("POST", path, raw=body.encode()) if raw else handlers.api("POST", path, body=body)
    assert (response.status, response.json["error"]["code"]) == (413, "body_too_large")


def test_docs_page_is_public_and_loads_nothing_from_other_origins(handlers):
    page = handlers.api("GET", "/docs", key=None)
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    head = page.body[:2000] + page.body[-3000:]
    assert "src=" not in head.replace("<script>", "")
    assert "href=" not in head
    document = handlers.api("GET", "/openapi.json", key=None)
    assert document.json["openapi"].startswith("3.1")
