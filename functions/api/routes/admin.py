"""/admin: the admin page, a few static files in admin/ that use only this API.

Like /docs, the files are public: without a key, the page shows a form for it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.api.errors import ApiError
from functions.api.http_response import not_modified, weak_etag

FOLDER = Path(__file__).parents[1] / "admin"
PAGE_FILE = "index.html"
ASSETS_PLACEHOLDER = "{assets}"
"""Placeholder in the page for the path of its assets."""

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

AUDIO_ORIGINS = "https://*.amazonaws.com https://*.amazonaws.com.cn"
"""Origins of audio in S3, for players."""

IMMUTABLE_CACHE_CONTROL = "public, max-age=31536000, immutable"

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Site:
    """The page's files by name. `digest` identifies their version and is part of their paths.

    Browsers can therefore cache them forever, and files that import each other always have the same version.
    """

    files: Mapping[str, str]
    digest: str

    @property
    def page(self) -> str:
        return self.files[PAGE_FILE].replace(ASSETS_PLACEHOLDER, f"/admin/assets/{self.digest}")


@cache
def load_site() -> Site:
    """Read the files, once per OS process."""
    paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in MEDIA_TYPES)
    files = {path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in paths}
    return Site(files, sha256(repr(files).encode()).hexdigest()[:16])


@router.get("/admin/assets/.+", include_in_schema=False)
def get_asset() -> Response[str]:
    """Return one of the page's files."""
    digest, _, name = router.current_event.path.removeprefix("/admin/assets/").partition("/")
    content = load_site().files.get(name) if digest == load_site().digest else None
    if content is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "file_not_found", "This file does not exist. Reload the page.")
    return _file_response(name, content, {"Cache-Control": IMMUTABLE_CACHE_CONTROL})


@router.get("/admin(?:/.*)?", include_in_schema=False)
def get_page() -> Response[str | None]:
    """Return the page. It has one HTML file for all paths and shows the view that the path names."""
    tag = weak_etag(load_site().digest)
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": content_security_policy()}
    if not_modified(router.current_event.headers, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=headers)
    return _file_response(PAGE_FILE, load_site().page, headers)


def _file_response(name: str, content: str, headers: Mapping[str, str]) -> Response[Any]:
    return Response(HTTPStatus.OK, MEDIA_TYPES[Path(name).suffix], content, headers={**headers})


def content_security_policy() -> str:
    """Let the page run its own files, connect to this API and play audio. Text never becomes markup."""
    local_endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    audio_origins = (
        f"{AUDIO_ORIGINS} {local_endpoint.scheme}://{local_endpoint.netloc}" if local_endpoint.netloc else AUDIO_ORIGINS
    )
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            f"media-src 'self' {audio_origins}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
