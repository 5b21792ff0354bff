"""The connection test: whether the WhisperX server can be used as it is configured, and what to change if not.

It sends no audio. What it cannot know without, it says: these servers judge most keys and all options only then.
"""

import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from requests.exceptions import ConnectTimeout

from callscribe.errors import TranscriptionError
from callscribe.settings import WhisperXSettings
from callscribe.whisperx import Observer, Timeouts, describe, descriptions
from callscribe.whisperx.http import Client, causes
from callscribe.whisperx.verdicts import Answer, approved

SECONDS = 15.0
"""The whole test takes no longer: somebody is watching."""

CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 6.0

NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""Of a route that a server need not have."""

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` for programs, `message` for people: what was found, and what to do about it."""

    ok: bool
    code: str
    message: str


def _not_ok(code: str, message: str) -> Verdict:
    return Verdict(ok=False, code=code, message=message)


NO_ANSWER = _not_ok(
    "no_answer",
    "The server was reached but has not answered yet. That need not be an outage: many of these servers answer nothing "
    "while they transcribe. Try again when it has nothing to do.",
)
NOT_HTTP = _not_ok(
    "not_http",
    "The server broke the connection off, or did not answer in HTTP. If it speaks TLS, its address must begin with "
    "https://; otherwise another program answers at this port.",
)
NOT_WHISPERX = _not_ok(
    "not_whisperx",
    "Something answers at this address, but nothing that looks like a WhisperX server. Correct the "
    "server's address: it has no route such as /asr; behind a proxy, it has the path that leads to the server.",
)
TROUBLES: tuple[tuple[type[BaseException], Verdict], ...] = (
    (
        socket.gaierror,
        _not_ok(
            "name_not_found",
            "The host name in the server's address is not found. Check its spelling, and that this network knows it.",
        ),
    ),
    (
        ConnectionRefusedError,
        _not_ok(
            "refused",
            "The host refuses connections at this port. Start the server, or correct the port in its address.",
        ),
    ),
    (
        ConnectTimeout,
        _not_ok(
            "connect_timeout",
            "The host does not answer at this port. Check the address, the firewall or security group, and whether "
            "this network has a way there.",
        ),
    ),
    (
        ssl.SSLError,
        _not_ok(
            "tls_failed",
            "No TLS connection could be made. If the server speaks plain HTTP, its address must begin with http://.",
        ),
    ),
    (TimeoutError, NO_ANSWER),
)
"""Where no answer came: the first whose error is among the causes; otherwise NOT_HTTP."""

UNTRUSTED = "The certificate of the server {}, so nothing is sent to it. {}"
CERTIFICATES = {
    10: ("has expired", "Renew it."),
    18: ("is self-signed", "Use one of a known authority, or http:// within a private network."),
    19: ("is signed by an authority that is not known", "Use one of a known authority."),
    20: ("is signed by an authority that is not known, or comes without it", "Let the server send the whole chain."),
    62: ("is for another host", "Write the name that it is for into the server's address."),
    64: ("is for another address", "Write the name that it is for into the server's address."),
}
"""By the verification codes of OpenSSL."""

OTHERWISE = ("cannot be trusted", "Check it.")

BY_CODE = {"timeout": NO_ANSWER, "unreadable_answer": NOT_WHISPERX}
"""Where an answer began to come."""


def check(settings: WhisperXSettings, api_key: str, observe: Observer = lambda _exchange: None) -> Verdict:
    """Takes `SECONDS` at most, and raises nothing for what the server does. Raises ConfigurationError."""
    executor = ThreadPoolExecutor(1)  # for looking up a name has no timeout
    try:
        return executor.submit(Probe(settings, api_key, observe).verdict).result(SECONDS)
    except TimeoutError:
        return NO_ANSWER
    finally:
        executor.shutdown(wait=False)


