"""S3 that lists objects but refuses to return some of them."""

import re
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session


class RawBody:
    def __init__(self, content):
        self._content = [content]

    def stream(self, *_, **__):
        return iter(self._content)

    def read(self, *_, **__):
        return self._content.pop() if self._content else b""


@pytest.fixture
def refuse(monkeypatch):
    """Lets S3 refuse to return the objects whose keys match a pattern, until another pattern is set."""
    state: dict[str, Any] = {
        "pattern": "",
        "code": "AccessDenied",
        "message": "Access Denied",
        "status": 403,
        "refuses_lists": False,
        "refused": 0,
    }
    send = URLLib3Session.send

    def send_or_refuse(self, request):
        is_read = request.method in ("GET", "HEAD") and ("list-type" not in request.url or state["refuses_lists"])
        if not state["pattern"] or not is_read or not re.search(state["pattern"], request.url):
            return send(self, request)
        state["refused"] += 1
        body = f"<Error><Code>{state['code']}</Code><Message>{state['message']}</Message></Error>".encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        return AWSResponse(request.url, state["status"], headers, RawBody(b"" if request.method == "HEAD" else body))

    monkeypatch.setattr(URLLib3Session, "send", send_or_refuse)

    def refuse(pattern, **values):
        state.update(pattern=pattern, **values)
        return state

    return refuse
