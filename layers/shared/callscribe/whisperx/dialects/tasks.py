"""The dialect `tasks`: whisperX-FastAPI.

POST /speech-to-text with the multipart field `file` and every option in the query answers with the identifier of a
task; GET /task/{identifier} tells how it stands, under 200 even when it failed. The server's own environment gives no
defaults: it wants `device=cuda` and the model `tiny` unless it is asked for something else.
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
from callscribe.transcripts.transcript import Transcript, invalid_response_error, parse_json, parse_transcript
from callscribe.whisperx import DialectInfo, Job, RequestLogger, Service, Timeouts
from callscribe.whisperx.client import WhisperXClient
from callscribe.whisperx.dialects.options import Parameters, build_parameters
from callscribe.whisperx.multipart import MultipartUpload
from callscribe.whisperx.response_errors import NO_GPU, ErrorMapping, ErrorTable, Response, hint, raise_for_status

SUPPORTED_EXTENSIONS = {
    "wav",
    "mp3",
    "ogg",
    "oga",
    "m4a",
    "mp4",
    "aac",
    "amr",
    "awb",
    "wma",
    "mkv",
    "mov",
    "avi",
    "wmv",
}
"""The server decides by the name of the file what it takes; its ffmpeg then looks at the content alone."""

EXTENSION_SUBSTITUTES = {"opus": "ogg", "webm": "mkv", "3gp": "mp4"}
"""What goes under another ending that it accepts; whatever else it refuses goes as wav."""

JOB_ID_PATTERN = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,128}")
"""Of a task: it becomes a part of an address."""

LIST_TIMEOUT_SECONDS = 30.0
"""How long the list of all tasks may take, which a server with work to do may keep waiting."""

ACTIVE_STATES = ("queued", "processing", "completed")
"""A task of which something may still come."""

NO_GPU_CODE = "no_gpu"
NO_GPU_SECONDS = 3600.0
"""So long a server is taken to have no GPU where a job lacked one: what is sent meanwhile asks for the CPU."""

_no_gpu_until: dict[str, float] = {}
"""Until when, as `time.monotonic` tells it, by the address of the server."""

CPU_OPTIONS = (("device", "cpu"), ("compute_type", "int8"))

NOT_AUDIO = ErrorMapping(PermanentError, "not_audio", "The service does not take this audio ({}).")
DIALECT_ERRORS: ErrorTable = {400: NOT_AUDIO}

MISSING_ROUTE_STATUSES = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

ROUTE_NOT_FOUND_DETAILS = ("Not Found", "Method Not Allowed")
"""FastAPI's words. A proxy whose server is gone answers 404 too, and in others."""

TASK_LIST_UNAVAILABLE = "The service does not tell its tasks. Nothing is sent that it may have already."

TASK_LIST_PATH = "/task/all"
DIALECT_INFO = DialectInfo(
    server_name="whisperX-FastAPI",
    upload_path="/speech-to-text",
    auth_check_paths=(TASK_LIST_PATH,),
    list_member="tasks",
)


def connect(settings: WhisperXSettings, api_key: str, log_request: RequestLogger) -> Service:
    return TasksService(settings, api_key, log_request)


class TasksService:
    """Once a job has failed for want of a GPU, the CPU is requested, unless the options name a device."""

    def __init__(self, settings: WhisperXSettings, api_key: str, log_request: RequestLogger) -> None:
        self._settings = settings
        self._client = WhisperXClient(settings.whisperx_url, api_key, log_request)

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
        # min_speakers and max_speakers are mixed up by some servers: never sent
        defaults = [("language", self._settings.whisperx_language), ("model", self._settings.whisperx_model)]
        query = build_parameters(defaults, self._settings)
        named = {option for option, _ in query}
        if "device" not in named and time.monotonic() < _no_gpu_until.get(self._settings.whisperx_url, 0.0):
            return [*query, *((option, value) for option, value in CPU_OPTIONS if option not in named)]
        return query

    def _list_tasks(self, timeouts: Timeouts) -> list[Mapping[str, Any]]:
        """The tasks of files; none if the server says that it has no such list, which costs a job done twice.

        Raises ServiceUnavailable where anything else comes than a list: nothing was sent, and it may be there already.
        """
        list_timeouts = Timeouts(timeouts.connect, min(timeouts.total, LIST_TIMEOUT_SECONDS))
        try:
            return self._client.get(TASK_LIST_PATH, list_timeouts, _parse_tasks)
        except (RetryableError, PermanentError) as error:
            raise ServiceUnavailable(TASK_LIST_UNAVAILABLE, code="service_busy", status=error.status) from error


