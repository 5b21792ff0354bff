"""The HTTP API as a client of the local stack uses it."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

PAGE_SIZE = 500
TIMEOUT_SECONDS = 60


class ApiClient:
    """Raises `requests.RequestException` for what the API refuses."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business on loopback
        self._session.headers["Authorization"] = f"Bearer {key}"

    def recordings(self, status: str | None = None) -> Iterator[dict[str, Any]]:
        """Every recording, or those of one status, page by page."""
        query: dict[str, str | None] = {"limit": str(PAGE_SIZE), "transcriptionStatus": status}
        while True:
            page = self._request("GET", "/api/call-recordings", query)
            yield from page["items"]
            if page["nextCursor"] is None:
                return
            query["cursor"] = page["nextCursor"]

    def summary(self) -> dict[str, Any]:
        """How many recordings have each status, and the `outage` of the service, if there is one."""
        return self._request("GET", "/api/call-recordings/status-summary")

    def test_service(self) -> dict[str, Any]:
        """What the connection test of the transcription service says: `ok`, `code`, `message`."""
        return self._request("POST", "/api/modules/whisperx/test")

    def transcript(self, recording_id: str) -> dict[str, Any]:
        """The current transcript as it is stored."""
        return self._request("GET", f"/api/call-recordings/{recording_id}/transcript")

    def _request(self, method: str, path: str, query: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        response = self._session.request(method, f"{self.url}{path}", params=query, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document
