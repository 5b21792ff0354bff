"""What the previous release declared and stored: its template, tables and transcripts. There is none yet."""

from pathlib import Path

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER / "template.yaml"
STORED = FOLDER / "stored.json"
BUCKET = "recordings-of-the-telephones"
PARAMETERS = {"WhisperXUrl": "http://127.0.0.1:9", "RetryBaseSeconds": "1", "RecordingsPath": f"s3://{BUCKET}/"}
WAV = b"RIFF" + b"\0" * 100
"""As each of the recordings is."""
