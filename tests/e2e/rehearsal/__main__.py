"""`make rehearsal`: deploys Callscribe to ministack, uses it, changes it and deletes it. Exits with 1 if it failed."""

import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from local import sample_calls
from local.recogniser.process import run_recogniser
from tests.e2e.rehearsal.deployment import CONFIRM, QUICK, STACK_NAME, Deployer, guided_answers
from tests.e2e.rehearsal.gap_report import ignored_properties, print_gaps
from tests.e2e.rehearsal.ministack import Ministack, run_ministack, unavailable_reason
from tests.e2e.rehearsal.report import Report
from tests.e2e.rehearsal.stack import Stack, existing_resources

DEPLOYED_KEY = "the-key-of-the-first-deployment"
CHANGED_KEY = "the-key-that-was-set-over-the-api"
SECONDS_TO_TRANSCRIPTS = 900.0
"""How long the samples may take, from their upload to their transcripts: far longer than on the slowest machine."""

KEPT = {"RecordingsTable", "ControlTable", "RecordingsBucket", "TranscriptsBucket"}
"""What `sam delete` keeps: docs/deploy.md#remove."""

REMOVE = ("Nothing in it has been used yet. Delete the stack", "y")
"""The question after a first deployment that failed: docs/deploy.md#when-the-first-deploy-fails."""

LAST_LINES = 40


def rehearse(report: Report, ministack: Ministack, recogniser: str) -> None:
    """Run all steps. Raises: AssertionError, when one of them makes the next ones pointless."""
    deployer = Deployer(ministack)
    answers = guided_answers(recogniser, DEPLOYED_KEY)
    fail_first_deployment(report, ministack, deployer, answers)
    stack = deploy_first(report, ministack, deployer, answers)
    transcribe_samples(report, stack)
    check_api(report, stack)
    stack = deploy_again(report, stack, deployer)
    ignored = ignored_properties(stack)
    delete(report, stack, deployer)
    print_gaps(report, ministack.noted_gaps(), ignored)


def fail_first_deployment(
    report: Report, ministack: Ministack, deployer: Deployer, answers: list[tuple[str, str]]
) -> None:
    report.step("make deploy, guided, which fails half-way: the API function cannot be created")
    with ministack.broken_function("ApiFunction"):
        status, output = deployer.make_deploy([*answers, REMOVE], QUICK | sample_calls.PARAMETERS)
    report.check("it fails", status != 0, last_lines(output))
    report.check("it names the function", re.search(r"ApiFunction.*layer", output), last_lines(output))
    left = existing_resources(ministack)
    report.check("it leaves nothing behind, after its question whether to delete the rest", not left, left)


def deploy_first(report: Report, ministack: Ministack, deployer: Deployer, answers: list[tuple[str, str]]) -> Stack:
    report.step("the same again, which succeeds")
    status, output = deployer.deploy(answers, QUICK | sample_calls.PARAMETERS)
    assert report.check("it succeeds", status == 0, last_lines(output)), "nothing was deployed"
    stack = Stack.load(ministack, STACK_NAME)
    report.check("the stack is complete", stack.status == "CREATE_COMPLETE", stack.status)
    report.line(f"{len(stack.names)} resources were created")
    unprinted = [value for value in stack.outputs.values() if value not in output]
    report.check("each output is printed on one line", not unprinted, unprinted)
    report.check("the key is neither printed nor saved", DEPLOYED_KEY not in output + deployer.saved_configuration())
    return stack


def transcribe_samples(report: Report, stack: Stack) -> None:
    report.step("six sample calls are uploaded; only the upload events and the schedules start functions")
    s3 = stack.ministack.client("s3")
    expected: dict[str, list[str]] = json.loads((sample_calls.SAMPLES / "expected.json").read_text())
    for name in expected:
        s3.upload_file(str(sample_calls.SAMPLES / name), stack.names["RecordingsBucket"], f"2026/11/18/{name}")
    recordings = wait_for_results(report, stack, len(expected))
    statuses = Counter(recording["transcriptionStatus"] for recording in recordings.values())
    report.check(
        f"all are completed over the HTTP API: {len(expected)}", statuses == {"completed": len(expected)}, recordings
    )
    for name, words in expected.items():
        segments = stack.api.transcript(recordings[name]["id"])["segments"]
        text = " ".join(segment["text"] for segment in segments)
        missing = set(words) - set(re.findall(r"\w+", text))
        report.check(f"{name}: {', '.join(words) or 'no speech'}", not missing and bool(text) == bool(words), text)
    runs = api(stack, "/api/scheduler/runs?limit=100")["items"]
    triggers = Counter((run["task"], run["trigger"]) for run in runs)
    for (task, trigger), count in sorted(triggers.items()):
        report.line(f"runs of {task}, started by {trigger}: {count}")
    report.check("nothing else started a function", {trigger for _, trigger in triggers} == {"schedule", "upload"})


