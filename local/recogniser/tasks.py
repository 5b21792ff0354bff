"""The dialect `tasks`, as in whisperX-FastAPI: each upload becomes a job for one worker, and clients poll its status.

Unlike in the real server, jobs are lost when it stops, and `device` and `model` are ignored.
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

from local.recogniser.fastapi import validation_errors
from local.recogniser.speech import Recogniser, UndecodableAudio, iter_pcm_blocks

EXTENSIONS = {
    ".wav", ".mp3", ".ogg", ".oga", ".m4a", ".aac", ".amr", ".awb", ".wma", ".mp4", ".mov", ".avi", ".wmv", ".mkv",
}  # fmt: skip
MAX_IN_MEMORY_BYTES = 10_000_000  # of a queued upload; larger ones are on disk

NOT_FOUND = {"error": {"message": "The requested task could not be found.", "code": "TASK_NOT_FOUND"}}, 404

type Reply = dict[str, Any] | tuple[dict[str, Any], int]


@dataclass(frozen=True)
class RecogniserJob:
    """A job, with the fields that the server returns as its metadata."""

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


class JobWorker:
    """Runs one job after the other, in its own thread."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.jobs: dict[str, RecogniserJob] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self._recogniser = recogniser
        self._queue: Queue[tuple[str, IO[bytes]]] = Queue()
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, job: RecogniserJob, audio: IO[bytes]) -> None:
        self.jobs[job.identifier] = job
        self._queue.put((job.identifier, audio))

    def _run(self) -> None:
        while True:
            identifier, audio = self._queue.get()
            with audio:
                self._run_job(identifier, audio)

    def _run_job(self, identifier: str, audio: IO[bytes]) -> None:
        started_at = datetime.now(UTC)
        self._update(identifier, status="processing", start_time=started_at.isoformat())
        language = self.jobs[identifier].language
        if language != "en":
            message = f"'{language}' is not a valid language code (accepted language codes: en)"
            self._update(identifier, status="failed", error=message)
            return
        try:
            self.results[identifier] = self._recogniser.transcribe(audio)
        except Exception as error:  # noqa: BLE001 — the thread must survive for the next job
            self._update(identifier, status="failed", error=str(error))
            return
        ended_at = datetime.now(UTC)
        duration = (ended_at - started_at).total_seconds()
        self._update(identifier, status="completed", duration=duration, end_time=ended_at.isoformat())

    def _update(self, identifier: str, **changes: Any) -> None:
        if identifier in self.jobs:
            self.jobs[identifier] = replace(self.jobs[identifier], **changes)


def add_routes(app: Flask, recogniser: Recogniser) -> None:
    worker = JobWorker(recogniser)

    @app.post("/speech-to-text")
    def speech_to_text() -> Reply:
        return _submit(worker)

    @app.get("/task/all")
    def list_jobs() -> Reply:
        return {"tasks": [asdict(job) for job in list(worker.jobs.values())]}

    @app.get("/task/<identifier>")
    def get_job(identifier: str) -> Reply:
        return _to_response(worker, identifier)

    @app.delete("/task/<identifier>/delete")
    def delete_job(identifier: str) -> Reply:
        worker.results.pop(identifier, None)
        deleted = worker.jobs.pop(identifier, None)
        return {"identifier": identifier, "message": "Task deleted"} if deleted else NOT_FOUND

    @app.get("/health")
    def health() -> Reply:
        return {"status": "ok", "message": "Service is running"}

    @app.get("/health/ready")
    def ready() -> Reply:
        return {"status": "ok", "database": "connected", "message": "Application is ready to accept requests"}


def _submit(worker: JobWorker) -> Reply:
    if errors := validation_errors("file", ()):
        return {"detail": errors}, 422
    upload = request.files["file"]
    name = upload.filename or ""
    if PurePath(name).suffix.lower() not in EXTENSIONS:
        return {"detail": f"Invalid file extension for file {name}. Allowed: {EXTENSIONS}"}, 400
    audio = SpooledTemporaryFile(MAX_IN_MEMORY_BYTES)  # noqa: SIM115 — the worker closes it
    shutil.copyfileobj(upload.stream, audio)
    if not _is_decodable(audio):
        audio.close()
        return {"error": {"message": "Audio processing failed.", "code": "AUDIO_PROCESSING_ERROR"}}, 400
    job = RecogniserJob(str(uuid.uuid4()), name, request.args.get("language", "en"))
    worker.add(job, audio)
    return {"identifier": job.identifier, "message": "Task queued"}


def _is_decodable(audio: IO[bytes]) -> bool:
    """Whether the whole file can be decoded. Rewinds the file."""
    audio.seek(0)
    try:
        for _ in iter_pcm_blocks(audio):
            pass
    except UndecodableAudio:
        return False
    audio.seek(0)
    return True


def _to_response(worker: JobWorker, identifier: str) -> Reply:
    job, result = worker.jobs.get(identifier), worker.results.get(identifier)
    if job is None:
        return NOT_FOUND
    metadata = asdict(job) | {"task_params": {"language": job.language, "device": "cpu"}}
    result_body = result and {name: result[name] for name in ("segments", "word_segments")}
    return {"status": job.status, "result": result_body, "metadata": metadata, "error": job.error}
