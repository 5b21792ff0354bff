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


def containers() -> str:
    """Those that run a function of ours."""
    command = ["docker", "ps", "--quiet", "--filter", f"volume={BUILD_DIR}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_upload_becomes_a_transcript_in_containers_and_the_api_shows_it_to_who_has_the_key():
    with sam_local() as sam:
        synced = sam.invoke("SyncFunction", "upload")
        assert (synced["trigger"], synced["counts"]["added"]) == ("upload", 1), synced
        for task, what in (("queue_transcriptions", "queued"), ("process_transcription", "completed")):
            run = sam.run(task)
            assert (run["status"], run["counts"][what]) == ("succeeded", 1), run
        answer = sam.ask("/api/call-recordings?transcriptionStatus=completed")
        assert answer.status_code == 200, answer.text
        (item,) = answer.json()["items"]
        assert "hotel" in item["transcript"]["preview"]
        assert sam.ask("/api/call-recordings", key="").status_code == 401
        assert sam.ask("/api/call-recordings", key="not-the-key").status_code == 401
        assert sam.ask("/health", key="").json() == {"status": "ok"}
    assert containers() == ""
