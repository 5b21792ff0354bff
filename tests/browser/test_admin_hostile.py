"""What others have written is text to the page, the key is nobody's but this tab's, and what goes wrong is told."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect

from local.cloud.client import aws_client
from testing.waiting import wait_until
from tests.browser.admin import arrive, enter, settled
from tests.browser.calls import DESCRIPTION, GREETING, ORDER, asr, audio
from tests.browser.conftest import PARAMETERS
from tests.e2e.served import Served, serve

pytestmark = pytest.mark.slow

RUN = "runs()"
IMAGE = f"<img src=x onerror={RUN}>"
SCRIPT = f"<script>{RUN}</script>"
SVG = f'"><svg onload={RUN}>'
LINK = f"javascript:{RUN}"
ENTITIES = f"&lt;b&gt;&amp;&#60; ${{{RUN}}} {{{{{RUN}}}}}"
BACKWARDS = "\u202egnp.exe"
LONG = "W" * 200
LONGER_IN_SMALL_LETTERS = "İİİ otel"
EVIL = (SCRIPT, IMAGE, SVG, LINK, ENTITIES, BACKWARDS, LONG, LONGER_IN_SMALL_LETTERS)

FOLDER = f"2026/{SVG}"
"""Of the files, of which one is transcribed, one refused, and one not complete."""
COMPLETED, FAILED, WAITING = (f"{each}.wav" for each in (IMAGE, LONG, ENTITIES))
PATTERN = f"(?P<caller>{IMAGE})"
ADDRESS = f"/<img/src=x/onerror={RUN}>"
"""Of the service."""

TOLD = (
    "() => [document.body.innerText, ...[...document.querySelectorAll('input, textarea')].map((e) => e.value)].join()"
)
LISTEN = "window.ran = 0; window.runs = () => { window.ran += 1; };"
KEEPS_NOTHING = """
for (const each of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, each, { get() { throw new DOMException("Access is denied", "SecurityError"); } });
"""
BUSY: dict[str, Any] = {"status": 429, "json": {"message": "Too Many Requests"}}
"""As API Gateway says it."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[Served]:
    """Whoever could write something here has written it to run in the page."""

    def choose(request: Any) -> Any:
        if request.method == "GET":
            return reply(body=DESCRIPTION)
        if audio(GREETING) in request.body:
            spoken = [(0.3 * at, 0.3 * at + 0.2, EVIL[at - 1], text) for at, text in enumerate(EVIL)]
            return reply(body=asr(spoken))
        return reply(status=422, body=json.dumps({"detail": [{"loc": ["body", IMAGE], "msg": SCRIPT}]}).encode())

    quick_service.choose_reply = choose
    with serve(tmp_path_factory.mktemp("state"), quick_service.url + ADDRESS, **PARAMETERS) as running:
        s3, bucket = aws_client("s3", running.stack.endpoint), running.stack.buckets["RecordingsBucket"]
        sidecar = json.dumps({"caller": "+12025550143", "callee": IMAGE, "party": SCRIPT, "callId": SVG})
        for name, body in (
            (COMPLETED, audio(GREETING)),
            (COMPLETED.replace(".wav", ".json"), sidecar),
            (FAILED, audio(ORDER)),
            (WAITING, b""),
        ):
            s3.put_object(Bucket=bucket, Key=f"{FOLDER}/{name}", Body=body)
        running.run("sync", "queue", "process")
        yield running


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """One in which nothing of what is planted runs, nor asks for anything."""
    page.add_init_script(LISTEN)
    asked = []
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    page.on("dialog", lambda dialog: dialog.dismiss())
    yield page
    assert page.evaluate("() => window.ran") == 0
    assert not asked


def the_one(served: Served, status: str) -> dict[str, Any]:
    (found,) = served.ask(f"call-recordings?transcriptionStatus={status}")["items"]
    return dict(found)


