"""The dialect `tasks`: whisperX-FastAPI.

POST /speech-to-text, with the multipart field `file` and every option in the query, responds with the identifier of a
task. GET /task/{identifier} returns its status, with HTTP status 200 even if the task failed. The server's
environment variables set no defaults: without options it uses `device=cuda` and the model `tiny`.
"""

import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

from callscribe.errors import JobFailed, PermanentError, RetryableError, ServiceUnavailable
from callscribe.settings.whisperx import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcripts.response_parser import OTHER_JSON, invalid_response_error, parse_json, parse_transcript
from callscribe.transcripts.transcript import Transcript
from callscribe.whisperx import DialectInfo, Job, Response, Service, Timeouts
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.dialects.base import MultipartUpload, Parameters, build_parameters
from callscribe.whisperx.dialects.reported_errors import find_reported_error
from callscribe.whisperx.error_tables import (
    JOB_FAILED_MESSAGE,
    MISSING_ROUTE_STATUSES,
    NO_GPU,
    ErrorMapping,
    ErrorTable,
)
from callscribe.whisperx.response_errors import hint, raise_for_status

SUPPORTED_EXTENSIONS = {
    *("aac", "amr", "avi", "awb", "m4a", "mkv", "mov", "mp3", "mp4", "oga", "ogg", "wav", "wma", "wmv"),
}
"""The server accepts a file by its extension; its ffmpeg then looks only at the content."""

EXTENSION_SUBSTITUTES = {"opus": "ogg", "webm": "mkv", "3gp": "mp4"}
"""Extensions sent as another one that the server accepts; all other unsupported ones are sent as wav."""

JOB_ID_PATTERN = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,128}")
"""A task's identifier, which becomes part of a URL path."""

LIST_TIMEOUT_SECONDS = 30.0
"""How long to wait for the list of all tasks; a busy server may be slow to return it."""

ACTIVE_STATES = ("queued", "processing", "completed")
"""States of a task that has a result or may still get one."""

NO_GPU_CODE = "no_gpu"
NO_GPU_SECONDS = 3600.0
"""After a job failed for lack of a GPU, how long audio is sent to that server with the options for the CPU."""

_no_gpu_until: dict[str, float] = {}
"""The end of that time by server URL, as a time of `time.monotonic`."""

CPU_OPTIONS = (("device", "cpu"), ("compute_type", "int8"))

DIALECT_ERRORS: ErrorTable = {
    400: ErrorMapping(PermanentError, "not_audio", "The WhisperX server does not accept this audio ({}).")
}

ROUTE_NOT_FOUND_DETAILS = ("Not Found", "Method Not Allowed")
"""FastAPI's texts. A proxy whose server is down also responds with 404, but with other texts."""

TASK_LIST_UNAVAILABLE = (
    "The WhisperX server does not list its tasks. The audio is not sent, since the server may already have it."
)

TASK_LIST_PATH = "/task/all"
DIALECT_INFO = DialectInfo(
    server_name="whisperX-FastAPI",
    upload_path="/speech-to-text",
    auth_check_paths=(TASK_LIST_PATH,),
    list_member="tasks",
)


def connect(settings: WhisperXSettings, client: WhisperXClient) -> Service:
    return TasksService(settings, client)


class TasksService:
    """Once a job has failed for lack of a GPU, jobs are sent to the CPU, unless the options name a device."""

    def __init__(self, settings: WhisperXSettings, client: WhisperXClient) -> None:
        self._settings = settings
        self._client = client

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, is_resend: bool = False) -> Job:
        monotonic_start = time.monotonic()
        name = supported_file_name(name)
        previous_tasks = self._list_tasks(timeouts) if is_resend else []
        if active_tasks := [
            task for task in previous_tasks if task["file_name"] == name and task.get("status") in ACTIVE_STATES
        ]:
            return Job(_parse_identifier(max(active_tasks, key=_start_sort_key)))
        if any(
            _is_no_gpu_failure(task)
            for task in previous_tasks
            if _recording_id(task["file_name"]) == _recording_id(name)
        ):
            self._remember_no_gpu()
        body = MultipartUpload(audio, field="file", name=name)
        remaining = Timeouts(timeouts.connect, max(0.1, timeouts.total - (time.monotonic() - monotonic_start)))
        return self._client.post(DIALECT_INFO.upload_path, body, remaining, _parse_job, query=self._build_query())

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript | None:
        try:
            return self._client.get(f"/task/{job.id}", timeouts, _parse_result)
        except JobFailed as error:
            if error.code == NO_GPU_CODE:
                self._remember_no_gpu()
            raise

    def _remember_no_gpu(self) -> None:
        _no_gpu_until[self._settings.whisperx_url] = time.monotonic() + NO_GPU_SECONDS

    def _build_query(self) -> Parameters:
        # min_speakers and max_speakers are never sent: some servers mix them up
        defaults = [("language", self._settings.whisperx_language), ("model", self._settings.whisperx_model)]
        query = build_parameters(defaults, self._settings)
        names = {name for name, _ in (*query, *self._settings.extra_options)}  # an empty option is not to be sent
        if "device" not in names and time.monotonic() < _no_gpu_until.get(self._settings.whisperx_url, 0.0):
            return [*query, *((name, value) for name, value in CPU_OPTIONS if name not in names)]
        return query

    def _list_tasks(self, timeouts: Timeouts) -> list[Mapping[str, Any]]:
        """The tasks that have a file. If the server says that it has no such route, none: a job may then run twice.

        Raises: ServiceUnavailable, for any other response than a list: the audio was not sent now, and an earlier job
        may exist.
        """
        list_timeouts = Timeouts(timeouts.connect, min(timeouts.total, LIST_TIMEOUT_SECONDS))
        try:
            return self._client.get(TASK_LIST_PATH, list_timeouts, _parse_tasks)
        except (RetryableError, PermanentError) as error:
            raise ServiceUnavailable(TASK_LIST_UNAVAILABLE, code="service_busy", status=error.status) from error


