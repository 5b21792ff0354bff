"""Security and errors: injected markup stays text, the API key stays in its tab, and API errors are reported."""

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
from tests.browser.admin import sign_in, submit_key, wait_until_loaded
from tests.browser.conftest import PARAMETERS
from tests.browser.sample_calls import DESCRIPTION, GREETING, ORDER, asr_response, audio
from tests.e2e.served import ServedStack, serve

pytestmark = pytest.mark.slow

RUN = "runInjected()"
IMAGE = f"<img src=x onerror={RUN}>"
SCRIPT = f"<script>{RUN}</script>"
SVG = f'"><svg onload={RUN}>'
LINK = f"javascript:{RUN}"
ENTITIES = f"&lt;b&gt;&amp;&#60; ${{{RUN}}} {{{{{RUN}}}}}"
RIGHT_TO_LEFT = "\u202egnp.exe"
LONG = "W" * 200
LONGER_IN_LOWER_CASE = "İİİ otel"
HOSTILE_TEXTS = (SCRIPT, IMAGE, SVG, LINK, ENTITIES, RIGHT_TO_LEFT, LONG, LONGER_IN_LOWER_CASE)

FOLDER = f"2026/{SVG}"
COMPLETED, FAILED, INCOMPLETE = (f"{each}.wav" for each in (IMAGE, LONG, ENTITIES))
PATTERN = f"(?P<caller>{IMAGE})"
SERVICE_PATH = f"/<img/src=x/onerror={RUN}>"

