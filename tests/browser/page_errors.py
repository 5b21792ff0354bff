"""What no page may do in any test: log errors, violate its content security policy, or contact other origins."""

import re
from contextlib import suppress
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Request

from testing.waiting import wait_until

MISSING = "expected, but did not occur: "

REPORT_POLICY_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  reportPolicyViolation(event.effectiveDirective, event.blockedURI, event.sourceFile, event.lineNumber));
"""


class PageErrors:
    """Collects the errors of all pages of a context. `origins` are those that pages may send requests to."""

    def __init__(self, context: BrowserContext, *origins: str) -> None:
        self._context = context
        self._origins = tuple(f"{origin}/" for origin in origins)
        self._errors: list[str] = []
        self._expected: list[str] = []
        context.on("console", self._on_console_message)
        context.on("weberror", lambda error: self._errors.append(f"uncaught: {error.error.stack or error.error}"))
        context.on("request", self._on_request)
        context.expose_function("reportPolicyViolation", self._on_policy_violation)
        context.add_init_script(REPORT_POLICY_VIOLATIONS)

    def expect(self, pattern: str) -> None:
        """Allow errors that match, and require one. Chromium logs failed requests: `expect("status of 401")`."""
        self._expected.append(pattern)

    def wait_for_expected(self) -> None:
        """Wait until every expected error has occurred; `unexpected` lists those that never did."""
        with suppress(AssertionError):
            wait_until(lambda: not any(error.startswith(MISSING) for error in self.unexpected()))

    def unexpected(self) -> list[str]:
        """The errors that no test expects, and the expected ones that did not occur."""
        for page in self._context.pages:
            page.evaluate("() => 0")  # everything reported before this has arrived
        unexpected = [error for error in self._errors if not any(re.search(each, error) for each in self._expected)]
        missing = [each for each in self._expected if not any(re.search(each, error) for error in self._errors)]
        return unexpected + [f"{MISSING}{each}" for each in missing]

    def _on_console_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._errors.append(f"console: {message.text} ({message.location['url']})")

    def _on_request(self, request: Request) -> None:
        if not request.url.removeprefix("blob:").startswith(self._origins):
            self._errors.append(f"request to another origin: {request.method} {request.url}")

    def _on_policy_violation(self, *details: Any) -> None:
        self._errors.append("policy violated: {} by {} ({}:{})".format(*details))
