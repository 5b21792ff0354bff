"""S3 as far as listing goes, fast enough for 100,000 objects: ListObjectsV2 as AWS answers it, and nothing else."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

PAGE = 1000
FIRST_DAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
CALLS_A_DAY = 500


def keys(number: int) -> list[str]:
    """As many names as FreePBX gives them, sorted."""
    return sorted(map(_key, range(number)))


def _key(number: int) -> str:
    day, call = divmod(number, CALLS_A_DAY)
    at = FIRST_DAY + timedelta(days=day, seconds=100 * call)
    outside, extension = f"{2079460000 + number * 7919 % 10_000:010}", 2000 + number * 31 % 90
    kind = ("out-0{0}-{1}", "external-{1}-+44{0}", "q-6001-+44{0}", "rg-600-0{0}")[number % 4].format(
        outside, extension
    )
    return f"{at:%Y/%m/%d}/{kind}-{at:%Y%m%d-%H%M%S}-{int(at.timestamp())}.{number % 10_000}.wav"


def serve(addresses: Any, sizes: Mapping[str, int]) -> None:
    """Serves these buckets, each with so many objects, until the process ends."""
    buckets = {name: keys(size) for name, size in sizes.items()}

    class Listing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            bucket = url.path.strip("/")
            listed = query.get("list-type") == "2" and bucket in buckets
            body = _page(bucket, buckets[bucket], query).encode() if listed else b""
            self.send_response(200 if listed else 501)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    addresses.put(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def _page(bucket: str, all_keys: list[str], query: Mapping[str, str]) -> str:
    prefix, after = query.get("prefix", ""), query.get("continuation-token") or query.get("start-after", "")
    start = max(bisect_left(all_keys, prefix), bisect_right(all_keys, after))
    page = list(takewhile(lambda key: key.startswith(prefix), all_keys[start : start + PAGE]))
    more = len(page) == PAGE and all_keys[start + PAGE : start + PAGE + 1]
    truncated = bool(more and more[0].startswith(prefix))
    token = f"<NextContinuationToken>{quote(page[-1])}</NextContinuationToken>" if truncated else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{quote(prefix)}</Prefix>{token}<KeyCount>{len(page)}</KeyCount>"
        f"<MaxKeys>{PAGE}</MaxKeys><EncodingType>url</EncodingType><IsTruncated>{str(truncated).lower()}</IsTruncated>"
        f"{''.join(map(_entry, page))}</ListBucketResult>"
    )


def _entry(key: str) -> str:
    digest = md5(key.encode(), usedforsecurity=False).hexdigest()
    stamp = int(key.rpartition("-")[2].partition(".")[0])
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>{datetime.fromtimestamp(stamp, UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        f"</LastModified><ETag>&quot;{digest}&quot;</ETag><Size>{50_000 + int(digest[:5], 16)}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )
