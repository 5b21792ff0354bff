"""The built functions in containers, as `make sam-local` runs them."""

import subprocess

import pytest

from local.build import BUILD_DIR
from local.sam.containers import unavailable_reason
from tests.e2e.sam_local import sam_local

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(unavailable_reason() is not None, reason=f"sam local needs Docker ({unavailable_reason()})"),
]


def list_containers() -> str:
    """List the running containers with our functions."""
    command = ["docker", "ps", "--quiet", "--filter", f"volume={BUILD_DIR}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_containers_transcribe_an_upload_and_serve_it_to_clients_with_the_key():
    with sam_local() as sam:
        synced = sam.invoke("SyncFunction", "upload")
        assert (synced["trigger"], synced["counts"]["added"]) == ("upload", 1), synced
        for task, count in (("queue_transcriptions", "queued"), ("process_transcription", "completed")):
            run = sam.run(task)
            assert (run["status"], run["counts"][count]) == ("succeeded", 1), run
        response = sam.request("/api/call-recordings?transcriptionStatus=completed")
        assert response.status_code == 200, response.text
        (item,) = response.json()["items"]
        assert "hotel" in item["transcript"]["preview"]
        assert sam.request("/api/call-recordings", key="").status_code == 401
        assert sam.request("/api/call-recordings", key="not-the-key").status_code == 401
        assert sam.request("/health", key="").json() == {"status": "ok"}
    assert list_containers() == ""