def expect_told(page: Page, *texts: str) -> None:
    """They are read there, letter by letter, and no element has been made of them."""
    settled(page)
    told = " ".join(page.evaluate(TOLD).split())
    assert not [text for text in texts if text not in told], told
    assert (
        page.locator("main").locator("script, img, svg, iframe, [onload], [onerror], [href^='javascript:']").count()
        == 0
    )


def test_what_was_said_and_by_whom_and_what_lay_beside_it_is_text(page, served):
    arrive(page, served, f"/admin/recordings/{the_one(served, 'completed')['id']}")
    expect_told(page, *EVIL, COMPLETED, FOLDER)
    expect(page).to_have_title("+12025550143 → unknown – Callscribe")
    search = page.get_by_label("Search in the transcript")
    for words, found in (("<img", "<img"), ("OTEL", "otel"), (LONG, LONG)):
        search.fill(words)
        expect(page.locator("mark").first).to_have_text(found)
        expect_told(page, *EVIL)
    for words in ("\\", "[*", "(?=", "$&"):
        search.fill(words)
        expect(page.get_by_text("no match")).to_be_visible()


def test_what_the_service_says_in_an_error_is_not_told_and_what_a_person_has_corrected_is_text(page, served):
    corrections = {"caller": IMAGE, "callee": SVG, "party": SCRIPT, "callId": LINK, "extension": ENTITIES}
    arrive(page, served, f"/admin/recordings/{the_one(served, 'failed')['id']}")
    expect_told(page, FAILED, "The service rejected the request (422).")
    assert IMAGE not in page.evaluate(TOLD)
    page.get_by_role("button", name="Correct").click()
    for label, value in zip(("Caller", "Called", "Name", "Call id", "Extension"), corrections.values(), strict=True):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{IMAGE} → {SVG}")
    expect(page).to_have_title(f"{IMAGE} → {SVG} – Callscribe")
    expect_told(page, *corrections.values())
    page.get_by_role("button", name="Correct").click()
    expect_told(page, *corrections.values())
    served.ask(f"call-recordings/{the_one(served, 'failed')['id']}", "PUT", dict.fromkeys(corrections))


@pytest.mark.parametrize(
    ("view", "texts"),
    [
        ("/admin", [WAITING]),
        ("/admin/recordings", [SCRIPT, "+12025550143", FAILED]),
        ("/admin/failures", ["The service rejected the request (422)."]),
        ("/admin/calls", [ADDRESS]),
        ("/admin/settings", [ADDRESS]),
    ],
)
def test_names_addresses_and_what_was_said_are_text_in_every_view(page, served, view, texts):
    arrive(page, served, view)
    expect_told(page, *texts)


