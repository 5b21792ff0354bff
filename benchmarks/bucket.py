"""A simulated S3 with only ListObjectsV2, fast enough for 100,000 objects."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

PAGE_SIZE = 1000
FIRST_DAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
CALLS_PER_DAY = 500


def make_keys(number: int) -> list[str]:
    """Return this many sorted keys, named as by FreePBX."""
    return sorted(map(_make_key, range(number)))


def _make_key(number: int) -> str:
    day, call = divmod(number, CALLS_PER_DAY)
    started_at = FIRST_DAY + timedelta(days=day, seconds=100 * call)
    external_number, extension = f"{2079460000 + number * 7919 % 10_000:010}", 2000 + number * 31 % 90
    kind = ("out-0{0}-{1}", "external-{1}-+44{0}", "q-6001-+44{0}", "rg-600-0{0}")[number % 4].format(
        external_number, extension
    )
    return (
        f"{started_at:%Y/%m/%d}/{kind}-{started_at:%Y%m%d-%H%M%S}-{int(started_at.timestamp())}.{number % 10_000}.wav"
    )


def serve(addresses: Any, sizes: Mapping[str, int]) -> None:
    """Serve buckets with these names and numbers of objects until the process ends; put the URL into `addresses`."""
    buckets = {name: make_keys(size) for name, size in sizes.items()}

    class ListingHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # otherwise each small response takes 40 ms: its body waits for an acknowledgement
        )

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            bucket = url.path.strip("/")
            is_listing = query.get("list-type") == "2" and bucket in buckets
            body = _render_page(bucket, buckets[bucket], query).encode() if is_listing else b""
            self.send_response(200 if is_listing else 501)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), ListingHandler)
    addresses.put(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def _render_page(bucket: str, all_keys: list[str], query: Mapping[str, str]) -> str:
    prefix, start_after = query.get("prefix", ""), query.get("continuation-token") or query.get("start-after", "")
    start = max(bisect_left(all_keys, prefix), bisect_right(all_keys, start_after))
    page = list(takewhile(lambda key: key.startswith(prefix), all_keys[start : start + PAGE_SIZE]))
    next_keys = len(page) == PAGE_SIZE and all_keys[start + PAGE_SIZE : start + PAGE_SIZE + 1]
    is_truncated = bool(next_keys and next_keys[0].startswith(prefix))
    token = f"<NextContinuationToken>{quote(page[-1])}</NextContinuationToken>" if is_truncated else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{quote(prefix)}</Prefix>{token}<KeyCount>{len(page)}</KeyCount>"
        f"<MaxKeys>{PAGE_SIZE}</MaxKeys><EncodingType>url</EncodingType><IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
        f"{''.join(map(_render_entry, page))}</ListBucketResult>"
    )


def _render_entry(key: str) -> str:
    digest = md5(key.encode(), usedforsecurity=False).hexdigest()
    timestamp = int(key.rpartition("-")[2].partition(".")[0])
    return (
        f"<Contents><Key>{quote(key)}</Key>"
        f"<LastModified>{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        f"</LastModified><ETag>&quot;{digest}&quot;</ETag><Size>{50_000 + int(digest[:5], 16)}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )
