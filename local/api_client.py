"""A client of Callscribe's HTTP API, for the local commands."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

PAGE_SIZE = 500
TIMEOUT_SECONDS = 60


class ApiClient:
    """Every request raises `requests.RequestException` on an error response."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy for loopback
        self._session.headers["Authorization"] = f"Bearer {key}"

    def recordings(self, status: str | None = None, page_size: int = PAGE_SIZE) -> Iterator[dict[str, Any]]:
        """Yield all recordings, or those with this status, reading page by page."""
        query: dict[str, str | None] = {"limit": str(page_size), "transcriptionStatus": status}
        while True:
            page = self._request("GET", "/api/call-recordings", query)
            yield from page["items"]
            if page["nextCursor"] is None:
                return
            query["cursor"] = page["nextCursor"]

    def summary(self) -> dict[str, Any]:
        """The number of recordings by status, and the `outage` of the WhisperX server, if there is one."""
        return self._request("GET", "/api/call-recordings/status-summary")

    def test_service(self) -> dict[str, Any]:
        """The result of the connection test of the WhisperX server: `ok`, `code`, `message`."""
        return self._request("POST", "/api/modules/whisperx/test")

    def transcript(self, recording_id: str) -> dict[str, Any]:
        """The current transcript, as stored."""
        return self._request("GET", f"/api/call-recordings/{recording_id}/transcript")

    def _request(self, method: str, path: str, query: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        response = self._session.request(method, f"{self.url}{path}", params=query, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document
