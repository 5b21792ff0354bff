"""Folders, and what the table knows of files that were swept before: made without a sweep, which would take hours."""

import os
import time
from itertools import batched
from pathlib import Path

from benchmarks import bucket
from benchmarks.upload import wav


def seed(path: str, table: str, new: int) -> int:
    """Writes the entries that a sweep would have made of all files but `new`; how many. The rest no sweep reads."""
    from callscribe.recording import entry_of, recording_id, source_hash
    from callscribe.sources import open_source
    from functions.sync.version import version_of
    from local.cloud.client import aws_client

    source = open_source(path)
    found = list(source.files())
    every = len(found) // new if new else len(found) + 1
    items = [
        {
            "id": {"S": recording_id(source.location, file.key)},
            "s": {"S": source_hash(source.location)},
            "k": {"S": entry_of(file.key, version_of(file, (), None, told=False))},
        }
        for number, file in enumerate(found, 1)
        if number % every
    ]
    dynamodb = aws_client("dynamodb", os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    for batch in batched(items, 25, strict=False):
        answer = dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in batch]})
        assert not answer["UnprocessedItems"]
    return len(items)


def make_folder(root: Path, number: int) -> None:
    """Half of the files in one folder, the others in folders of dates, 50 in each; written an hour ago."""
    root.mkdir()
    audio, an_hour_ago = wav(800), time.time() - 3600
    for count, key in enumerate(bucket.keys(number)):
        day = count // 50
        folder = root / ("all" if count < number // 2 else f"2025/{day // 28 % 12 + 1:02}/{day % 28 + 1:02}")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / key.rpartition("/")[2]
        file.write_bytes(audio)
        os.utime(file, (an_hour_ago, an_hour_ago))