def test_settings_and_what_they_make_of_names_are_text(page, served, complaints):
    complaints.expect("status of 400")
    arrive(page, served, "/admin/settings")
    page.get_by_label("Patterns for names").fill(PATTERN)
    page.get_by_role("button", name="Preview names").click()
    page.get_by_text("Not understood").click()
    expect_told(page, PATTERN, FAILED)
    calls = page.get_by_role("region", name="Call recordings")
    calls.get_by_label("Time zone").fill(IMAGE)
    calls.get_by_role("button", name="Save").click()
    expect(calls.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    expect_told(page, IMAGE, PATTERN)
    calls.get_by_label("Time zone").fill("UTC")
    calls.get_by_role("button", name="Save").click()
    expect(calls.get_by_text("Saved.")).to_be_visible()
    page.reload()
    expect_told(page, PATTERN)
    calls.get_by_role("button", name="use the template’s").click()
    expect(calls.get_by_text("As the template has it.")).to_be_visible()


def test_whatever_an_address_holds_the_page_tells_what_it_is(page, served, complaints):
    complaints.expect("status of 400")
    arrive(page, served, "/admin/nothing")
    for text in (IMAGE, SVG, "\0\x1b[31m", "../../etc", "constructor", "%ff"):
        planted = text if text.startswith("%") else quote(text, safe="")
        for address in (f"/admin/{planted}", f"/admin/recordings/{planted}"):
            page.goto(address)
            expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
        page.goto(f"/admin/recordings?errorCode={planted}&cursor={planted}&{planted}={planted}")
        expect(page.get_by_role("alert")).to_be_visible()
        expect_told(page)


def test_an_error_is_told_as_text(page, served, complaints):
    complaints.expect("status of 500")
    answer = {"error": {"code": IMAGE, "message": f"{SCRIPT}{SVG}", "details": []}}
    page.route("**/api/call-recordings/failure-summary", lambda route: route.fulfill(status=500, json=answer))
    arrive(page, served, "/admin/failures")
    expect(page.get_by_role("alert")).to_contain_text(f"{SCRIPT}{SVG}")
    expect_told(page)


def test_the_key_is_kept_for_the_session_of_the_tab_and_sent_to_the_api_alone(page, served, context):
    sent, said = [], []
    page.on("request", lambda request: sent.append((request.url, json.dumps(request.headers))))
    page.on("console", lambda message: said.append(message.text))
    arrive(page, served, f"/admin/recordings/{the_one(served, 'completed')['id']}")
    for view in ("Overview", "Settings"):
        page.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()
        settled(page)
    kept = page.evaluate("() => ({session: {...sessionStorage}, local: {...localStorage}, cookie: document.cookie})")
    assert [name for name, value in kept["session"].items() if served.key in value] == ["callscribe.key"]
    everywhere = json.dumps([kept["local"], kept["cookie"], context.cookies(), page.content(), page.url, said])
    assert served.key not in everywhere + page.evaluate(TOLD) + page.evaluate("() => JSON.stringify(history.state)")
    assert {url.removeprefix(served.url)[:5] for url, headers in sent if served.key in headers} == {"/api/"}
    assert not [url for url, _ in sent if served.key in url]


def test_who_signs_out_or_comes_in_another_tab_has_no_key(page, served, context):
    arrive(page, served, "/admin/recordings")
    page.get_by_role("link", name="Settings").click()
    settled(page)
    other = context.new_page()
    other.goto("/admin/recordings")
    expect(other.get_by_label("API key")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_have_value("")
    assert served.key not in page.evaluate("() => JSON.stringify({...sessionStorage})")
    for move in (page.go_back, page.reload):
        move()
        expect(page.get_by_label("API key")).to_be_visible()
        expect(page.get_by_role("navigation", name="Views")).to_have_count(0)


def test_a_wrong_key_is_told_in_words_and_not_kept(page, served, complaints):
    complaints.expect("status of 401")
    page.goto("/admin/recordings")
    for key in ("wrong", "Bearer wrong", "ключ", "two words", "new\u2028line", " "):
        enter(page, key)
        told = "Enter the key" if key == " " else "This key is not accepted"
        expect(page.get_by_role("alert")).to_contain_text(told)
        assert page.evaluate("() => sessionStorage.length") == 0
        page.reload()
    enter(page, f"  Bearer {served.key}\n")
    settled(page)
    expect(page.get_by_role("heading", name="Recordings", level=1)).to_be_visible()


def test_a_key_that_is_taken_away_brings_the_form_that_says_so_and_another_key_leads_back(page, served, complaints):
    complaints.expect("status of 401")
    page.clock.install()
    arrive(page, served, "/admin/scheduler")
    with keys(page, served, second="another-key"):
        page.clock.fast_forward("01:00")
        expect(page.get_by_role("alert")).to_contain_text("not accepted any more")
        assert served.key not in page.evaluate("() => JSON.stringify({...sessionStorage})")
        enter(page, "another-key")
        expect(page.get_by_role("heading", name="Scheduler", level=1)).to_be_visible()
        settled(page)


@contextmanager
def keys(page: Page, served: Served, **named: str) -> Iterator[None]:
    """The secret with these keys for as long, and functions that know of it."""
    put_keys(page, served, named)
    try:
        yield
    finally:
        put_keys(page, served, {"default": served.key})


def put_keys(page: Page, served: Served, named: dict[str, str]) -> None:
    secrets = aws_client("secretsmanager", served.stack.endpoint)
    secrets.put_secret_value(SecretId=served.stack.secrets["ApiKeySecret"], SecretString=json.dumps(named))
    headers = {"Authorization": f"Bearer {next(iter(named.values()))}"}
    # whoever has just looked looks again a second later
    wait_until(lambda: page.request.get("/api/scheduler/tasks", headers=headers).ok)


def test_where_the_browser_lets_it_keep_nothing_the_page_says_that_and_not_the_network(page, complaints):
    complaints.expect("SecurityError")
    page.add_init_script(KEEPS_NOTHING)
    page.goto("/admin")
    expect(page.get_by_text("Allow cookies and site data")).to_be_visible()


TROUBLE: dict[str, tuple[Callable[[Route], None], str | None, str]] = {
    "away": (lambda route: route.abort(), "net::ERR_FAILED", "The API does not answer."),
    "busy": (lambda route: route.fulfill(**BUSY), "status of 429", "no room at this moment"),
    "fault": (lambda route: route.fulfill(status=500, json={"message": "Internal"}), "status of 500", "answered 500"),
    "gone": (lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"), "status of 502", "no room"),
    "null": (lambda route: route.fulfill(status=500, body="null"), "status of 500", "answered 500"),
    "no JSON": (lambda route: route.fulfill(body="<html>Wi-Fi</html>"), None, "something else than JSON"),
}
"""What answers in the place of the API, Chromium's complaint if it has one, and what the page says."""


EVERYTHING = re.compile("/api/")


def test_trouble_with_the_api_is_told_with_a_way_to_try_again_and_the_page_goes_on_by_itself(page, served, complaints):
    page.clock.install()
    arrive(page, served, "/admin/recordings")
    row = page.get_by_role("link", name="+12025550143 → unknown")
    alert = page.get_by_role("alert")
    for answer, complaint, words in TROUBLE.values():
        if complaint:
            complaints.expect(complaint)
        page.route(EVERYTHING, answer)
        page.clock.fast_forward("00:40")
        expect(alert).to_contain_text(words)
        expect(alert).to_contain_text("not up to date")
        expect(row).to_be_visible()  # what was read stays
        page.unroute(EVERYTHING)
        alert.get_by_role("button", name="Try again").click()
        expect(alert).to_have_count(0)

        page.route(EVERYTHING, answer)
        page.get_by_label("Status").select_option("completed")
        expect(alert).to_contain_text(words)
        expect(alert).to_contain_text("This could not be read")
        expect(row).to_have_count(0)  # it may not match
        page.unroute(EVERYTHING)
        page.clock.fast_forward("00:40")
        expect(alert).to_have_count(0)
        expect(row).to_be_visible()
        page.get_by_label("Status").select_option("All")
        settled(page)


def test_trouble_with_the_api_is_told_to_who_signs_in(page, served, complaints):
    page.goto("/admin")
    for answer, complaint, words in TROUBLE.values():
        if complaint:
            complaints.expect(complaint)
        page.route(EVERYTHING, answer)
        enter(page, served.key)
        expect(page.get_by_role("alert")).to_contain_text(words)
        page.unroute(EVERYTHING)
    enter(page, served.key)
    settled(page)


def test_what_is_read_once_is_read_again_when_the_trouble_is_over(page, served, complaints):
    complaints.expect("net::ERR_FAILED")
    page.clock.install()
    arrive(page, served, "/admin/recordings")
    page.route(EVERYTHING, lambda route: route.abort())
    page.get_by_role("link", name="Settings").click()
    alerts = page.get_by_role("alert").filter(has_text="could not be read")
    expect(alerts).to_have_count(2)
    page.unroute(EVERYTHING)
    page.clock.fast_forward("00:40")
    expect(alerts).to_have_count(0)
    expect(page.get_by_label("Time zone")).to_be_visible()
