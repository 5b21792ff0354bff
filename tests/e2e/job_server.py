"""A server with jobs in a process of its own, to be killed by SIGKILL while it transcribes.

`python -m tests.e2e.job_server DIR KIND` starts it. It transcribes one recording at a time. `PUT /time` sets the
time at which its jobs end, by the clock of the test, so that it need not wait for three minutes. DIR keeps the log
(`log.jsonl`), the port and the jobs.
"""

import json
import re
import sys
import uuid
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

FORGETS, LISTS, RESUMES = "forgets its jobs", "lists them as running", "resumes them"
KINDS = (FORGETS, LISTS, RESUMES)
"""What the server does with unfinished jobs after it was killed. whisperX-FastAPI lists them as running for ever: its
jobs run in its process, but are recorded in a database."""

JOB_SECONDS = 180.0
NOT_FOUND = {"error": {"message": "The requested task could not be found.", "code": "TASK_NOT_FOUND"}}
RESULT = {"segments": [{"start": 0.0, "end": 0.5, "text": "Hello."}], "word_segments": []}


@dataclass
class Job:
    """`is_alive`: whether this process will run it. `ends_at` is None until it starts."""

    identifier: str
    file_name: str
    status: str = "queued"
    ends_at: float | None = None
    is_alive: bool = True

    @property
    def recording(self) -> str:
        return re.split(r"[-.]", self.file_name)[0]


class Jobs:
    """All jobs, on disk after each change."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._file, self._log = folder / "jobs.json", folder / "log.jsonl"
        self.now = 0.0
        stored = json.loads(self._file.read_text()) if self._file.exists() and kind != FORGETS else []
        self.jobs = [Job(**job) for job in stored]
        for job in self._unfinished():
            job.is_alive = kind == RESUMES
            if job.is_alive:
                job.status, job.ends_at = "queued", None

    def _unfinished(self) -> list[Job]:
        return [job for job in self.jobs if job.status != "completed" and job.is_alive]

    def advance(self, now: float) -> None:
        """End the running job if its time is over, and start the next one."""
        self.now = now
        while waiting := self._unfinished():
            job = waiting[0]
            if job.ends_at is None:
                job.status, job.ends_at = "processing", now + JOB_SECONDS
            if job.ends_at > now:
                break
            job.status = "completed"
        self._save()

    def add(self, file_name: str) -> Job:
        job = Job(str(uuid.uuid4()), file_name)
        self.jobs.append(job)
        unfinished = [each.recording for each in self._unfinished()]
        entry = {
            "at": self.now,
            "recording": job.recording,
            "unfinished": len(unfinished),
            "copies": unfinished.count(job.recording),
        }
        with self._log.open("a") as log:
            log.write(json.dumps(entry) + "\n")
        self.advance(self.now)
        return job

    def find(self, identifier: str) -> Job | None:
        return next((job for job in self.jobs if job.identifier == identifier), None)

    def _save(self) -> None:
        self._file.write_text(json.dumps([asdict(job) for job in self.jobs]))


class Handler(BaseHTTPRequestHandler):
    jobs: Jobs

    def log_message(self, *_: Any) -> None:
        pass

    def do_PUT(self) -> None:
        self.jobs.advance(float(self._read_body()))
        self._respond(200, {})

    def do_POST(self) -> None:
        match = re.search(rb'filename="([^"]+)"', self._read_body())
        assert match
        job = self.jobs.add(match[1].decode())
        self._respond(200, {"identifier": job.identifier, "message": "Task queued"})

    def do_GET(self) -> None:
        if self.path == "/task/all":
            self._respond(200, {"tasks": [asdict(job) for job in self.jobs.jobs]})
        elif job := self.jobs.find(self.path.rpartition("/")[2]):
            self._respond(200, {"status": job.status, "result": RESULT if job.status == "completed" else None})
        else:
            self._respond(404, NOT_FOUND)

    def _read_body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _respond(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    port_file = folder / "port"
    Handler.jobs = Jobs(folder, kind)
    server = HTTPServer(("127.0.0.1", int(port_file.read_text()) if port_file.exists() else 0), Handler)
    port_file.write_text(str(server.server_port))
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
