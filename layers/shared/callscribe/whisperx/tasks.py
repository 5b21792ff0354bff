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

from callscribe.errors import JobEnded, PermanentError, RetryableError, ServiceUnavailable
from callscribe.settings import WhisperXSettings
from callscribe.sources import Audio
from callscribe.transcript import Transcript, parse_json, transcript_in, unreadable
from callscribe.whisperx import Description, Job, Observer, Service, Timeouts
from callscribe.whisperx.http import Client
from callscribe.whisperx.multipart import MultipartFile
from callscribe.whisperx.options import Pairs, parameters
from callscribe.whisperx.verdicts import NO_GPU, Answer, Meaning, Meanings, approved, hint

ACCEPTED = {"wav", "mp3", "ogg", "oga", "m4a", "mp4", "aac", "amr", "awb", "wma", "mkv", "mov", "avi", "wmv"}
"""The server decides by the name of the file what it takes; its ffmpeg then looks at the content alone."""

SENT_AS = {"opus": "ogg", "webm": "mkv", "3gp": "mp4"}
"""What goes under another ending that it accepts; whatever else it refuses goes as wav."""

IDENTIFIER = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,128}")
"""Of a task: it becomes a part of an address."""

LOOKING_SECONDS = 30.0
"""How long the list of all tasks may take, which a server with work to do may keep waiting."""

ALIVE = ("queued", "processing", "completed")
"""A task of which something may still come."""

LACKS_GPU = "no_gpu"
NO_GPU_SECONDS = 3600.0
"""So long a server is taken to have no GPU where a job lacked one: what is sent meanwhile asks for the CPU."""

_lacking: dict[str, float] = {}
"""Until when, as `time.monotonic` tells it, by the address of the server."""

CPU = (("device", "cpu"), ("compute_type", "int8"))

NOT_AUDIO = Meaning(PermanentError, "not_audio", "The service does not take this audio ({}).")
MEANINGS: Meanings = {400: NOT_AUDIO}

NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

NO_SUCH_ROUTE = ("Not Found", "Method Not Allowed")
"""FastAPI's words. A proxy whose server is gone answers 404 too, and in others."""

UNTOLD = "The service does not tell its tasks. Nothing is sent that it may have already."

ALL_TASKS = "/task/all"
DESCRIPTION = Description(server="whisperX-FastAPI", route="/speech-to-text", guarded=(ALL_TASKS,), lists="tasks")


def connect(settings: WhisperXSettings, api_key: str, observe: Observer) -> Service:
    return TasksService(settings, api_key, observe)


class TasksService:
    """Once a job has failed for want of a GPU, the CPU is requested, unless the options name a device."""

    def __init__(self, settings: WhisperXSettings, api_key: str, observe: Observer) -> None:
        self._settings = settings
        self._client = Client(settings.whisperx_url, api_key, observe)

    def send(self, audio: Audio, name: str, timeouts: Timeouts, *, again: bool = False) -> Job:
        began = time.monotonic()
        name = accepted_name(name)
        before = self._sent_before(timeouts) if again else []
        if alive := [task for task in before if task["file_name"] == name and task.get("status") in ALIVE]:
            return Job(_identifier(max(alive, key=_age)))
        if any(_lacked_gpu(task) for task in before if _recording(task["file_name"]) == _recording(name)):
            self._remember_no_gpu()
        body = MultipartFile(audio, field="file", name=name)
        left = Timeouts(timeouts.connect, max(0.1, timeouts.total - (time.monotonic() - began)))
        return self._client.post(DESCRIPTION.route, body, left, _job, query=self._query())

    def poll(self, job: Job, timeouts: Timeouts) -> Transcript | None:
        try:
            return self._client.get(f"/task/{job.id}", timeouts, _result)
        except JobEnded as error:
            if error.code == LACKS_GPU:
                self._remember_no_gpu()
            raise

    def _remember_no_gpu(self) -> None:
        _lacking[self._settings.whisperx_url] = time.monotonic() + NO_GPU_SECONDS

    def _query(self) -> Pairs:
        # min_speakers and max_speakers are mixed up by some servers: never sent
        ours = [("language", self._settings.whisperx_language), ("model", self._settings.whisperx_model)]
        chosen = parameters(ours, self._settings)
        named = {option for option, _ in chosen}
        if "device" not in named and time.monotonic() < _lacking.get(self._settings.whisperx_url, 0.0):
            return [*chosen, *((option, value) for option, value in CPU if option not in named)]
        return chosen

    def _sent_before(self, timeouts: Timeouts) -> list[Mapping[str, Any]]:
        """The tasks of files; none if the server says that it has no such list, which costs a job done twice.

        Raises ServiceUnavailable where anything else comes than a list: nothing was sent, and it may be there already.
        """
        looking = Timeouts(timeouts.connect, min(timeouts.total, LOOKING_SECONDS))
        try:
            return self._client.get(ALL_TASKS, looking, _tasks)
        except (RetryableError, PermanentError) as error:
            raise ServiceUnavailable(UNTOLD, code="service_busy", status=error.status) from error