class Probe:
    def __init__(self, settings: WhisperXSettings, api_key: str, observe: Observer) -> None:
        self._dialect = settings.whisperx_dialect
        self._dialects = descriptions()
        url = describe(self._dialect).address(settings.whisperx_url)
        self._has_key = bool(api_key)
        self._client = Client(url, api_key, observe)
        self._keyless = Client(url, "", observe)
        self._ends_at = time.monotonic() + SECONDS

    def verdict(self) -> Verdict:
        try:
            return self._reached(self._ask("/openapi.json"))
        except TranscriptionError as error:
            return _trouble(error)

    def _reached(self, described: Answer) -> Verdict:
        if refusal := self._refusal(described):
            return refusal
        spoken = self._described(described) or [dialect for dialect in self._all() if self._has_route(dialect)]
        if self._dialect in spoken:
            return self._with_key()
        if spoken:
            servers = " and ".join(self._dialects[each].server for each in spoken)
            instead = f"choose the dialect {' or '.join(spoken)} instead of {self._dialect}"
            return _not_ok("wrong_dialect", f"This answers like {servers}: {instead}.")
        return NOT_WHISPERX

    def _with_key(self) -> Verdict:
        """It is the right server; whether it takes the key is told by a route that may want one."""
        path, guarded = self._guarded()
        if refusal := self._refusal(guarded):
            return refusal
        found = f"The server answers and speaks the dialect {self._dialect}."
        if not self._has_key:
            return Verdict(ok=True, code="ok", message=f"{found} No key is set, and this test was asked for none.")
        if self._ask(path, self._keyless).status in REFUSED:
            return Verdict(ok=True, code="ok", message=f"{found} It takes the key.")
        untold = "Whether it takes the key cannot be told without sending audio: it answers this test without one too."
        return Verdict(ok=True, code="ok", message=f"{found} {untold}")

    def _guarded(self) -> tuple[str, Answer]:
        """The first of the routes for which a key may be wanted that there is, or the last."""
        for path in self._dialects[self._dialect].guarded:
            answer = self._ask(path)
            if answer.status not in NOT_THERE:
                break
        return path, answer

    def _all(self) -> list[str]:
        """All dialects, the configured one first."""
        return sorted(self._dialects, key=lambda dialect: dialect != self._dialect)

    def _described(self, answer: Answer) -> list[str]:
        """The dialects whose routes the server describes; none if it describes nothing."""
        paths = _member(answer, "paths")
        if not isinstance(paths, dict):
            return []
        return [dialect for dialect, description in self._dialects.items() if description.route in paths]

    def _has_route(self, dialect: str) -> bool:
        """Whether it has the route of a dialect, which says to a GET that it takes POST only, or the dialect's list."""
        known = self._dialects[dialect]
        if self._ask(known.route).status == HTTPStatus.METHOD_NOT_ALLOWED:
            return True
        return bool(known.lists) and isinstance(_member(self._ask(known.guarded[0]), known.lists), list)

    def _refusal(self, answer: Answer) -> Verdict | None:
        """What the status says, unless it is only that there is no such route."""
        if answer.status in NOT_THERE:
            return None
        if answer.status in REFUSED and not self._has_key:
            return _not_ok(
                "key_refused",
                f"The server wants an API key ({answer.status}), and none is set. Set the key of the server.",
            )
        try:
            approved(answer)
        except TranscriptionError as error:
            return _not_ok(error.code, error.message)
        return None

    def _ask(self, path: str, client: Client | None = None) -> Answer:
        left = max(0.1, self._ends_at - time.monotonic())
        timeouts = Timeouts(min(CONNECT_SECONDS, left), min(ANSWER_SECONDS, left))
        return (client or self._client).get(path, timeouts, lambda answer: answer)


def _member(answer: Answer, name: str) -> Any:
    """A member of the JSON object that was answered, if it is one."""
    try:
        return json.loads(answer.body)[name]
    except (ValueError, RecursionError, TypeError, LookupError):
        return None


def _trouble(error: TranscriptionError) -> Verdict:
    """What kept an answer from coming."""
    if error.code == "wrong_address":
        return _not_ok(error.code, error.message)
    chain = list(causes(error))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return _not_ok("certificate", UNTRUSTED.format(*CERTIFICATES.get(each.verify_code, OTHERWISE)))
    for kind, verdict in TROUBLES:
        if any(isinstance(each, kind) for each in chain):
            return verdict
    return BY_CODE.get(error.code, NOT_HTTP)
