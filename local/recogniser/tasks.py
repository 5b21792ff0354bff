"""The dialect `tasks`, as whisperX-FastAPI speaks it: a job for each upload, done by one worker, told of when asked.

It forgets its tasks when it ends, as the real one does not; `device` and `model` are ignored.
"""

import shutil
import threading
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePath
from queue import Queue
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from flask import Flask, request

from local.recogniser.fastapi import faults
from local.recogniser.speech import Recogniser, UndecodableAudio, pcm_blocks

EXTENSIONS = {
    ".wav", ".mp3", ".ogg", ".oga", ".m4a", ".aac", ".amr", ".awb", ".wma", ".mp4", ".mov", ".avi", ".wmv", ".mkv",
}  # fmt: skip
IN_MEMORY = 10_000_000  # bytes of an upload that waits; beyond, it waits on disk

NOT_FOUND = {"error": {"message": "The requested task could not be found.", "code": "TASK_NOT_FOUND"}}, 404

type Reply = dict[str, Any] | tuple[dict[str, Any], int]


@dataclass(frozen=True)
class Task:
    identifier: str
    file_name: str
    language: str
    status: str = "queued"
    task_type: str = "full_process"
    url: str | None = None
    error: str | None = None
    duration: float | None = None
    start_time: str | None = None
    end_time: str | None = None


class Worker:
    """Does one task after the other, in a thread of its own."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.tasks: dict[str, Task] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self._recogniser = recogniser
        self._waiting: Queue[tuple[str, IO[bytes]]] = Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def add(self, task: Task, audio: IO[bytes]) -> None:
        self.tasks[task.identifier] = task
        self._waiting.put((task.identifier, audio))

    def _work(self) -> None:
        while True:
            identifier, audio = self._waiting.get()
            with audio:
                self._do(identifier, audio)

    def _do(self, identifier: str, audio: IO[bytes]) -> None:
        started = datetime.now(UTC)
        self._change(identifier, status="processing", start_time=started.isoformat())
        language = self.tasks[identifier].language
        if language != "en":
            why = f"'{language}' is not a valid language code (accepted language codes: en)"
            self._change(identifier, status="failed", error=why)
            return
        try:
            self.results[identifier] = self._recogniser.transcribe(audio)
        except Exception as error:  # noqa: BLE001 — the next task must not suffer
            self._change(identifier, status="failed", error=str(error))
            return
        ended = datetime.now(UTC)
        duration = (ended - started).total_seconds()
        self._change(identifier, status="completed", duration=duration, end_time=ended.isoformat())

    def _change(self, identifier: str, **to: Any) -> None:
        if identifier in self.tasks:
            self.tasks[identifier] = replace(self.tasks[identifier], **to)


def add_routes(app: Flask, recogniser: Recogniser) -> None:
    worker = Worker(recogniser)

    @app.post("/speech-to-text")
    def speech_to_text() -> Reply:
        return _submit(worker)

    @app.get("/task/all")
    def tasks() -> Reply:
        return {"tasks": [asdict(task) for task in list(worker.tasks.values())]}

    @app.get("/task/<identifier>")
    def task(identifier: str) -> Reply:
        return _told(worker, identifier)

    @app.delete("/task/<identifier>/delete")
    def delete(identifier: str) -> Reply:
        worker.results.pop(identifier, None)
        deleted = worker.tasks.pop(identifier, None)
        return {"identifier": identifier, "message": "Task deleted"} if deleted else NOT_FOUND

    @app.get("/health")
    def health() -> Reply:
        return {"status": "ok", "message": "Service is running"}

    @app.get("/health/ready")
    def ready() -> Reply:
        return {"status": "ok", "database": "connected", "message": "Application is ready to accept requests"}


def _submit(worker: Worker) -> Reply:
    if found := faults("file", ()):
        return {"detail": found}, 422
    upload = request.files["file"]
    name = upload.filename or ""
    if PurePath(name).suffix.lower() not in EXTENSIONS:
        return {"detail": f"Invalid file extension for file {name}. Allowed: {EXTENSIONS}"}, 400
    audio = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 — the worker closes it
    shutil.copyfileobj(upload.stream, audio)
    if not _decodable(audio):
        audio.close()
        return {"error": {"message": "Audio processing failed.", "code": "AUDIO_PROCESSING_ERROR"}}, 400
    task = Task(str(uuid.uuid4()), name, request.args.get("language", "en"))
    worker.add(task, audio)
    return {"identifier": task.identifier, "message": "Task queued"}


def _decodable(audio: IO[bytes]) -> bool:
    """Whether it is audio from beginning to end; leaves the file at its beginning."""
    audio.seek(0)
    try:
        for _ in pcm_blocks(audio):
            pass
    except UndecodableAudio:
        return False
    audio.seek(0)
    return True


def _told(worker: Worker, identifier: str) -> Reply:
    task, result = worker.tasks.get(identifier), worker.results.get(identifier)
    if task is None:
        return NOT_FOUND
    metadata = asdict(task) | {"task_params": {"language": task.language, "device": "cpu"}}
    told = result and {name: result[name] for name in ("segments", "word_segments")}
    return {"status": task.status, "result": told, "metadata": metadata, "error": task.error}