def supported_file_name(name: str) -> str:
    """The file name with an ending that the server accepts."""
    path = PurePosixPath(name)
    extension = path.suffix.lower().removeprefix(".")
    return name if extension in SUPPORTED_EXTENSIONS else f"{path.stem}.{EXTENSION_SUBSTITUTES.get(extension, 'wav')}"


def _parse_job(response: Response) -> Job:
    return Job(_parse_identifier(_parse_object(raise_for_status(response, DIALECT_ERRORS))))


def _parse_tasks(response: Response) -> list[Mapping[str, Any]]:
    if _is_route_not_found(response) or _is_task_not_found(response):  # `all` may be taken for the name of a task
        return []
    if response.status in MISSING_ROUTE_STATUSES:
        raise ServiceUnavailable(TASK_LIST_UNAVAILABLE, code="service_busy", status=response.status)
    tasks = _parse_object(raise_for_status(response)).get("tasks")
    if not isinstance(tasks, list):
        raise invalid_response_error()
    return [each for each in tasks if _has_file_name(each)]


def _parse_result(response: Response) -> Transcript | None:
    if _is_task_not_found(response):
        message = f"The service has forgotten the job ({response.status}). It is sent again."
        raise JobFailed(message, code="job_lost", status=response.status)
    task = _parse_object(raise_for_status(response))
    match task.get("status"):
        case "queued" | "processing":
            return None
        case "completed":
            return _parse_task_transcript(task)
        case "failed":
            error_text = str(task.get("error"))
            code = NO_GPU_CODE if _is_no_gpu_failure(task) else JobFailed.code
            raise JobFailed(f"The service took the audio, and its job failed.{hint(error_text)}", code=code)
    raise invalid_response_error()


def _parse_task_transcript(task: Mapping[str, Any]) -> Transcript:
    """Raises JobEnded when the job has brought none: asking again would bring no other."""
    result, metadata = task.get("result"), task.get("metadata")
    language = metadata.get("language") if isinstance(metadata, Mapping) else None
    try:
        return parse_transcript({"language": language, **result} if isinstance(result, Mapping) else None)
    except RetryableError as error:
        raise JobFailed(error.message, code=error.code) from error


def _is_task_not_found(response: Response) -> bool:
    """In JSON, as the server itself does; a proxy whose server is gone answers 404 as well, in HTML or plain text."""
    return response.status == HTTPStatus.NOT_FOUND and _is_json(response) and not _is_route_not_found(response)


def _is_json(response: Response) -> bool:
    try:
        return bool(_parse_object(response))
    except RetryableError:
        return False


def _is_route_not_found(response: Response) -> bool:
    return response.status in MISSING_ROUTE_STATUSES and _error_member(response, "detail") in ROUTE_NOT_FOUND_DETAILS


def _error_member(response: Response, name: str) -> Any:
    """A member of what the server itself said; None where somebody else answered, who does not say it in JSON."""
    try:
        return _parse_object(response).get(name)
    except RetryableError:
        return None


def _parse_object(response: Response) -> Mapping[str, Any]:
    parsed = parse_json(response.body, response.content_type)
    if not isinstance(parsed, Mapping):
        raise invalid_response_error()
    return parsed


def _has_file_name(task: Any) -> bool:
    return isinstance(task, Mapping) and isinstance(task.get("file_name"), str)


def _parse_identifier(task: Mapping[str, Any]) -> str:
    identifier = task.get("identifier")
    if not isinstance(identifier, str) or not JOB_ID_PATTERN.fullmatch(identifier):
        raise invalid_response_error()
    return identifier


def _is_no_gpu_failure(task: Mapping[str, Any]) -> bool:
    return task.get("status") == "failed" and NO_GPU.search(str(task.get("error"))) is not None


def _recording_id(name: str) -> str:
    """The recording that a file name stands for: each time that it is sent, another ending is put behind a hyphen."""
    return re.split(r"[-.]", name, maxsplit=1)[0]


def _start_sort_key(task: Mapping[str, Any]) -> tuple[bool, str]:
    """Sorts the newest last; what has no start has not begun."""
    start = task.get("start_time")
    return not isinstance(start, str), str(start)
