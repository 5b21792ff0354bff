"""Servers and proxies that refuse every recording, in each dialect: which recordings keep their attempts, and why.

    .venv/bin/python -m tests.e2e.refused_recordings

Each case has eight recordings and six runs of the process task, one minute apart.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from testing.scripted_service import Reply, ScriptedService
from tests.e2e.handler_stack import delete_recordings, list_recordings, put_recordings, serve_handlers

DIALECTS = ("asr", "openai", "tasks")
RECORDINGS, RUNS = 8, 6


def page(status: int, text: str = "") -> Reply:
    """A proxy's page."""
    return Reply(status, f"<html><h1>{status} {text}</h1></html>".encode(), {"Content-Type": "text/html"})


def api_error(status: int, **fields: Any) -> Reply:
    """An error in the form of OpenAI's API."""
    body = json.dumps({"error": {"message": "no", "type": "invalid_request_error", **fields}}).encode()
    return Reply(status, body, {"Content-Type": "application/json"})


def text(status: int, body: str) -> Reply:
    return Reply(status, body.encode(), {"Content-Type": "text/plain"})


@dataclass(frozen=True, slots=True)
class Case:
    """A response to every recording, and the error code of the outage that it causes."""

    reply: Reply
    code: str
    dialects: tuple[str, ...] = DIALECTS


CASES = {
    "an option named in error.param": Case(api_error(400, param="language"), "invalid_options"),
    "an option that only newer models know": Case(api_error(400, param="response_format"), "invalid_options"),
    "no credit (402)": Case(api_error(402), "payment_required"),
    "used-up quota (429)": Case(api_error(429, code="insufficient_quota"), "payment_required"),
    "over capacity (498)": Case(api_error(498), "service_busy"),
    "overloaded (529)": Case(api_error(529), "service_busy"),
    "a proxy wants a client certificate": Case(page(400, "No required SSL certificate was sent"), "wrong_settings"),
    "http on an https port": Case(page(400, "The plain HTTP request was sent to HTTPS port"), "wrong_settings"),
    "a proxy's page (400)": Case(page(400), "wrong_settings"),
    "a firewall (403)": Case(page(403), "wrong_settings"),
    "a sign-in page (200)": Case(page(200, "Sign in"), "wrong_settings"),
    "a country that is not served (403)": Case(
        api_error(403, code="unsupported_country_region_territory"), "wrong_settings"
    ),
    "a host name that is not allowed": Case(text(400, "Invalid host header"), "wrong_settings"),
    "a proxy wants a length (411)": Case(page(411), "wrong_settings"),
    "bad gateway (502)": Case(page(502), "service_down"),
    "Cloudflare: server down (521)": Case(page(521), "service_down"),
    "Cloudflare: TLS fails (525)": Case(page(525), "service_down"),
    "Cloudflare: bad certificate (526)": Case(page(526), "service_down"),
    # no single response says that the settings are the cause: the fifth identical one does
    "a proxy gave up waiting (504)": Case(page(504), "wrong_settings"),
    "Cloudflare gave up waiting (524)": Case(page(524), "wrong_settings"),
    "an error without a reason (500)": Case(text(500, "Internal Server Error"), "wrong_settings"),
    "a refusal without a reason (400)": Case(text(400, "no"), "wrong_settings"),
    "an error in a successful response": Case(api_error(200, code=400), "wrong_settings"),
    "a transcript under another name": Case(text(200, '{"utterances": [{"text": "no"}]}'), "wrong_settings"),
    "a refusal of the format (415)": Case(text(415, "no"), "wrong_settings"),
    "a refusal of the content (422)": Case(text(422, "no"), "wrong_settings"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """`kept`: recordings that are queued and have all their attempts. `sent`: how many times audio was sent."""

    case: str
    dialect: str
    kept: int
    sent: int
    code: str | None
    message: str


def run(cases: dict[str, Case] = CASES) -> Iterator[Result]:
    """Run each case in each of its dialects."""
    service = ScriptedService()
    with serve_handlers(WHISPERX_URL=service.url, RECORDINGS_PER_RUN="2") as handlers:
        for number, (name, case) in enumerate(cases.items()):
            for dialect in case.dialects:
                folder = f"{dialect}-{number}"
                handlers.overrides["WHISPERX_DIALECT"] = dialect
                sent_before = count_uploads(service)
                service.choose_reply = lambda received, reply=case.reply: (
                    text(404, '{"detail": "Not Found"}') if received.method == "GET" else reply
                )
                put_recordings(handlers, folder, RECORDINGS)
                for _ in range(RUNS):
                    handlers.process()
                    handlers.advance_clock(minutes=1)
                items = list_recordings(handlers, folder)
                outage = handlers.api("GET", "/api/call-recordings/status-summary").json["outage"] or {}
                yield Result(
                    name,
                    dialect,
                    kept=sum((item["transcriptionStatus"], item["attempts"]) == ("queued", 0) for item in items),
                    sent=count_uploads(service) - sent_before,
                    code=outage.get("code"),
                    message=outage.get("message", ""),
                )
                delete_recordings(handlers, folder)
                close_circuit(handlers, service)
    service.stop()


def count_uploads(service: ScriptedService) -> int:
    return sum(received.method == "POST" for received in service.received)


def close_circuit(handlers: Any, service: ScriptedService) -> None:
    """Let the server respond again, until one recording of another folder is completed."""
    handlers.overrides["WHISPERX_DIALECT"] = "asr"
    service.choose_reply = lambda _: Reply()
    put_recordings(handlers, "good", 1)
    for _ in range(20):
        handlers.process()
        handlers.advance_clock(minutes=1)
        if not handlers.api("GET", "/api/call-recordings/status-summary").json["outage"]:
            break
    delete_recordings(handlers, "good")


def main() -> None:
    logging.disable()
    print(f"{'case':42}{'dialect':9}{'kept':>7}{'sent':>6}  {'outage':18}message")
    with redirect_stdout(StringIO()):  # the functions write metrics to it
        for result in run():
            kept = f"{result.kept} of {RECORDINGS}"
            line = f"{result.case:42}{result.dialect:9}{kept:>7}{result.sent:6}  {result.code or '–':18}"
            print(line + result.message[:60], file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()