def accepted_name(name: str) -> str:
    """The file name with an ending that the server accepts."""
    path = PurePosixPath(name)
    ending = path.suffix.lower().removeprefix(".")
    return name if ending in ACCEPTED else f"{path.stem}.{SENT_AS.get(ending, 'wav')}"


def _job(answer: Answer) -> Job:
    return Job(_identifier(_mapping(approved(answer, MEANINGS))))


def _tasks(answer: Answer) -> list[Mapping[str, Any]]:
    if _says_no_such_route(answer) or _says_no_such_task(answer):  # `all` may be taken for the name of a task
        return []
    if answer.status in NOT_THERE:
        raise ServiceUnavailable(UNTOLD, code="service_busy", status=answer.status)
    tasks = _mapping(approved(answer)).get("tasks")
    if not isinstance(tasks, list):
        raise unreadable()
    return [each for each in tasks if _is_of_a_file(each)]


def _result(answer: Answer) -> Transcript | None:
    if _says_no_such_task(answer):
        forgotten = f"The service has forgotten the job ({answer.status}). It is sent again."
        raise JobEnded(forgotten, code="job_lost", status=answer.status)
    task = _mapping(approved(answer))
    match task.get("status"):
        case "queued" | "processing":
            return None
        case "completed":
            return _transcript(task)
        case "failed":
            why = str(task.get("error"))
            code = LACKS_GPU if _lacked_gpu(task) else JobEnded.code
            raise JobEnded(f"The service took the audio, and its job failed.{hint(why)}", code=code)
    raise unreadable()


def _transcript(task: Mapping[str, Any]) -> Transcript:
    """Raises JobEnded when the job has brought none: asking again would bring no other."""
    result, metadata = task.get("result"), task.get("metadata")
    told = metadata.get("language") if isinstance(metadata, Mapping) else None
    try:
        return transcript_in({"language": told, **result} if isinstance(result, Mapping) else None)
    except RetryableError as error:
        raise JobEnded(error.message, code=error.code) from error


def _says_no_such_task(answer: Answer) -> bool:
    """In JSON, as the server itself does; a proxy whose server is gone answers 404 as well, in HTML or plain text."""
    return answer.status == HTTPStatus.NOT_FOUND and _is_json(answer) and not _says_no_such_route(answer)


def _is_json(answer: Answer) -> bool:
    try:
        return bool(_mapping(answer))
    except RetryableError:
        return False


def _says_no_such_route(answer: Answer) -> bool:
    return answer.status in NOT_THERE and _refusal(answer, "detail") in NO_SUCH_ROUTE


def _refusal(answer: Answer, name: str) -> Any:
    """A member of what the server itself said; None where somebody else answered, who does not say it in JSON."""
    try:
        return _mapping(answer).get(name)
    except RetryableError:
        return None


def _mapping(answer: Answer) -> Mapping[str, Any]:
    read = parse_json(answer.body, answer.content_type)
    if not isinstance(read, Mapping):
        raise unreadable()
    return read


def _is_of_a_file(task: Any) -> bool:
    return isinstance(task, Mapping) and isinstance(task.get("file_name"), str)


def _identifier(task: Mapping[str, Any]) -> str:
    identifier = task.get("identifier")
    if not isinstance(identifier, str) or not IDENTIFIER.fullmatch(identifier):
        raise unreadable()
    return identifier


def _lacked_gpu(task: Mapping[str, Any]) -> bool:
    return task.get("status") == "failed" and NO_GPU.search(str(task.get("error"))) is not None


def _recording(name: str) -> str:
    """The recording that a file name stands for: each time that it is sent, another ending is put behind a hyphen."""
    return re.split(r"[-.]", name, maxsplit=1)[0]


def _age(task: Mapping[str, Any]) -> tuple[bool, str]:
    """Sorts the newest last; what has no start has not begun."""
    start = task.get("start_time")
    return not isinstance(start, str), str(start)
