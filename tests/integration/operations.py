"""A valid request for every operation of the API, on a stack with recordings of every status."""

from dataclasses import dataclass
from typing import Any

from functions.api.app import app
from functions.api.openapi import build_openapi
from functions.api.routes import load_all_routes

LIST = "/api/call-recordings"


@dataclass(frozen=True)
class Operation:
    """`path` may contain `{recordingId}`, `{runId}` and `{command}`. `costs`: the AWS requests of a warm function."""

    method: str
    path: str
    costs: dict[str, int]
    body: Any = None
    query: str = ""


GET, ALL = {"GetItem": 1}, {"BatchGetItem": 1}
SETTINGS = {"BatchGetItem": 1}
INVOKE = {"POST Lambda": 1}

OPERATIONS = {
    "listRecordings": Operation("GET", LIST, {"Query": 1}, query="limit=100"),
    "getRecording": Operation("GET", f"{LIST}/{{recordingId}}", GET),
    "getStatusSummary": Operation("GET", f"{LIST}/status-summary", {"BatchGetItem": 1, "Query": 5}),
    "getActivity": Operation("GET", f"{LIST}/activity", {"Query": 2}),
    "getFailureSummary": Operation("GET", f"{LIST}/failure-summary", {"Query": 1}),
    "countRecordings": Operation("GET", f"{LIST}/count", {"Query": 1}, query="from=2026-01-01T00:00:00Z"),
    "getTranscript": Operation("GET", f"{LIST}/{{recordingId}}/transcript", {**GET, "GET S3": 1}),
    "listTranscriptVersions": Operation("GET", f"{LIST}/{{recordingId}}/transcript/versions", {**GET, "GET S3": 1}),
    "getAudio": Operation("GET", f"{LIST}/{{recordingId}}/audio", GET),
    "getAudioLink": Operation("GET", f"{LIST}/{{recordingId}}/audio-link", GET),
    "updateRecording": Operation(
        "PUT", f"{LIST}/{{recordingId}}", {**GET, "UpdateItem": 1}, body={"caller": "+1 202 555 0143"}
    ),
    # three updates: the checkpoint that counts it, the recording, the circuit breaker's backoff
    "transcribeRecording": Operation(
        "POST", f"{LIST}/{{recordingId}}/transcribe", {**GET, "UpdateItem": 3, **INVOKE}, body={"force": True}
    ),
    "registerRecording": Operation("POST", LIST, {**SETTINGS, **GET}, body={"path": "{path}"}),
    "syncRecordings": Operation("POST", f"{LIST}/sync", INVOKE),
    "retryRecordings": Operation("POST", f"{LIST}/retry", INVOKE, body={}),
    "listTasks": Operation("GET", "/api/scheduler/tasks", {"BatchGetItem": 1, "Query": 3}),
    "updateTask": Operation(
        "PUT", "/api/scheduler/tasks/{command}", {"UpdateItem": 1, **SETTINGS, "Query": 1}, {"paused": False}
    ),
    "runTask": Operation("POST", "/api/scheduler/tasks/{command}/run", INVOKE),
    "listRuns": Operation("GET", "/api/scheduler/runs", {"Query": 4}),
    "getRun": Operation("GET", "/api/scheduler/runs/{runId}", ALL),
    "listTranscriptionCalls": Operation("GET", "/api/transcription-calls", {"Query": 1}),
    "getCallRecordingsModule": Operation("GET", "/api/modules/call-recordings", SETTINGS),
    "updateCallRecordingsModule": Operation(
        "PUT", "/api/modules/call-recordings", {**SETTINGS, "UpdateItem": 1}, body={"timeZone": "Europe/Berlin"}
    ),
    "checkCallRecordingsModule": Operation("POST", "/api/modules/call-recordings/test", INVOKE),
    "previewNames": Operation("POST", "/api/modules/call-recordings/preview", {**SETTINGS, "Query": 1}),
    "getWhisperxModule": Operation("GET", "/api/modules/whisperx", {**SETTINGS, "GetSecretValue": 1}),
    "updateWhisperxModule": Operation(
        "PUT", "/api/modules/whisperx", {**SETTINGS, "UpdateItem": 1, "GetSecretValue": 1}, body={"language": "en"}
    ),
    "checkWhisperxModule": Operation("POST", "/api/modules/whisperx/test", INVOKE),
    "getHealth": Operation("GET", "/health", {}),
    # last, because it deletes the recording. Two prefixes are listed, and one contains documents.
    "deleteRecording": Operation(
        "DELETE", f"{LIST}/{{recordingId}}", {**GET, "DeleteItem": 1, "GET S3": 2, "POST S3": 1}
    ),
}
"""By operation id."""


def documented() -> dict[str, tuple[str, str]]:
    """The method and path of each operation in the specification."""
    load_all_routes(app)
    paths = build_openapi(app)["paths"].items()
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in paths
        for method, operation in methods.items()
    }
