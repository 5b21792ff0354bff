"""Uploads the sample recordings, as a phone system would."""

from pathlib import Path

from local.cloud.client import aws_client
from local.cloud.stack import Stack

SAMPLES = Path(__file__).parent / "samples"
EXTENSIONS = (".wav", ".mp3", ".ogg", ".flac")
PARAMETERS = {"Channels": "caller-left"}
"""Template parameters for the samples, one of which is stereo."""


def put_samples(stack: Stack, *, broken: bool = False) -> None:
    """Upload the samples to the stack's recordings bucket; `broken` adds the one that cannot be decoded."""
    s3 = aws_client("s3", stack.endpoint)
    for folder in [SAMPLES, SAMPLES / "broken"] if broken else [SAMPLES]:
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() in EXTENSIONS:
                s3.upload_file(str(file), stack.buckets["RecordingsBucket"], f"2026/11/18/{file.name}")