VISIBLE_TEXT = (
    "() => [document.body.innerText, ...[...document.querySelectorAll('input, textarea')].map((e) => e.value)].join()"
)
COUNT_RUNS = "window.injectedRuns = 0; window.runInjected = () => { window.injectedRuns += 1; };"
BLOCK_STORAGE = """
for (const each of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, each, { get() { throw new DOMException("Access is denied", "SecurityError"); } });
"""
THROTTLED: dict[str, Any] = {"status": 429, "json": {"message": "Too Many Requests"}}
"""A response of API Gateway itself."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, quick_service: Any, reply: Any) -> Iterator[ServedStack]:
    """A stack with markup and scripts in everything that comes from outside: names, sidecars, transcripts."""

    def choose_reply(request: Any) -> Any:
        if request.method == "GET":
            return reply(body=DESCRIPTION)
        if audio(GREETING) in request.body:
            segments = [(0.3 * n, 0.3 * n + 0.2, HOSTILE_TEXTS[n - 1], text) for n, text in enumerate(HOSTILE_TEXTS)]
            return reply(body=asr_response(segments))
        return reply(status=422, body=json.dumps({"detail": [{"loc": ["body", IMAGE], "msg": SCRIPT}]}).encode())

    quick_service.choose_reply = choose_reply
    with serve(tmp_path_factory.mktemp("state"), quick_service.url + SERVICE_PATH, **PARAMETERS) as running:
        s3, bucket = aws_client("s3", running.stack.endpoint), running.stack.buckets["RecordingsBucket"]
        sidecar = json.dumps({"caller": "+12025550143", "callee": IMAGE, "party": SCRIPT, "callId": SVG})
        for name, body in (
            (COMPLETED, audio(GREETING)),
            (COMPLETED.replace(".wav", ".json"), sidecar),
            (FAILED, audio(ORDER)),
            (INCOMPLETE, b""),
        ):
            s3.put_object(Bucket=bucket, Key=f"{FOLDER}/{name}", Body=body)
        running.run("sync", "queue", "process")
        yield running


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """Fails the test if an injected script runs or opens a dialog."""
    page.add_init_script(COUNT_RUNS)
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.on("dialog", lambda dialog: dialog.dismiss())
    yield page
    assert page.evaluate("() => window.injectedRuns") == 0
    assert not dialogs


def recording_id(served: ServedStack, status: str) -> str:
    """The ID of the only recording with this status."""
    (recording,) = served.request(f"call-recordings?transcriptionStatus={status}")["items"]
    return str(recording["id"])


def assert_shown_as_text(page: Page, *texts: str) -> None:
    """The texts are visible, letter by letter, and none has become an element."""
    wait_until_loaded(page)
    visible = " ".join(page.evaluate(VISIBLE_TEXT).split())
    assert not [text for text in texts if text not in visible], visible
    injected = "script, img, svg, iframe, [onload], [onerror], [href^='javascript:']"
    assert page.locator("main").locator(injected).count() == 0


def test_transcript_speakers_and_sidecar_are_shown_as_text(page, served):
    sign_in(page, served, f"/admin/recordings/{recording_id(served, 'completed')}")
    assert_shown_as_text(page, *HOSTILE_TEXTS, COMPLETED, FOLDER)
    expect(page).to_have_title("+12025550143 → unknown – Callscribe")
    search = page.get_by_label("Search in the transcript")
    for query, match in (("<img", "<img"), ("OTEL", "otel"), (LONG, LONG)):
        search.fill(query)
        expect(page.locator("mark").first).to_have_text(match)
        assert_shown_as_text(page, *HOSTILE_TEXTS)
    for query in ("\\", "[*", "(?=", "$&"):
        search.fill(query)
        expect(page.get_by_text("No matches")).to_be_visible()


def test_error_text_of_the_service_is_not_shown_and_edited_metadata_is_text(page, served):
    edits = {"caller": IMAGE, "callee": SVG, "party": SCRIPT, "callId": LINK, "extension": ENTITIES}
    path = f"call-recordings/{recording_id(served, 'failed')}"
    sign_in(page, served, f"/admin/recordings/{recording_id(served, 'failed')}")
    assert_shown_as_text(page, FAILED, served.request(path)["error"]["message"])
    assert IMAGE not in page.evaluate(VISIBLE_TEXT)
    page.get_by_role("button", name="Edit").click()
    for label, value in zip(("Caller", "Callee", "Name", "Call ID", "Extension"), edits.values(), strict=True):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{IMAGE} → {SVG}")
    expect(page).to_have_title(f"{IMAGE} → {SVG} – Callscribe")
    assert_shown_as_text(page, *edits.values())
    page.get_by_role("button", name="Edit").click()
    assert_shown_as_text(page, *edits.values())
    served.request(path, "PUT", dict.fromkeys(edits))


@pytest.mark.parametrize(
    ("view", "texts"),
    [
        ("/admin", [INCOMPLETE]),
        ("/admin/recordings", [SCRIPT, "+12025550143", FAILED]),
        ("/admin/failures", ["HTTP status 422"]),
        ("/admin/server-requests", [SERVICE_PATH]),
        ("/admin/settings", [SERVICE_PATH]),
    ],
)
def test_every_view_shows_hostile_text_as_text(page, served, view, texts):
    sign_in(page, served, view)
    assert_shown_as_text(page, *texts)


def test_settings_and_their_preview_are_shown_as_text(page, served, page_errors):
    page_errors.expect("status of 400")
    sign_in(page, served, "/admin/settings")
    page.get_by_label("File name patterns").fill(PATTERN)
    page.get_by_role("button", name="Preview file names").click()
    page.get_by_text("Not recognised").click()
    assert_shown_as_text(page, PATTERN, FAILED)
    module = page.get_by_role("region", name="Call recordings")
    module.get_by_label("Time zone").fill(IMAGE)
    module.get_by_role("button", name="Save").click()
    expect(module.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    assert_shown_as_text(page, IMAGE, PATTERN)
    module.get_by_label("Time zone").fill("UTC")
    module.get_by_role("button", name="Save").click()
    expect(module.get_by_text("Saved.")).to_be_visible()
    page.reload()
    assert_shown_as_text(page, PATTERN)
    module.get_by_role("button", name="reset to default").click()
    expect(module.get_by_text("Reset.")).to_be_visible()


def test_hostile_urls_are_handled(page, served, page_errors):
    page_errors.expect("status of 400")
    sign_in(page, served, "/admin/nothing")
    for text in (IMAGE, SVG, "\0\x1b[31m", "../../etc", "constructor", "%ff"):
        encoded = text if text.startswith("%") else quote(text, safe="")
        for address in (f"/admin/{encoded}", f"/admin/recordings/{encoded}"):
            page.goto(address)
            expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
        page.goto(f"/admin/recordings?errorCode={encoded}&cursor={encoded}&{encoded}={encoded}")
        expect(page.get_by_role("alert")).to_be_visible()
        assert_shown_as_text(page)


def test_error_message_of_the_api_is_shown_as_text(page, served, page_errors):
    page_errors.expect("status of 500")
    body = {"error": {"code": IMAGE, "message": f"{SCRIPT}{SVG}", "details": []}}
    page.route("**/api/call-recordings/failure-summary", lambda route: route.fulfill(status=500, json=body))
    sign_in(page, served, "/admin/failures")
    expect(page.get_by_role("alert")).to_contain_text(f"{SCRIPT}{SVG}")
    assert_shown_as_text(page)


def test_api_key_is_stored_in_the_session_only_and_sent_to_the_api_only(page, served, context):
    requests, console = [], []
    page.on("request", lambda request: requests.append((request.url, json.dumps(request.headers))))
    page.on("console", lambda message: console.append(message.text))
    sign_in(page, served, f"/admin/recordings/{recording_id(served, 'completed')}")
    for view in ("Overview", "Settings"):
        page.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()
        wait_until_loaded(page)
    storage = page.evaluate("() => ({session: {...sessionStorage}, local: {...localStorage}, cookie: document.cookie})")
    assert [name for name, value in storage["session"].items() if served.key in value] == ["callscribe.key"]
    elsewhere = json.dumps([storage["local"], storage["cookie"], context.cookies(), page.content(), page.url, console])
    elsewhere += page.evaluate(VISIBLE_TEXT) + page.evaluate("() => JSON.stringify(history.state)")
    assert served.key not in elsewhere
    assert {url.removeprefix(served.url)[:5] for url, headers in requests if served.key in headers} == {"/api/"}
    assert not [url for url, _ in requests if served.key in url]


def test_key_is_gone_after_sign_out_and_unknown_in_another_tab(page, served, context):
    sign_in(page, served, "/admin/recordings")
    page.get_by_role("link", name="Settings").click()
    wait_until_loaded(page)
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


def test_wrong_key_is_reported_and_not_stored(page, served, page_errors):
    page_errors.expect("status of 401")
    page.goto("/admin/recordings")
    for key in ("wrong", "Bearer wrong", "ключ", "two words", "new\u2028line", " "):
        submit_key(page, key)
        message = "Enter your API key" if key == " " else "This key is not valid"
        expect(page.get_by_role("alert")).to_contain_text(message)
        assert page.evaluate("() => sessionStorage.length") == 0
        page.reload()
    submit_key(page, f"  Bearer {served.key}\n")
    wait_until_loaded(page)
    expect(page.get_by_role("heading", name="Recordings", level=1)).to_be_visible()


def test_revoked_key_leads_to_the_sign_in_form_and_a_new_key_back_to_the_view(page, served, page_errors):
    page_errors.expect("status of 401")
    page.clock.install()
    sign_in(page, served, "/admin/scheduler")
    with keys(page, served, second="another-key"):
        page.clock.fast_forward("01:00")
        expect(page.get_by_role("alert")).to_contain_text("has been revoked")
        assert served.key not in page.evaluate("() => JSON.stringify({...sessionStorage})")
        submit_key(page, "another-key")
        expect(page.get_by_role("heading", name="Scheduler", level=1)).to_be_visible()
        wait_until_loaded(page)


@contextmanager
def keys(page: Page, served: ServedStack, **named: str) -> Iterator[None]:
    """Replace the keys of the stack for the duration of the block."""
    put_keys(page, served, named)
    try:
        yield
    finally:
        put_keys(page, served, {"default": served.key})


def put_keys(page: Page, served: ServedStack, named: dict[str, str]) -> None:
    secrets = aws_client("secretsmanager", served.stack.endpoint)
    secrets.put_secret_value(SecretId=served.stack.secrets["ApiKeySecret"], SecretString=json.dumps(named))
    headers = {"Authorization": f"Bearer {next(iter(named.values()))}"}
    # the functions cache the keys for a second
    wait_until(lambda: page.request.get("/api/scheduler/tasks", headers=headers).ok)


def test_blocked_storage_is_reported(page, page_errors):
    page_errors.expect("SecurityError")
    page.add_init_script(BLOCK_STORAGE)
    page.goto("/admin")
    expect(page.get_by_text("Allow cookies and site data")).to_be_visible()


ERROR_500 = {"message": "Internal Server Error"}
API_FAILURES: tuple[tuple[Callable[[Route], None], str | None, str], ...] = (
    (lambda route: route.abort(), "net::ERR_FAILED", "The API does not respond."),
    (lambda route: route.fulfill(**THROTTLED), "status of 429", "The API is overloaded"),
    (lambda route: route.fulfill(status=500, json=ERROR_500), "status of 500", "The API responded with HTTP 500"),
    (lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"), "status of 502", "The API is overloaded"),
    (lambda route: route.fulfill(status=500, body="null"), "status of 500", "The API responded with HTTP 500"),
    (lambda route: route.fulfill(body="<html>Wi-Fi</html>"), None, "The response is not JSON."),
)
"""What responds instead of the API, the error that Chromium logs, and the page's message."""

