"""What a page must not do, whatever a test looks at: errors, violations of its policy, requests to anybody else."""

import re
from contextlib import suppress
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Request

from testing.waiting import wait_until

IN_VAIN = "expected in vain: "

TELL = """
addEventListener("securitypolicyviolation", (event) =>
  violatesItsPolicy(event.effectiveDirective, event.blockedURI, event.sourceFile, event.lineNumber));
"""


class Complaints:
    """All that the pages of a context did so. `origins` are those that they may send requests to."""

    def __init__(self, context: BrowserContext, *origins: str) -> None:
        self._context = context
        self._origins = tuple(f"{origin}/" for origin in origins)
        self._made: list[str] = []
        self._expected: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self._made.append(f"uncaught: {error.error.stack or error.error}"))
        context.on("request", self._request)
        context.expose_function("violatesItsPolicy", self._violation)
        context.add_init_script(TELL)

    def expect(self, pattern: str) -> None:
        """Declares that such a complaint will come, as Chromium's about an answer of 401: `expect("status of 401")`."""
        self._expected.append(pattern)

    def wait_for_expected(self) -> None:
        """Wait until every expected complaint has come; `unexpected` lists those that never did."""
        with suppress(AssertionError):
            wait_until(lambda: not any(each.startswith(IN_VAIN) for each in self.unexpected()))

    def unexpected(self) -> list[str]:
        """Those that no test expects, and what was expected in vain."""
        for page in self._context.pages:
            page.evaluate("() => 0")  # what was told before this has come
        unexpected = [each for each in self._made if not any(re.search(pattern, each) for pattern in self._expected)]
        in_vain = [pattern for pattern in self._expected if not any(re.search(pattern, each) for each in self._made)]
        return unexpected + [f"{IN_VAIN}{pattern}" for pattern in in_vain]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._made.append(f"console: {message.text} ({message.location['url']})")

    def _request(self, request: Request) -> None:
        if not request.url.removeprefix("blob:").startswith(self._origins):
            self._made.append(f"request to another origin: {request.method} {request.url}")

    def _violation(self, *told: Any) -> None:
        self._made.append("policy violated: {} by {} ({}:{})".format(*told))