def supported_file_name(name: str) -> str:
    """The file name with an extension that the server accepts."""
    path = PurePosixPath(name)
    extension = path.suffix.lower().removeprefix(".")
    return name if extension in SUPPORTED_EXTENSIONS else f"{path.stem}.{EXTENSION_SUBSTITUTES.get(extension, 'wav')}"


def _parse_job(response: Response) -> Job:
    task = _parse_success(response, DIALECT_ERRORS)
    try:
        return Job(_parse_identifier(task))
    except RetryableError as error:
        raise find_reported_error(response, DIALECT_ERRORS) or error from None


def _parse_tasks(response: Response) -> list[Mapping[str, Any]]:
    # the task may be the one missing: a server without the list treats `all` as the identifier of a task
    if _is_route_not_found(response) or _is_task_not_found(response):
        return []
    if response.status in MISSING_ROUTE_STATUSES:
        raise ServiceUnavailable(TASK_LIST_UNAVAILABLE, code="service_busy", status=response.status)
    tasks = _parse_success(response).get("tasks")
    if not isinstance(tasks, list):
        raise invalid_response_error(OTHER_JSON)
    return [task for task in tasks if isinstance(task, Mapping) and isinstance(task.get("file_name"), str)]


def _parse_result(response: Response) -> Transcript | None:
    if _is_task_not_found(response):
        message = f"The WhisperX server no longer knows the job ({response.status}). The audio is sent again."
        raise JobFailed(message, code="job_lost", status=response.status)
    task = _parse_success(response)
    match task.get("status"):
        case "queued" | "processing":
            return None
        case "completed":
            return _parse_task_transcript(task)
        case "failed" | "failure" | "error":
            error_text = str(task.get("error"))
            code = NO_GPU_CODE if _is_no_gpu_failure(task) else JobFailed.code
            raise JobFailed(JOB_FAILED_MESSAGE + hint(error_text), code=code)
    raise find_reported_error(response) or invalid_response_error(OTHER_JSON)


def _parse_task_transcript(task: Mapping[str, Any]) -> Transcript:
    """Raises: JobFailed, when the job has no transcript: polling again would not change that."""
    result, metadata = task.get("result"), task.get("metadata")
    language = metadata.get("language") if isinstance(metadata, Mapping) else None
    try:
        return parse_transcript({"language": language, **result} if isinstance(result, Mapping) else None)
    except RetryableError as error:
        raise JobFailed(error.message, code=error.code) from error


def _is_task_not_found(response: Response) -> bool:
    """Only if in JSON, like the server's own errors: a proxy whose server is down responds with 404 in HTML or text."""
    is_json = bool(_error_object(response))
    return response.status == HTTPStatus.NOT_FOUND and is_json and not _is_route_not_found(response)


def _is_route_not_found(response: Response) -> bool:
    return (
        response.status in MISSING_ROUTE_STATUSES and _error_object(response).get("detail") in ROUTE_NOT_FOUND_DETAILS
    )


def _error_object(response: Response) -> Mapping[str, Any]:
    """The JSON object of an error response of the server itself; empty if something else responded."""
    try:
        return _parse_object(response)
    except RetryableError:
        return {}


def _parse_success(response: Response, error_table: ErrorTable | None = None) -> Mapping[str, Any]:
    """The JSON object in a success. Raises: TranscriptionError, also if there is a page for browsers instead."""
    raise_for_status(response, error_table)
    try:
        return _parse_object(response)
    except RetryableError as error:
        raise find_reported_error(response, error_table) or error from None


def _parse_object(response: Response) -> Mapping[str, Any]:
    parsed = parse_json(response.body, response.content_type)
    if not isinstance(parsed, Mapping):
        raise invalid_response_error(OTHER_JSON)
    return parsed


def _parse_identifier(task: Mapping[str, Any]) -> str:
    identifier = task.get("identifier")
    if not isinstance(identifier, str) or not JOB_ID_PATTERN.fullmatch(identifier):
        raise invalid_response_error(OTHER_JSON)
    return identifier


def _is_no_gpu_failure(task: Mapping[str, Any]) -> bool:
    return task.get("status") == "failed" and re.search(NO_GPU, str(task.get("error"))) is not None


def _recording_id(name: str) -> str:
    """The recording's id, with which a file name begins; each upload appends another suffix after a hyphen."""
    return re.split(r"[-.]", name, maxsplit=1)[0]


def _start_sort_key(task: Mapping[str, Any]) -> tuple[bool, str]:
    """Sorts the newest task last; a task without a start time has not started yet."""
    start = task.get("start_time")
    return not isinstance(start, str), str(start)