API_URL = re.compile("/api/")


def test_api_failure_is_reported_and_the_page_recovers(page, served, page_errors):
    page.clock.install()
    sign_in(page, served, "/admin/recordings")
    row = page.get_by_role("link", name="+12025550143 → unknown")
    alert = page.get_by_role("alert")
    for respond, logged_error, message in API_FAILURES:
        if logged_error:
            page_errors.expect(logged_error)
        page.route(API_URL, respond)
        page.clock.fast_forward("00:40")
        expect(alert).to_contain_text(message)
        expect(alert).to_contain_text("out of date")
        expect(row).to_be_visible()  # loaded data stays
        page.unroute(API_URL)
        alert.get_by_role("button", name="Try again").click()
        expect(alert).to_have_count(0)

        page.route(API_URL, respond)
        page.get_by_label("Status").select_option("completed")
        expect(alert).to_contain_text(message)
        expect(alert).to_contain_text("Loading failed")
        expect(row).to_have_count(0)  # it may not match the new filter
        page.unroute(API_URL)
        page.clock.fast_forward("00:40")
        expect(alert).to_have_count(0)
        expect(row).to_be_visible()
        page.get_by_label("Status").select_option("All")
        wait_until_loaded(page)


def test_api_failure_is_reported_at_sign_in(page, served, page_errors):
    page.goto("/admin")
    for respond, logged_error, message in API_FAILURES:
        if logged_error:
            page_errors.expect(logged_error)
        page.route(API_URL, respond)
        submit_key(page, served.key)
        expect(page.get_by_role("alert")).to_contain_text(message)
        page.unroute(API_URL)
    submit_key(page, served.key)
    wait_until_loaded(page)


def test_view_without_polling_is_loaded_again_after_a_failure(page, served, page_errors):
    page_errors.expect("net::ERR_FAILED")
    page.clock.install()
    sign_in(page, served, "/admin/recordings")
    page.route(API_URL, lambda route: route.abort())
    page.get_by_role("link", name="Settings").click()
    alerts = page.get_by_role("alert").filter(has_text="Loading failed")
    expect(alerts).to_have_count(2)
    page.unroute(API_URL)
    page.clock.fast_forward("00:40")
    expect(alerts).to_have_count(0)
    expect(page.get_by_label("Time zone")).to_be_visible()
