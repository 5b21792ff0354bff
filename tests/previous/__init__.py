"""The template, tables and transcripts of the previous release, for the upgrade test. There is no release yet."""

from pathlib import Path

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER / "template.yaml"
STORED = FOLDER / "stored.json"
BUCKET = "phone-recordings"
PARAMETERS = {"WhisperXUrl": "http://127.0.0.1:9", "RetryBaseSeconds": "1", "RecordingsPath": f"s3://{BUCKET}/"}
WAV = b"RIFF" + b"\0" * 100
"""The content of each recording."""
