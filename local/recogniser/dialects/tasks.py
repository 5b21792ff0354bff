"""The dialect `tasks`, as in whisperX-FastAPI: each upload becomes a job for one worker, and clients poll its status.

Unlike in the real server, jobs are lost when it stops, `device` and `model` are ignored, and without `language` it is
detected if the engine can do that. As in the real server, the segments have no figures besides their times.
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

from local.recogniser.dialects.fastapi import read_options, validation_errors
from local.recogniser.engines.audio import UndecodableAudio, iter_pcm_blocks
from local.recogniser.engines.base import Recogniser, RecognitionOptions

EXTENSIONS = {
    ".wav", ".mp3", ".ogg", ".oga", ".m4a", ".aac", ".amr", ".awb", ".wma", ".mp4", ".mov", ".avi", ".wmv", ".mkv",
}  # fmt: skip
SEGMENT_FIELDS = ("start", "end", "text", "words")
MAX_IN_MEMORY_BYTES = 10_000_000  # of a queued upload; larger ones are on disk

NOT_FOUND = {"error": {"message": "The requested task could not be found.", "code": "TASK_NOT_FOUND"}}, 404

type Reply = dict[str, Any] | tuple[dict[str, Any], int]


@dataclass(frozen=True)
class RecogniserJob:
    """A job, with the fields that the server returns as its metadata."""

    identifier: str
    file_name: str
    language: str | None
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
        self._queue: Queue[tuple[str, IO[bytes], RecognitionOptions]] = Queue()
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, job: RecogniserJob, audio: IO[bytes], options: RecognitionOptions) -> None:
        self.jobs[job.identifier] = job
        self._queue.put((job.identifier, audio, options))

    def _run(self) -> None:
        while True:
            identifier, audio, options = self._queue.get()
            with audio:
                self._run_job(identifier, audio, options)

    def _run_job(self, identifier: str, audio: IO[bytes], options: RecognitionOptions) -> None:
        started_at = datetime.now(UTC)
        self._update(identifier, status="processing", start_time=started_at.isoformat())
        if not self._recogniser.knows(options.language):
            codes = ", ".join(sorted(self._recogniser.engine.languages))
            message = f"'{options.language}' is not a valid language code (accepted language codes: {codes})"
            self._update(identifier, status="failed", error=message)
            return
        try:
            result = self._recogniser.transcribe(audio, options)
        except Exception as error:  # noqa: BLE001 — the thread must survive for the next job
            self._update(identifier, status="failed", error=str(error))
            return
        self.results[identifier] = {
            "segments": [{name: segment[name] for name in SEGMENT_FIELDS} for segment in result["segments"]],
            "word_segments": result["word_segments"],
        }
        ended_at = datetime.now(UTC)
        duration = (ended_at - started_at).total_seconds()
        self._update(
            identifier,
            status="completed",
            language=result["language"],
            duration=duration,
            end_time=ended_at.isoformat(),
        )

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
    if errors := validation_errors("file"):
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
    options = read_options(request.args)
    job = RecogniserJob(str(uuid.uuid4()), name, options.language)
    worker.add(job, audio, options)
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
    return {"status": job.status, "result": result, "metadata": metadata, "error": job.error}