def wait_for_results(report: Report, stack: Stack, count: int) -> dict[str, dict[str, Any]]:
    """Wait until this many recordings are completed or failed, and return them by file name. Prints each change."""
    deadline = time.monotonic() + SECONDS_TO_TRANSCRIPTS
    seen, recordings = "", {}
    while time.monotonic() < deadline:
        recordings = {Path(recording["path"]).name: recording for recording in stack.api.recordings()}
        statuses = Counter(recording["transcriptionStatus"] for recording in recordings.values())
        now = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items())) or "no recordings"
        if now != seen:
            report.line(f"[{report.seconds} s] {now}")
            seen = now
        if statuses["completed"] + statuses["failed"] == count:
            return recordings
        time.sleep(1)
    raise AssertionError(f"The samples were not transcribed in time. Last seen: {recordings}")


def check_api(report: Report, stack: Stack) -> None:
    report.step("the HTTP API")
    url, session = stack.api.url, requests.Session()
    session.trust_env = False  # no proxy
    report.check("/health needs no key", session.get(f"{url}/health").json() == {"status": "ok"})
    report.check("/api needs the key", session.get(f"{url}/api/call-recordings").status_code == 401)
    page = session.get(f"{url}/admin")
    report.check("the admin page is served", page.ok and "Callscribe" in page.text, page)
    cached = session.get(f"{url}/admin", headers={"If-None-Match": page.headers["ETag"]})
    report.check("an unchanged page is answered with 304", cached.status_code == 304, cached)
    report.check("the WhisperX server accepts the key", stack.api.test_service()["ok"], stack.api.test_service())


def deploy_again(report: Report, stack: Stack, deployer: Deployer) -> Stack:
    report.step(
        "the key of the WhisperX server is changed over the HTTP API, then MaxAttempts in samconfig.toml is deployed, "
        "with none as the key"
    )
    api(stack, "/api/modules/whisperx", "PUT", {"apiKey": CHANGED_KEY})
    before = stack.item_counts()
    deployer.change_parameter("MaxAttempts", "7")
    status, output = deployer.deploy([CONFIRM], {"WhisperXApiKey": "none"})
    report.check(
        "it succeeds, without asking for parameters",
        status == 0 and "Parameter WhisperXUrl" not in output,
        last_lines(output),
    )
    changed = Stack.load(stack.ministack, STACK_NAME)
    report.check("the stack is complete", changed.status == "UPDATE_COMPLETE", changed.status)
    function = stack.ministack.client("lambda").get_function_configuration(
        FunctionName=changed.names["ProcessFunction"]
    )
    variables = function["Environment"]["Variables"]
    report.check("MaxAttempts has its new value", variables["MAX_ATTEMPTS"] == "7", variables)
    report.check(
        "the other parameters are kept", variables["RECORDINGS_PER_RUN"] == QUICK["RecordingsPerRun"], variables
    )
    replaced = {name for name in stack.names if changed.names.get(name) != stack.names[name]}
    report.check(
        "nothing is replaced, except the layer", all(name.startswith("SharedLayer") for name in replaced), replaced
    )
    report.check("the key that was set over the API is kept", changed.secret("WhisperXSecret")["apiKey"] == CHANGED_KEY)
    report.check("the key of the HTTP API is kept", changed.api.key == stack.api.key)
    after = changed.item_counts()
    kept = all(after[name] >= before[name] > 0 for name in ("RecordingsTable", "RecordingsBucket", "TranscriptsBucket"))
    report.check("the data is kept", kept, f"{before} → {after}")
    statuses = Counter(recording["transcriptionStatus"] for recording in changed.api.recordings())
    report.check("the transcripts are still served", set(statuses) == {"completed"}, statuses)
    return changed


def delete(report: Report, stack: Stack, deployer: Deployer) -> None:
    report.step("sam delete")
    before = stack.item_counts()
    status, output = deployer.delete()
    report.check("it succeeds", status == 0, last_lines(output))
    left = existing_resources(stack.ministack)
    kept = {stack.names[name] for name in KEPT}
    report.check(
        "it keeps the two buckets and the tables of recordings and settings, and nothing else",
        {name for _, name in left} == kept,
        left,
    )
    for kind, name in sorted(left):
        report.line(f"{kind} {name}")
    after = stack.item_counts()
    kept_all = all(after[name] >= before[name] for name in KEPT)  # a scheduled run may have added an item meanwhile
    report.check("their content is kept", kept_all, f"{before} → {after}")


def api(stack: Stack, path: str, method: str = "GET", body: Any = None) -> Any:
    """Send a request to the HTTP API and return the JSON of the response."""
    client = stack.api
    response = requests.request(
        method, f"{client.url}{path}", headers={"Authorization": f"Bearer {client.key}"}, json=body
    )
    response.raise_for_status()
    return response.json()


def last_lines(output: str) -> str:
    return "\n".join(output.splitlines()[-LAST_LINES:])


def main() -> int:
    """Run the rehearsal and return its exit status."""
    if reason := unavailable_reason():
        sys.exit(f"The rehearsal cannot run: {reason}.")
    report = Report()
    report.step("ministack and the built-in recogniser start")
    with run_ministack() as ministack:
        report.line(f"ministack listens on {ministack.endpoint}")
        with run_recogniser("asr", ministack.folder / "recogniser.log", api_key=DEPLOYED_KEY) as recogniser:
            report.line(f"the recogniser listens on {recogniser}, as WhisperX server")
            try:
                rehearse(report, ministack, recogniser)
            except AssertionError as error:
                report.check("the rehearsal reaches its end", passed=False, seen=error)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
